import json
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from recsearch.errors import RunDirectoryError
from recsearch.study.events import JOURNAL_SCHEMA, EpochTrained, Event, NoteMade, StageDone
from recsearch.study.journal import Journal, JournalFollower, read_events
from recsearch.text.json_shapes import Mismatch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def write(path: Path, *texts: str) -> None:
    journal = Journal(path)
    for text in texts:
        journal.append("note", text=text)
    journal.close()


def texts(path: Path) -> list[str]:
    return texts_of(read_events(path))


def texts_of(events: Iterable[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, NoteMade)]


def test_events_come_back_in_order_with_their_fields(path: Path) -> None:
    journal = Journal(path)
    first = journal.append("study", schema=JOURNAL_SCHEMA, objective="rmse", direction="min")
    second = journal.append(
        "epoch", trial_id="0000", epoch=1, metrics={"rmse": 0.1 + 0.2}, seconds=0.5
    )
    journal.close()
    events = list(read_events(path))
    assert events == [first, second]
    line = json.loads(path.read_text().splitlines()[0])
    assert list(line) == ["event", "time", "schema", "objective", "direction"]
    assert isinstance(events[1], EpochTrained)
    assert events[1].metrics["rmse"] == 0.1 + 0.2  # to the last bit
    assert events[1].time >= events[0].time > 1.7e9


def test_one_event_is_one_line_whatever_its_text(path: Path) -> None:
    write(path, "a\nb\u2028c", "Ünï \x00 日本")
    assert path.read_bytes().count(b"\n") == 2
    assert texts(path) == ["a\nb\u2028c", "Ünï \x00 日本"]


def test_reopened_journal_appends(path: Path) -> None:
    write(path, "one")
    write(path, "two")
    assert texts(path) == ["one", "two"]


def test_torn_last_line_is_left_out_and_cut_off_at_every_byte(path: Path) -> None:
    write(path, "one", "two", "the last: é")
    whole = path.read_bytes()
    start = whole[:-1].rfind(b"\n") + 1
    for length in range(start, len(whole)):
        path.write_bytes(whole[:length])
        assert texts(path) == ["one", "two"]
        write(path, "again")
        assert texts(path) == ["one", "two", "again"]


def test_journal_torn_within_its_first_line_is_empty(path: Path) -> None:
    path.write_bytes(b'{"event": "stu')
    assert texts(path) == []
    write(path, "first")
    assert texts(path) == ["first"]


@pytest.mark.parametrize(
    "damage",
    [b'{"event": "no', b"", b"[1, 2]", b'"event"', b"{}", b"\x00" * 20, b"\xff\xfe", b"null"],
)
def test_damaged_line_in_the_middle_is_named(path: Path, damage: bytes) -> None:
    write(path, "one", "two")
    first, second, _ = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([first, damage, second, b""]))
    with pytest.raises(
        RunDirectoryError, match=r"journal\.jsonl, line 2: expected .*'event', received"
    ):
        list(read_events(path))


def test_event_whose_kind_is_no_text_is_damaged(path: Path) -> None:
    path.write_text('{"event": ["note"]}\n')
    with pytest.raises(RunDirectoryError, match=r"line 1: expected .*'event', received"):
        list(read_events(path))


def test_missing_journal_is_refused(path: Path) -> None:
    with pytest.raises(RunDirectoryError, match=r"No journal at .*Is this a run directory"):
        list(read_events(path))


@pytest.mark.parametrize("schema", [JOURNAL_SCHEMA + 1, None])
def test_other_schema_is_refused(path: Path, schema: int | None) -> None:
    journal = Journal(path)
    journal.append("study", schema=schema, objective="rmse", direction="min")
    journal.close()
    with pytest.raises(
        RunDirectoryError, match=f"expected journal schema {JOURNAL_SCHEMA}, received {schema}"
    ):
        list(read_events(path))


def test_nan_and_infinities_are_written_as_null(path: Path) -> None:
    journal = Journal(path)
    metrics = {"a": math.nan, "b": np.float64(np.inf), "c": [-math.inf, 1.5], "d": (math.nan,)}
    event = journal.append("stage", stage="tested", result={**metrics, "seconds": math.nan})
    journal.close()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    line = json.loads(path.read_text(), parse_constant=refuse)
    assert isinstance(event, StageDone)
    assert line["result"] == event.result
    assert event.result == {"a": None, "b": None, "c": [None, 1.5], "d": [None], "seconds": None}


def test_event_that_no_reader_would_accept_is_not_written(path: Path) -> None:
    write(path, "one")
    journal = Journal(path)
    with pytest.raises(Mismatch, match="epoch: expected a whole number, received a fraction"):
        journal.append("epoch", trial_id="0000", epoch=1.5, metrics={}, seconds=0.5)
    journal.close()
    assert texts(path) == ["one"]


def test_follower_returns_each_event_once_as_the_file_grows(path: Path) -> None:
    follower = JournalFollower(path)
    assert follower.new_events() == []  # the file does not exist yet
    write(path, "a", "b")
    assert texts_of(follower.new_events()) == [
        "a",
        "b",
    ]
    assert follower.new_events() == []
    write(path, "c")
    assert texts_of(follower.new_events()) == ["c"]


def test_follower_waits_for_the_end_of_a_line(path: Path) -> None:
    follower = JournalFollower(path)
    write(path, "a", "b")
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert texts_of(follower.new_events()) == ["a"]
    path.write_bytes(whole)
    assert texts_of(follower.new_events()) == ["b"]


def test_follower_names_the_line_that_is_damaged(path: Path) -> None:
    write(path, "a")
    follower = JournalFollower(path)
    follower.new_events()
    with path.open("ab") as file:
        file.write(b"{\n")
    with pytest.raises(RunDirectoryError, match=r"journal\.jsonl, line 2: expected JSON"):
        follower.new_events()
