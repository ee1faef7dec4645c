"""Who imports whom: the graph of modules, and the graph of packages."""

import ast
from collections.abc import Iterable
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

Graph = dict[str, set[str]]


def modules() -> dict[str, Path]:
    """Returns dotted name -> file, of every module of recsearch and of its search spaces."""
    found = {}
    for folder, prefix in ((ROOT / "recsearch", ""), (ROOT / "search_spaces", "search_spaces.")):
        for path in folder.rglob("*.py"):
            name = prefix + ".".join(path.relative_to(folder).with_suffix("").parts)
            found["recsearch." + name] = path
    return {name.removesuffix(".__init__"): path for name, path in found.items()}


def imports(path: Path, *, when_imported: bool = False) -> set[str]:
    """Returns the full names of the imports of a file.

    Args:
        path: A Python file.
        when_imported: Only the imports that run when the module is imported; else also type-only
            imports and imports in functions.
    """
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if when_imported and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if when_imported and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        pending.extend(ast.iter_child_nodes(node))
    return found


def resolved(name: str, known: Iterable[str]) -> str | None:
    """Returns the module in which an imported name is: itself, or the module that defines it."""
    known = set(known)
    while name not in known and "." in name:
        name = name.rpartition(".")[0]
    return name if name in known else None


def module_graph() -> Graph:
    """Returns module -> the modules that it imports."""
    found = modules()
    graph: Graph = {}
    for name, path in found.items():
        targets = {resolved(imported, found) for imported in imports(path)}
        graph[name] = {target for target in targets if target is not None} - {name}
    return graph


def package_of(module: str) -> str:
    """Returns the package of a module, or the module itself if it is at the top."""
    path = modules()[module]
    if path.name == "__init__.py" and module != "recsearch":
        return module
    parent = module.rpartition(".")[0]
    return module if parent in ("", "recsearch") else parent


def package_graph(graph: Graph) -> Graph:
    """Returns package -> the packages that it imports; a part of a package is one of its own."""
    home = {module: package_of(module) for module in graph}
    packages: Graph = {package: set() for package in home.values()}
    for module, targets in graph.items():
        packages[home[module]] |= {home[target] for target in targets} - {home[module]}
    return packages


def area(name: str) -> str:
    """Returns recsearch.<area> of a package: what is directly below recsearch."""
    return ".".join(name.split(".")[:2])


def area_graph(packages: Graph) -> Graph:
    """Returns area -> the areas that it imports, parts of packages counted to their package."""
    areas: Graph = {}
    for package, targets in packages.items():
        areas.setdefault(area(package), set()).update(area(target) for target in targets)
    return {name: targets - {name} for name, targets in areas.items()}


def levels(graph: Graph) -> list[set[str]]:
    """Returns the nodes level by level, lowest first. Raises graphlib.CycleError for a cycle."""
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    found = []
    while sorter.is_active():
        ready = sorter.get_ready()
        found.append(set(ready))
        sorter.done(*ready)
    return found
