"""The commands that show what a run has found."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from planted_run import JournalByHand, plant_run
from small_run import write_builder, write_ratings

from recsearch.cli.program import main
from recsearch.exchange.tensorboard_log import TensorBoardLog
from recsearch.results import load_run


def test_trials_are_shown_the_best_first(
    finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trials", str(finished_run), "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["trial_id"] for row in rows} == {"0000", "0001", "0002", "0003"}
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores)
    assert rows[0].keys() >= {"state", "space", "best_epoch", "rate"}
    assert main(["trials", str(finished_run), "--format", "csv", "--best", "2"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.startswith("trial_id,state,space,score,")
    assert [line.partition(",")[0] for line in lines] == [row["trial_id"] for row in rows[:2]]
    assert main(["trials", str(finished_run), "--best", "1"]) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["trial_id", "state", "space"]
    assert line.split()[0] == rows[0]["trial_id"]


def test_trials_refuse_to_show_fewer_than_one(
    finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trials", str(finished_run), "--best", "0"]) == 2
    assert "--best must be at least 1. Received: 0." in capsys.readouterr().err


def test_trials_are_written_into_a_file_in_each_format(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = {
        "csv": lambda path: pd.read_csv(path, dtype={"trial_id": str}),
        "json": lambda path: pd.read_json(path, dtype={"trial_id": str}),
        "parquet": pd.read_parquet,
    }
    for form, reader in read.items():
        out = tmp_path / f"trials.{form}"
        argv = ["trials", str(finished_run), "--format", form, "--out", str(out), "--best", "3"]
        assert main(argv) == 0
        assert capsys.readouterr().out == f"{out}\n"
        table = reader(out)
        assert len(table) == 3
        assert table["score"].is_monotonic_increasing
        assert set(table["trial_id"]) < {"0000", "0001", "0002", "0003"}


def test_parquet_takes_numbers_and_texts_of_one_name(tmp_path: Path) -> None:
    directory = plant_run(tmp_path / "run")
    journal = JournalByHand(directory)
    for trial_id, units in (("0006", 8), ("0007", "many")):
        journal.start(trial_id, "neumf", 1, units=units)
    journal.close()
    out = tmp_path / "trials.parquet"
    assert main(["trials", str(directory), "--format", "parquet", "--out", str(out)]) == 0
    units = pd.read_parquet(out).set_index("trial_id")["units"]
    assert (units["0006"], units["0007"]) == ("8", "many")
    assert pd.isna(units["0000"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--format", "parquet"], "--format parquet needs --out FILE"),
        (["--out", "t.csv"], "--out needs --format csv, json or parquet"),
        (["--format", "csv", "--out", "none/"], "--out none cannot be written: .* Choose another"),
    ],
)
def test_trials_refuse_a_file_that_cannot_be(
    flags: list[str],
    message: str,
    finished_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none").mkdir()
    assert main(["trials", str(finished_run), *flags]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(message, captured.err)


def test_tensorboard_and_verbose_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = str(write_ratings(tmp_path / "r.csv")), tmp_path / "run"
    argv = ["run", str(write_builder(tmp_path)), "--data", data, "--out", str(out)]
    flags = ["--tuner", "random", "--max-trials", "1", "--max-epochs", "2", "--engine", "inline"]
    assert main([*argv, *flags, "--task", "rating", "--tensorboard", "--verbose"]) == 0
    captured = capsys.readouterr()
    assert f"tensorboard --logdir {out / 'tensorboard'}\n" in captured.err
    for epoch in (1, 2):
        assert f"trial 0000 quick: epoch {epoch} of 2: train_loss" in captured.err
    assert captured.out.splitlines()[-3:] == [
        f"report:  {out / 'report.html'}",
        f"model:   {out / 'best/saved_model/1'}",
        f"results: {out}",
    ]
    written = sorted(str(p.parent.name) for p in (out / "tensorboard").rglob("*.recsearch"))
    assert written == ["0000", "tensorboard"]
    told = TensorBoardLog(out, load_run(out).description.space)
    before = {path: path.read_bytes() for path in (out / "tensorboard").rglob("*.recsearch")}
    told.update()  # all of the journal is in the files already
    assert {path: path.read_bytes() for path in before} == before


def test_report_is_written_anew(
    tmp_path: Path, finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished_run, copy)
    (copy / "report.html").unlink()
    assert main(["report", str(copy)]) == 0
    assert capsys.readouterr().out == f"{copy / 'report.html'}\n"
    assert "quick" in (copy / "report.html").read_text()


def test_recommendations_are_a_table_with_titles(
    finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recommend", str(finished_run), "--user", "1", "-k", "3"]) == 0
    captured = capsys.readouterr()
    header, *lines = captured.out.splitlines()
    assert header.split() == ["item_id", "title", "score"]
    assert len(lines) == 3
    for line in lines:
        item, title, number, score = line.split()
        assert (title, number) == ("Title", item)
        assert 1 <= float(score) <= 5
    assert captured.err == ""


def test_recommendations_as_json_say_who_is_unknown(
    finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["recommend", str(finished_run), "--user", "777", "--format", "json"]
    assert main(argv) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert (answer["user"], answer["known_user"]) == ("777", False)
    assert len(answer["items"]) == 10
    assert answer["items"][0].keys() == {"item_id", "title", "score"}
    assert captured.err == (
        "recsearch: user 777 is not in the data; recommending popular items instead.\n"
    )


def test_recommendations_can_include_what_was_seen(
    finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["recommend", str(finished_run), "--user", "1", "-k", "99", "--format", "json"]
    assert main(argv) == 0
    unseen = {row["item_id"] for row in json.loads(capsys.readouterr().out)["items"]}
    assert main([*argv, "--include-seen"]) == 0
    everything = {row["item_id"] for row in json.loads(capsys.readouterr().out)["items"]}
    assert unseen < everything == set(range(1, 41))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--user", "anna"], "user ids of this run are whole numbers. Received 'anna'."),
        (["--user", "9" * 30], "user ids of this run are whole numbers"),
        (["--user", "1", "-k", "0"], "-k must be at least 1. Received: 0."),
    ],
)
def test_recommend_refuses_what_the_run_does_not_know(
    flags: list[str], message: str, finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recommend", str(finished_run), *flags]) == 2
    assert message in capsys.readouterr().err
