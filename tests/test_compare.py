import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from planted_run import HOSTILE, METRICS, RUN, JournalByHand, plant_run

import recsearch
from recsearch.api.compare import RunComparison
from recsearch.api.run import load
from recsearch.cli.program import main
from recsearch.errors import RunDirectoryError, UsageError
from recsearch.report.compare_page import render_comparison


def plant_other(directory: Path, *, config: Any = None, objective: str = "rmse") -> Path:
    """Writes a run of one trial: 1.3 at 5 s, then continued to 0.8 at 9 s; it ends at 12 s."""
    directory.mkdir(parents=True)
    (directory / "run.json").write_text(json.dumps({**RUN, **(config or {})}))
    journal = JournalByHand(directory, objective)
    journal.start("0000", "neumf", 1, embedding_dim=8)  # at 1 s and 2 s
    journal.epochs("0000", 1.3)
    journal.append("note", text="a second more")
    journal.pause("0000")  # at 5 s
    journal.append("trial_waiting", trial_id="0000", epochs=2, final=True)
    journal.append("trial_started", trial_id="0000", attempt=1, initial_epoch=1, epochs=2)
    journal.epochs("0000", 0.8, first=2)
    journal.end("0000")  # at 9 s
    for _ in range(3):
        journal.append("note", text="idle")
    journal.close()
    (directory / "best").mkdir()
    test = {**METRICS, "objective": {"name": objective, "direction": "min"}}
    (directory / "best" / "metrics.json").write_text(json.dumps(test))
    return directory


@pytest.fixture
def pair(tmp_path: Path) -> RunComparison:
    return recsearch.compare([plant_run(tmp_path / "a"), str(plant_other(tmp_path / "b"))])


def test_best_so_far_is_told_at_equal_time(pair: RunComparison) -> None:
    assert pair.equal_seconds == 12.0  # of b; a took 28 s
    first, second = pair.entries
    assert first.best_so_far == ((6.0, 0.9),)
    assert second.best_so_far == ((5.0, 1.3), (9.0, 0.8))
    assert [second.best_at(seconds) for seconds in (4.9, 5.0, 8.9, 12.0)] == [None, 1.3, 1.3, 0.8]
    table = pair.tables()["Best on validation at equal time"]
    assert table.headers == ("run", "after 3.0 s", "after 6.0 s", "after 9.0 s", "after 12 s",
                             "at its end")  # fmt: skip
    assert [[each.text for each in row] for row in table.rows] == [
        ["a", "-", "0.9", "0.9", "0.9", "0.9"],
        ["b", "-", "1.3", "0.8", "0.8", "0.8"],
    ]
    assert table.highlighted == 1


def test_runs_that_can_be_compared_have_no_differences(pair: RunComparison) -> None:
    assert pair.differences == ()
    assert pair.objective is not None
    assert pair.objective.name == "rmse"


def test_test_metrics_winners_and_cost_are_told(pair: RunComparison) -> None:
    tables = pair.tables()
    tested = tables["On the test part"]
    assert tested.headers == ("run", "rmse", "mae", "best baseline")
    assert [each.text for each in tested.rows[0]] == ["a", "0.912", "0.715", "bias: rmse 0.944"]
    assert tested.highlighted is None  # both are as good
    winner = [each.text for each in tables["Winners"].rows[1]]
    assert winner == ["b", "neumf", "trial 0000", "embedding_dim = 8", "2", "1,000"]
    cost = [each.text for each in tables["Cost"].rows[0]]
    assert cost == ["a", "hyperband", "6", "6", "28 s", "1 min 27 s", "3"]


def test_other_data_and_other_objectives_are_told_and_nothing_is_ranked(tmp_path: Path) -> None:
    data = {**RUN["data"], "fingerprint": "sha256:other"}
    other = plant_other(tmp_path / "b", config={"data": data}, objective="mae")
    found = recsearch.compare([plant_run(tmp_path / "a"), other])
    assert found.differences == (
        "The runs optimise different metrics, so their scores cannot be compared "
        "(a: rmse, min; b: mae, min).",
        "The runs used different data, so score differences may come from the data "
        "(a: sha256:abc123; b: sha256:other).",
    )
    assert (found.objective, found.equal_seconds) == (None, None)
    assert list(found.tables()) == ["On the test part", "Winners", "Cost"]
    assert "What differs" in render_comparison(found)
    assert 'class="plot"' not in render_comparison(found)


