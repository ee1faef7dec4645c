"""The notebooks: checked in without outputs, run from a fresh kernel, and true to what they say."""

import re
from ast import literal_eval
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from nbclient import NotebookClient

import recsearch
from recsearch.data.synthetic import generate

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
PLOT = "application/vnd.plotly.v1+json"
USER = 42  # of whom the notebooks tell

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of jupyter's own libraries
]


@dataclass(frozen=True)
class Executed:
    """A notebook that has run.

    Attributes:
        folder: Where it ran.
        cells: Its code cells, with their outputs.
    """

    folder: Path
    cells: list[Any]

    def outputs(self, source: str) -> list[Any]:
        """Returns the outputs of the one cell that holds this source."""
        (cell,) = [cell for cell in self.cells if source in cell.source]
        return list(cell.outputs)

    def printed(self, source: str) -> str:
        """Returns what a cell wrote to standard output."""
        return "".join(out.text for out in self.outputs(source) if out.output_type == "stream")

    def value(self, source: str, form: str = "text/plain") -> Any:
        """Returns the last value of a cell, as it was shown."""
        (shown,) = [out for out in self.outputs(source) if "data" in out]
        return shown.data[form]

    def table(self, source: str) -> list[dict[str, str]]:
        """Returns the rows of the table that a cell showed; the index is the column ""."""
        html = re.search(r"<table.*</table>", self.value(source, "text/html"), re.DOTALL)
        assert html is not None
        head, *rows = [
            [(cell.text or "").strip() for cell in row]
            for row in ElementTree.fromstring(html[0]).iter("tr")
        ]
        named = [row for row in rows if any(row[1:])]  # a named index has a row of its own
        return [dict(zip(head, row, strict=True)) for row in named]

    def traces(self, source: str) -> list[dict[str, Any]]:
        """Returns the traces of the plot that a cell showed."""
        traces: list[dict[str, Any]] = self.value(source, PLOT)["data"]
        return traces


def execute(name: str, folder: Path) -> Executed:
    """Runs a notebook in a fresh kernel, in an empty folder, to its end and without a warning."""
    (path,) = [path for path in NOTEBOOKS if path.stem == name]
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}}).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    errors = [out.text for cell in code for out in cell.outputs if out.get("name") == "stderr"]
    assert errors == []
    return Executed(folder, code)


def rated_items(user: int) -> set[int]:
    """Returns the items that a user of the embedded data has rated."""
    made = generate().interactions
    users, items = made.user_id.to_pylist(), made.item_id.to_pylist()
    rated = {item for each, item in zip(users, items, strict=True) if each == user}
    assert rated
    return rated


def catalogue() -> set[int]:
    """Returns the items of the embedded data."""
    return set(generate().interactions.item_id.to_pylist())


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "01_quick_start",
        "02_explore_trials",
        "03_compare_tuners",
        "04_your_own_space",
        "05_serve_the_model",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_checked_in_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_quick_start_recommends_what_the_user_has_not_rated(tmp_path: Path) -> None:
    executed = execute("01_quick_start", tmp_path)
    (directory,) = (tmp_path / "runs").iterdir()
    run = recsearch.load(directory)
    assert {"report.html", "trials.csv", "best"} <= set(
        literal_eval(executed.value("run.directory.iterdir()"))
    )
    contenders = {"matrix_factorization", "bias", "item_knn", "user_knn"}
    assert {row[""] for row in executed.table("pd.DataFrame(rows)")} == contenders
    (dots,) = executed.traces("run.plot_baselines()")
    assert {name.partition(",")[0] for name in dots["y"]} == contenders
    assert run.metrics is not None
    assert run.metrics["verdict"] in executed.value("run = recsearch.search(", "text/html")
    recommended = [int(row["item_id"]) for row in executed.table("run.recommend(")]
    assert len(set(recommended)) == 5
    assert set(recommended) <= catalogue() - rated_items(USER)
    served = executed.value('signatures["recommend"]').partition("numpy=")[2]
    assert [int(number) for number in re.findall(r"\d+", served)][:3] == recommended[:3]


