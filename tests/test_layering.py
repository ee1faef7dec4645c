"""Imports point one way: no cycles, few levels, and each area imports from lower rows only."""

import subprocess
import sys
from graphlib import CycleError

import pytest
from import_graph import (
    ROOT,
    Graph,
    area_graph,
    imports,
    levels,
    module_graph,
    modules,
    package_graph,
)

LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "text", "version"),
    ("data", "system"),
    ("config", "contract", "metrics", "study"),
    ("evaluation", "nn", "pipeline", "results"),
    ("baselines", "console", "exchange", "report", "scoring", "search_spaces", "training"),
    ("serving", "tuning"),
    ("workflow",),
    ("api", "cli", "testing"),
    ("__init__", "__main__"),
)
"""Lowest row first: the areas of docs/architecture.md. An area imports from lower rows only."""

MAX_LEVELS = 10
MAX_MODULES_AT_THE_TOP = 8

HEAVY = ("tensorflow", "keras", "keras_tuner")
NEEDS_TENSORFLOW = {
    "contract", "nn", "pipeline", "search_spaces", "scoring", "training", "tuning", "serving",
    "workflow",
}  # fmt: skip


def area_of(name: str) -> str:
    """Returns the area of a module: the name below recsearch."""
    return [*name.split("."), "__init__"][1]


def row_of(area: str) -> int:
    rows = [number for number, areas in enumerate(LAYERS) if area in areas]
    assert len(rows) == 1, f"{area} is in no row of the table, or in several"
    return rows[0]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return module_graph()


def test_graph_sees_imports_of_every_form(graph: Graph) -> None:
    assert "recsearch.api.search" in graph["recsearch"]  # type-only
    assert "recsearch.workflow.flow" in graph["recsearch.api.search"]  # in a function
    assert "recsearch.errors" in graph["recsearch.config.run_config"]  # at the top


def test_modules_have_no_import_cycle(graph: Graph) -> None:
    levels(graph)


def test_packages_have_no_import_cycle(graph: Graph) -> None:
    levels(package_graph(graph))


def test_areas_have_few_levels(graph: Graph) -> None:
    assert len(levels(area_graph(package_graph(graph)))) <= MAX_LEVELS


def test_a_cycle_would_be_found() -> None:
    with pytest.raises(CycleError):
        levels({"a": {"b"}, "b": {"a"}})


def test_few_modules_are_at_the_top() -> None:
    assert len(list((ROOT / "recsearch").glob("*.py"))) <= MAX_MODULES_AT_THE_TOP


def test_table_lists_each_area_once(graph: Graph) -> None:
    areas = {area_of(name) for name in graph}
    listed = [area for areas in LAYERS for area in areas]
    assert sorted(listed) == sorted(areas)


def test_imports_point_to_lower_rows(graph: Graph) -> None:
    for name, targets in graph.items():
        for target in targets:
            own, other = area_of(name), area_of(target)
            if own != other:
                assert row_of(other) < row_of(own), f"{name} imports {target}"


def test_drivers_and_engines_do_not_know_each_other(graph: Graph) -> None:
    others = {"recsearch.tuning.drivers": "recsearch.tuning.engines"}
    others |= {engines: drivers for drivers, engines in others.items()}
    for side, other in others.items():
        importing = [name for name in graph if name.startswith(side)]
        assert importing
        for name in importing:
            assert not any(target.startswith(other) for target in graph[name]), name


def test_the_tuner_does_not_know_the_end_stages(graph: Graph) -> None:
    """Only the end stages look at the test part, and nothing below the workflow imports them."""
    for name, targets in graph.items():
        if any(target.startswith("recsearch.workflow.final") for target in targets):
            assert area_of(name) in ("workflow", "cli"), name


def test_light_modules_do_not_import_tensorflow_at_module_level() -> None:
    light = {
        name: path for name, path in modules().items() if area_of(name) not in NEEDS_TENSORFLOW
    }
    assert len({area_of(name) for name in light}) > 10
    for name, path in light.items():
        for imported in imports(path, when_imported=True):
            assert imported.partition(".")[0] not in HEAVY, f"{name} imports {imported}"


def test_tensorflow_is_not_loaded_in_passing() -> None:
    """Each statement in one process; the first that loads TensorFlow is named."""
    statements = [
        "import recsearch; recsearch.load",
        "import recsearch; recsearch.search",
        "import recsearch; recsearch.compare",
        "import recsearch.cli.program, recsearch.cli.commands",
        "import recsearch.results, recsearch.report.page",
        "import recsearch.console.progress, recsearch.console.live_table",
        "import recsearch.console.watching",
        "import recsearch.exchange.tensorboard_log, recsearch.report.compare_page",
        "import recsearch.workflow.dataset",
        "import recsearch.baselines",
        "from recsearch.tuning.space.builtin import builtin_names; builtin_names()",
    ]
    probe = f"""
import sys
for statement in {statements!r}:
    exec(statement)
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    if loaded:
        sys.exit(f"{{statement}}: {{loaded}}")
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