def test_runs_on_other_data_are_drawn_and_not_ranked(tmp_path: Path) -> None:
    data = {**RUN["data"], "fingerprint": "sha256:other"}
    other = plant_other(tmp_path / "b", config={"data": data})
    found = recsearch.compare([plant_run(tmp_path / "a"), other])
    assert len(found.plot().data) == 2
    assert [table.highlighted for table in found.tables().values()] == [None] * 4


def test_unfinished_runs_and_other_numbers_of_workers_are_told(tmp_path: Path) -> None:
    config = {"config": {**RUN["config"], "workers": 4}}
    runs = [plant_run(tmp_path / "a", finished=False), plant_other(tmp_path / "b", config=config)]
    found = recsearch.compare(runs)
    assert found.differences == (
        "Equal time is not equal work: the numbers of workers differ (a: 2; b: 4).",
        "Not ended, and not measured on the test part: a.",
    )


def test_runs_of_one_name_are_told_by_their_paths(tmp_path: Path) -> None:
    places = [plant_run(tmp_path / "x" / "run"), plant_other(tmp_path / "y" / "run")]
    assert [entry.name for entry in recsearch.compare(places).entries] == [str(p) for p in places]


def test_fewer_than_two_different_runs_are_refused(tmp_path: Path) -> None:
    run = load(plant_run(tmp_path / "a"))
    for runs in ([], [run], [run, run]):
        with pytest.raises(UsageError, match="needs at least two different runs"):
            recsearch.compare(runs)
    with pytest.raises(RunDirectoryError, match="There is no directory"):
        recsearch.compare([run, tmp_path / "absent"])


def test_table_has_a_row_a_run(pair: RunComparison) -> None:
    table = pair.table().set_index("name")
    assert table["best_at_equal_time"].tolist() == [0.9, 0.8]
    assert table["test rmse"].tolist() == [0.912, 0.912]
    assert "best_so_far" not in table.columns


def test_plot_has_a_line_a_run_to_its_end(pair: RunComparison) -> None:
    first, second = pair.plot().data
    assert (list(second.x), list(second.y)) == ([5.0, 9.0, 12.0], [1.3, 0.8, 0.8])
    assert first.x[-1] == 28.0
    assert list(second.hovertext) == [
        "b<br>1.3 after 5.0 s",
        "b<br>0.8 after 9.0 s",
        "b<br>0.8 after 12 s",
    ]


def test_page_is_in_the_style_of_the_report_and_escapes_names(tmp_path: Path) -> None:
    config = {"data": {**RUN["data"], "split": HOSTILE}}
    other = plant_other(tmp_path / "<b>", config=config)
    page = render_comparison(recsearch.compare([plant_run(tmp_path / "a"), other]))
    assert "Content-Security-Policy" in page
    assert "<b>" not in page
    assert HOSTILE not in page
    assert 'data-plot="best-so-far"' in page


def test_a_notebook_shows_the_tables_and_escapes_names(tmp_path: Path) -> None:
    config = {"data": {**RUN["data"], "split": HOSTILE}}
    other = plant_other(tmp_path / "<b>", config=config)
    found = recsearch.compare([plant_run(tmp_path / "a"), other])
    shown = found._repr_html_()
    assert [f"<h4>{title}</h4>" in shown for title in found.tables()] == [True] * 4
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    assert HOSTILE not in shown
    assert repr(found) == str(found)


def test_command_prints_tables_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [str(plant_run(tmp_path / "a")), str(plant_other(tmp_path / "b"))]
    out = tmp_path / "compare.html"
    assert main(["compare", *places, "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("Best on validation at equal time\nrun ")
    assert captured.err == f"page: {out}\n"
    assert out.read_text().startswith("<!DOCTYPE html>")
    assert main(["compare", *places, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["equal_seconds"] == 12.0
    assert [run["best_at_equal_time"] for run in told["runs"]] == [0.9, 0.8]
    assert main(["compare", places[0]]) == 2
    assert "needs at least two different runs" in capsys.readouterr().err
    assert main(["compare", *places, "--out", str(tmp_path)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_comparison_imports_no_tensorflow(tmp_path: Path) -> None:
    places = [str(plant_run(tmp_path / "a")), str(plant_other(tmp_path / "b"))]
    code = (
        f"import sys, recsearch; print(recsearch.compare({places!r})); "
        "print('tensorflow' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "False"