def test_exploring_shows_the_trials_of_the_run(tmp_path: Path) -> None:
    executed = execute("02_explore_trials", tmp_path)
    (directory,) = (tmp_path / "runs").iterdir()
    run = recsearch.load(directory)
    best = run.best()
    assert best is not None
    assert executed.printed("run.summary()") == f"{run.summary()}\n"
    leader, *others = executed.table('sort_values("score")')
    assert leader["trial_id"] == best.trial_id
    assert len(others) == 4
    assert {row["space"] for row in [leader, *others]} == {"matrix_factorization", "neural_cf"}
    *curves, highlighted = executed.traces("run.plot_curves()")
    told = " ".join(text for curve in curves for text in curve["hovertext"])
    assert set(re.findall(r"trial (\d{4}),", told)) == set(run.state.trials)
    assert highlighted["name"] == f"{best.space}, best trial"
    best_so_far, *_ = executed.traces("run.plot_history()")
    assert (best_so_far["name"], best_so_far["y"][-1]) == ("best so far", best.score)
    assert {trace["name"] for trace in executed.traces("run.plot_slice()")} == set(
        run.trials()["space"]
    )
    assert literal_eval(executed.value("best = run.best()")) == (
        best.space,
        best.score,
        best.best_epoch,
        dict(best.values),
    )


def test_comparing_gives_every_tuner_the_same_epochs(tmp_path: Path) -> None:
    executed = execute("03_compare_tuners", tmp_path)
    (folder,) = (tmp_path / "runs").iterdir()
    tuners = ["random", "bayesian", "hyperband"]
    runs = [recsearch.load(folder / tuner) for tuner in tuners]
    comparison = recsearch.compare(runs)
    (told,) = comparison.differences
    assert told.startswith("Not ended, and not measured on the test part")
    assert [trace["name"] for trace in executed.traces("comparison.plot()")] == tuners
    rows = executed.table("comparison.table()")
    assert [row["name"] for row in rows] == tuners
    assert [row["epochs"] for row in rows] == ["21", "21", "21"]
    assert [row["trials"] for row in rows] == ["7", "7", "9"]
    chosen = executed.table("run.best().values")
    assert len({row["learning_rate"] for row in chosen}) > 1  # there was something to find
    tried = [trial["name"] for trial in executed.traces("plot_brackets()")]
    assert {"ended here", "went on"} <= set(tried)
    assert [run.metrics for run in runs] == [None] * 3  # no look at the test part


def test_own_space_is_searched_beside_one_of_ours(tmp_path: Path) -> None:
    executed = execute("04_your_own_space", tmp_path)
    (directory,) = (tmp_path / "runs").iterdir()
    trials = recsearch.load(directory).trials()
    told = executed.printed("recsearch check")
    assert "passed all checks for the task rating" in told.splitlines()[-1]
    assert trials["space"].value_counts().to_dict().keys() == {"my_space", "matrix_factorization"}
    assert (trials["space"][0], trials["item_columns"][0]) == ("my_space", True)  # enqueued
    assert trials["embedding_dim"].between(8, 64).all()
    assert trials["learning_rate"].between(0.002, 0.03).all()
    with_columns = trials["item_columns"].fillna(False)
    assert (trials["column_embedding_dim"].notna() == with_columns).all()
    assert len(executed.table("set_index(")) == len(trials) == 12
    assert executed.traces("run.plot_slice(")
    (bars,) = executed.traces("run.plot_importance(")
    assert {"space", "learning_rate", "l2"} <= set(bars["y"])
    surface, dots = executed.traces("run.plot_contour(")
    assert surface["type"] == "contour"
    assert len(dots["x"]) == 12


def test_model_is_served(tmp_path: Path) -> None:
    executed = execute("05_serve_the_model", tmp_path)
    (directory,) = (tmp_path / "runs").iterdir()
    run = recsearch.load(directory)
    own = run.recommend(USER, 3)
    rated = rated_items(USER)
    assert set(own["item_id"]) <= catalogue() - rated
    assert "'known_user': array([ True,  True, False])" in executed.value("answer = recommend(")
    scores = re.findall(r"\d\.\d+", executed.value('signatures["serving_default"](user_id'))
    assert [float(score) for score in scores] == pytest.approx(own["score"], abs=1e-5)
    counts = [int(n) for n in re.findall(r": (\d+) items", executed.printed("everything = "))]
    assert counts[1] - counts[0] == len(rated)
    replied = literal_eval(executed.value("def ask("))["outputs"]
    assert replied["item_id"][0] == own["item_id"].tolist()
    assert replied["item_id"][1] == run.recommend(7, 3)["item_id"].tolist()
    assert replied["known_user"] == [True, True]
    assert executed.printed("%timeit").count("per loop") == 2
