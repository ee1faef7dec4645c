"""Imports point one way: a module imports only from rows below its own (or from its own row)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "errors",
        "arguments",
        "config",
        "files",
        "host",
        "machine",
        "printable",
        "quiet",
        "settings",
        "shapes",
        "text_table",
    ),
    ("data", "metrics", "scorer", "baselines"),
    ("nn", "pipeline", "search_spaces"),
    ("training",),
    ("tuning",),
    ("export", "results", "report", "exchange"),
    (
        "assembly",
        "directory",
        "estimate",
        "progress",
        "live_table",
        "watching",
        "final",
        "check",
        "rehearsal",
        "start",
        "run",
    ),
    ("api", "commands", "cli", "flags", "__main__"),
)
"""Row 0 first. Names are modules or packages below recsearch; search_spaces/ stands beside it."""

WITHOUT_TENSORFLOW = (
    *LAYERS[0],
    *LAYERS[1],
    "results",
    "report",
    "exchange",
    "estimate",
    "progress",
    "live_table",
    "watching",
    *LAYERS[7],
)
HEAVY = ("tensorflow", "keras", "keras_tuner")


def modules() -> dict[str, Path]:
    """Returns dotted name below recsearch -> file, of every module."""
    found = {}
    for folder, prefix in ((ROOT / "recsearch", ""), (ROOT / "search_spaces", "search_spaces.")):
        for path in folder.rglob("*.py"):
            name = prefix + ".".join(path.relative_to(folder).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def room(name: str) -> str:
    return name.partition(".")[0]


def row(name: str) -> int:
    rows = [number for number, rooms in enumerate(LAYERS) if room(name) in rooms]
    assert len(rows) == 1, f"{name} stands in no row of the table, or in several"
    return rows[0]


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Returns the full names of what a file imports; TYPE_CHECKING blocks are left out."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        pending.extend(ast.iter_child_nodes(node))
    return found


def test_every_module_stands_in_the_table() -> None:
    names = [name for name in modules() if name not in ("__init__", "")]
    assert len(names) > 50
    for name in names:
        row(name)


def test_every_room_of_the_table_exists() -> None:
    rooms = {room(name) for name in modules()}
    assert {name for names in LAYERS for name in names} <= rooms


def test_imports_never_point_upwards() -> None:
    checked = 0
    for name, path in modules().items():
        if name in ("__init__", ""):
            continue
        for imported in imports(path):
            if not imported.startswith("recsearch."):
                continue
            target = imported.removeprefix("recsearch.")
            if room(target) in ("commands", "__version__") and "." not in target:
                target = room(target)
            if target == "__version__":
                continue
            assert row(target) <= row(name), f"{name} imports {imported} from a row above its own"
            checked += 1
    assert checked > 150


def test_drivers_and_engines_do_not_know_each_other() -> None:
    for name, path in modules().items():
        others = {"tuning.drivers": "tuning.engines", "tuning.engines": "tuning.drivers"}
        for side, other in others.items():
            if name.startswith(side):
                assert not any(i.startswith(f"recsearch.{other}") for i in imports(path)), name


def test_light_modules_do_not_import_tensorflow_at_module_level() -> None:
    light = [name for name in modules() if room(name) in WITHOUT_TENSORFLOW]
    assert len(light) > 30
    for name in light:
        for imported in imports(modules()[name], top_level_only=True):
            assert imported.partition(".")[0] not in HEAVY, f"{name} imports {imported}"


@pytest.mark.parametrize(
    "statement",
    [
        "import recsearch; recsearch.load",
        "import recsearch; recsearch.search",
        "import recsearch.cli.parser, recsearch.cli.commands",
        "import recsearch.results, recsearch.report.page",
        "import recsearch.console.progress, recsearch.console.live_table, recsearch.console.watching",
        "import recsearch.exchange.tensorboard_log, recsearch.report.compare_page",
        "import recsearch; recsearch.compare",
        "import recsearch.workflow.dataset",
        "import recsearch.baselines",
        "from recsearch.tuning.space.builtin import builtin_names; builtin_names()",
    ],
)
def test_tensorflow_is_not_loaded_in_passing(statement: str) -> None:
    probe = f"{statement}; import sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
