"""Ids, titles and messages with commands for a terminal, wherever they are printed."""

import io
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from planted_run import METRICS, JournalByHand, plant_run

from recsearch.cli.program import main
from recsearch.console.live_table import LiveTable
from recsearch.console.progress import Lines
from recsearch.results import load_run
from recsearch.results.run_metrics import RunMetrics
from recsearch.serving.card import write_card
from recsearch.study.decision import Plan
from recsearch.text.text_table import text_table

ATTACK = "\x1b]0;owned\x07\x1b[2J\rgone \u202efdp.exe \ud83d half"
COMMANDS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A run whose space, values and messages hold commands for a terminal."""
    directory = plant_run(tmp_path / "run")
    journal = JournalByHand(directory)
    journal.start("0006", f"mine{ATTACK}", 1, **{"units": f"8{ATTACK}", f"n{ATTACK}": 1})
    journal.epochs("0006", 0.1)
    journal.end("0006")
    journal.start("0007", "neumf", 1)
    journal.end("0007", "FAILED", f"ValueError: {ATTACK}")
    journal.append("note", text=f"remark {ATTACK}")
    journal.close()
    return directory


@pytest.mark.parametrize(
    "flags", [["trials"], ["trials", "--watch"], ["compare", "--format", "table"], ["report"]]
)
def test_tables_and_progress_show_commands_as_text(
    flags: list[str], hostile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *others = flags
    more = [str(plant_run(tmp_path / "other"))] if command == "compare" else []
    assert main([command, str(hostile), *more, *others]) == 0
    captured = capsys.readouterr()
    assert not COMMANDS.search(captured.out + captured.err)
    if command != "report":
        assert r"mine\x1b]0;owned\x07\x1b[2J\rgone \u202efdp.exe \ud83d half" in captured.out


def test_json_and_csv_keep_the_exact_values(
    hostile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trials", str(hostile), "--format", "json", "--best", "1"]) == 0
    out = capsys.readouterr().out
    assert not COMMANDS.search(out)
    assert json.loads(out)[0]["space"].startswith("mine\x1b]0;owned\x07\x1b[2J\rgone")
    csv = tmp_path / "t.csv"
    assert main(["trials", str(hostile), "--format", "csv", "--out", str(csv)]) == 0
    assert "mine\x1b]0;owned" in csv.read_bytes().decode()
    parquet = tmp_path / "t.parquet"
    assert main(["trials", str(hostile), "--format", "parquet", "--out", str(parquet)]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_recommend_shows_titles_and_ids_as_text(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(finished_run, tmp_path / "copy"))
    titles = copy / "data" / "titles.parquet"
    table = pd.read_parquet(titles)
    table["title"] = "\x1b[31mred\x07 " + table["title"]
    table.to_parquet(titles)
    assert main(["recommend", str(copy), "--user", "1", "-k", "2"]) == 0
    out = capsys.readouterr().out
    assert not COMMANDS.search(out)
    assert r"\x1b[31mred\x07 Title" in out


@pytest.mark.parametrize("flags", [["--user", "-4"], ["--user=-4"], ["--us", "-4", "-k", "2"]])
def test_user_may_begin_with_a_minus(
    flags: list[str], finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recommend", str(finished_run), *flags, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["user"] == "-4"


@pytest.mark.parametrize("user", ["-0004Qz", "--x", "-k7", "-", "-\x1b[2J"])
def test_user_of_text_may_begin_with_a_minus(
    user: str, finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for flags in (["--user", user], [f"--user={user}"]):
        assert main(["recommend", str(finished_run), *flags, "-k", "2"]) == 2
        error = capsys.readouterr().err
        assert "user ids of this run are whole numbers. Received" in error
        assert not COMMANDS.search(error)


def test_user_of_two_minus_signs(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", str(finished_run), "--user=--"]) == 2
    assert "Received '--'" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--user"], ["--user", "-k", "5"], ["--user", "--format"]])
def test_flag_after_user_stays_a_flag(
    flags: list[str], finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["recommend", str(finished_run), *flags])
    assert ended.value.code == 2
    assert "--user: expected one argument" in capsys.readouterr().err


def test_observers_show_commands_as_text(hostile: Path) -> None:
    state = load_run(hostile).state
    for observer in (Lines(verbose=True), LiveTable()):
        stream = io.StringIO()
        observer.console.file = stream
        observer.console._force_terminal = False  # it would print its own commands
        observer.begin_search(Plan(8, 8, (f"line {ATTACK}",)), state)
        for trial_id in ("0006", "0007"):
            observer.news(state, trial_id)
        observer.say(f"note {ATTACK}")
        observer.end_search("over", state)
        assert r"owned\x07" in stream.getvalue()
        assert not COMMANDS.search(stream.getvalue())


def test_card_shows_commands_and_html_as_text(tmp_path: Path) -> None:
    winner = {**METRICS["winner"], "hyperparameters": {"units": f"<script>{ATTACK}"}}
    skipped = {"ease": {"skipped": f"a | b {ATTACK}"}}
    protocol = {**METRICS["protocol"], "validation": "10,000 held-out labels"}
    intervals = {"rmse": {"value": 0.9, "low": None, "high": None}}
    added = {"intervals": intervals, "seeds": None, "winner": winner}
    added["protocol"] = protocol
    text = write_card(
        tmp_path, RunMetrics.from_json({**METRICS, **added, "baselines": skipped})
    ).read_text()
    assert not COMMANDS.search(text)
    assert r"`units`: &lt;script>\x1b]0;owned" in text
    assert r"| ease | skipped: a \| b \x1b]0;owned" in text


def test_text_table_keeps_numbers_and_missing_values() -> None:
    table = pd.DataFrame({"a\x1b": ["x\ny", None], "b": [1.5, 2.0]})
    lines = text_table(table, missing="-").splitlines()
    assert [line.split() for line in lines] == [[r"a\x1b", "b"], [r"x\ny", "1.5"], ["-", "2.0"]]
