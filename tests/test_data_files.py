"""Small files of the kinds that tools export: each is read correctly, or refused in one message."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from recsearch.cli.program import main
from recsearch.config.run_config import make_config
from recsearch.data.cleaning import prepare_task
from recsearch.data.columns import ColumnNames
from recsearch.data.features import load_features
from recsearch.data.interactions import ColumnKind
from recsearch.data.readers import Loaded, load_interactions
from recsearch.data.task import Task
from recsearch.errors import DataError, UsageError
from recsearch.workflow.dataset import load_dataset

MOMENT = 1_600_406_222  # 2020-09-18 05:17:02 UTC
MIDNIGHT = MOMENT - MOMENT % 86_400
AFTERNOON = MIDNIGHT + 17 * 3600 + 17 * 60

TIMES = {
    "BigQuery": ("2020-09-18 05:17:02 UTC", MOMENT, ""),
    "BigQuery with fractions": ("2020-09-18 05:17:02.987 UTC", MOMENT, ""),
    "offset": ("2020-09-18T07:17:02+02:00", MOMENT, ""),
    "offset after a space": ("2020-09-18 07:17:02 +0200", MOMENT, ""),
    "offset of India": ("2020-09-18 10:47:02 +0530", MOMENT, ""),
    "offset of Newfoundland": ("2020-09-18 02:47:02 -0230", MOMENT, ""),
    "negative offset": ("2020-09-18 00:17:02 -0500", MOMENT, ""),
    "Excel, United States": ("9/18/2020", MIDNIGHT, ""),
    "Excel with a clock": ("9/18/2020 5:17 PM", AFTERNOON, ""),
    "Excel at midnight": ("9/18/2020 12:00 AM", MIDNIGHT, ""),
    "Excel, Germany": ("18.09.2020 17:17", AFTERNOON, ""),
    "day first": ("18/9/2020 17:17", AFTERNOON, ""),
    "slashes": ("2020/9/18 5:17:02", MOMENT, ""),
    "compact": ("20200918T051702Z", MOMENT, ""),
    "RFC 2822": ('"Fri, 18 Sep 2020 05:17:02 +0000"', MOMENT, ""),
    "HTTP": ('"Fri, 18 Sep 2020 05:17:02 GMT"', MOMENT, ""),
    "ctime": ("Fri Sep 18 05:17:02 +0000 2020", MOMENT, ""),
    "month by name": ('"Sep 18, 2020 5:17 PM"', AFTERNOON, ""),
    "8 digits": ("20200918", MIDNIGHT, "dates of 8 digits"),
    "12 digits": ("202009181717", AFTERNOON, "dates of 12 digits"),
    "14 digits": ("20200918051702", MOMENT, "dates of 14 digits"),
    "Excel serial": ("44092.25", MIDNIGHT + 6 * 3600, "Excel serial dates"),
    "small whole numbers": ("44092", 44_092, "If the numbers are Excel dates"),
    "undecided order": ("9/8/2020", MIDNIGHT - 10 * 86_400, "with the month first"),
}

UNREADABLE = {
    "both orders": (["9/18/2020", "18/9/2020"], "row 2: '18/9/2020' has the day first, but"),
    "no such day": (["2020-02-28 UTC", "2020-02-30 UTC"], "row 2: '2020-02-30 UTC' cannot be"),
    "no such month": (["20200918051702", "20201318051702"], "row 2: '20201318051702' cannot be"),
    "a word": (["1600406222", "soon"], "row 2: 'soon' cannot be read as a time"),
    "25 hours": (["9/18/2020 25:00", "9/18/2020 1:00"], "row 1: '9/18/2020 25:00' cannot be"),
    "13 PM": (["9/18/2020 13:00 PM"], "row 1: '9/18/2020 13:00 PM' cannot be"),
    "with and without zone": (["18.9.2020 5:17 UTC", "18.9.2020 5:17"], "row 2: '18.9.2020 5:17'"),
    "beyond int64": (["1600406222", "1e300"], "row 2: '1e+300' cannot be read as a time"),
    "far before 1970": (["-1e19", "5"], "row 1: '-1e+19' cannot be read as a time"),
    "the smallest beyond int64": (["9223372036854775808", "5"], "row 1: '9.223372036854776e+18'"),
    "missing": (["2020-09-18", "NULL"], "1 of 2 times in column 'time' are missing: row 2"),
}


def csv(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows, ""]))
    return path


def parquet(path: Path, **columns: Any) -> Path:
    pyarrow.parquet.write_table(pa.table(columns), path)
    return path


def load(path: Path, **names: str) -> Loaded:
    return load_interactions(path, ColumnNames(**names))


@pytest.mark.parametrize("kind", TIMES)
def test_times_are_read_alike_from_csv_and_parquet(tmp_path, kind):
    cell, seconds, note = TIMES[kind]
    rows = csv(tmp_path / "a.csv", "user,item,time", [f"1,1,{cell}", f"2,2,{cell}"])
    text = pa.array([cell.strip('"')] * 2, pa.string_view())
    for path in (rows, parquet(tmp_path / "a.parquet", user=[1, 2], item=[1, 2], time=text)):
        loaded = load(path, timestamp="time")
        assert loaded.interactions.timestamp.tolist() == [seconds, seconds]
        assert len(loaded.notes) == bool(note)
        assert note in "".join(loaded.notes)


@pytest.mark.parametrize("kind", UNREADABLE)
def test_times_that_cannot_be_read_are_refused_with_their_row(tmp_path, kind):
    cells, message = UNREADABLE[kind]
    path = csv(tmp_path / "a.csv", "user,item,time", [f"1,{i},{c}" for i, c in enumerate(cells)])
    with pytest.raises(DataError) as error:
        load(path, timestamp="time")
    assert len(error.value.faults) == 1
    assert message in error.value.faults[0]


def test_error_of_a_split_begins_with_the_column_that_cannot_be_read(tmp_path):
    rows = [f"{row % 4},{row},soon" for row in range(20)]
    path = csv(tmp_path / "a.csv", "user,item,time", rows)
    with pytest.raises(UsageError, match=r"^Column 'time', row 1: 'soon' cannot be read as a time"):
        load_dataset(make_config({"data": str(path), "split": "leave-last-out"}))
    notes = load_dataset(make_config({"data": str(path)})).notes
    assert any("Column 'time' is not used as time: Column 'time', row 1" in note for note in notes)
    assert any(note.startswith("Without timestamps a random interaction") for note in notes)


def test_order_of_day_and_month_is_decided_by_any_row(tmp_path):
    path = csv(tmp_path / "a.csv", "user,item,time", ["1,1,9/8/2020", "1,2,30/8/2020"])
    times = load(path).interactions.timestamp
    assert (times[1] - times[0]) == 21 * 86_400  # from 9 August to 30 August
    path = csv(tmp_path / "b.csv", "user,item,time", ["1,1,12/31/2020", "1,2,1/12/2021"])
    times = load(path).interactions.timestamp  # 12 may be a month
    assert (times[1] - times[0]) == 12 * 86_400  # from 31 December to 12 January


LABELS = {
    "string_view": pa.array(["1", "0", "1"], pa.string_view()),
    "large string": pa.array(["1", "0", "1"], pa.large_string()),
    "binary": pa.array([b"1", b"0", b"1"]),
    "binary_view": pa.array([b"1", b"0", b"1"], pa.binary_view()),
    "dictionary": pa.array(["1", "0", "1"]).dictionary_encode(),
    "dictionary of numbers": pa.array([1, 0, 1]).dictionary_encode(),
    "decimal": pa.array([Decimal("1.00"), Decimal(0), Decimal(1)], pa.decimal128(5, 2)),
    "wide decimal": pa.array([Decimal(1), Decimal(0), Decimal(1)], pa.decimal256(50, 2)),
    "half": pa.array(np.array([1, 0, 1], np.float16)),
    "bool": pa.array([True, False, True]),
    "True and False": pa.array(["True", "False", "True"]),
    "true and false": pa.array(["true", "false", "true"], pa.string_view()),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_and_times_of_each_arrow_type_are_read(tmp_path, kind):
    path = parquet(tmp_path / "a.parquet", user=[1, 2, 3], item=[1, 2, 3], label=LABELS[kind])
    assert load(path).interactions.label.tolist() == [1, 0, 1]
    if "bool" not in kind and "rue" not in kind:
        path = parquet(tmp_path / "a.parquet", user=[1, 2, 3], item=[1, 2, 3], time=LABELS[kind])
        assert load(path).interactions.timestamp.tolist() == [1, 0, 1]


@pytest.mark.parametrize("cells", [["True", "False"], ["true", "false"], ["1", "0"]])
def test_booleans_are_the_same_in_csv_and_parquet(tmp_path, cells):
    cells = cells * 4
    rows = [f"{row},{row},{cell}" for row, cell in enumerate(cells)]
    ids = list(range(8))
    words = parquet(tmp_path / "a.parquet", user=ids, item=ids, label=cells)
    of_csv, of_parquet = load(csv(tmp_path / "a.csv", "user,item,label", rows)), load(words)
    assert of_csv.interactions.label.tolist() == of_parquet.interactions.label.tolist()
    if "1" not in cells:
        table = parquet(tmp_path / "u.parquet", user=ids, flag=cells)
        text = csv(tmp_path / "u.csv", "user,flag", [f"{i},{c}" for i, c in enumerate(cells)])
        read = [load_features(p, "user", ColumnNames(), pa.array(ids))[0] for p in (table, text)]
        assert read[0].columns["flag"].values.equals(read[1].columns["flag"].values)


@pytest.mark.parametrize("role", ["user", "label", "time"])
def test_nested_values_are_refused_in_one_sentence(tmp_path, role):
    columns: dict[str, Any] = {"user": [1], "item": [1], "label": [1], "time": [1], role: [[1, 2]]}
    with pytest.raises(DataError, match=f"Column '{role}' contains list values. Expected one"):
        load(parquet(tmp_path / "a.parquet", **columns), timestamp="time")


def test_features_of_each_arrow_type_are_read_like_plain_types(tmp_path):
    prices = [f"{row}.5" for row in range(20)]
    colours = ["red", "blue"] * 10
    path = parquet(
        tmp_path / "i.parquet",
        item=list(range(20)),
        view=pa.array(colours, pa.string_view()),
        binary=pa.array([colour.encode() for colour in colours], pa.binary_view()),
        price=pa.array([Decimal(price) for price in prices], pa.decimal256(40, 2)),
        weight=pa.array(np.arange(20, dtype=np.float16)),
        tags=pa.array([[colour] for colour in colours], pa.list_(pa.large_string())),
    )
    features, notes = load_features(path, "item", ColumnNames(), pa.array(range(20)))
    kinds = {name: column.kind for name, column in features.columns.items()}
    assert kinds == {
        "view": ColumnKind.CATEGORICAL,
        "binary": ColumnKind.CATEGORICAL,
        "price": ColumnKind.NUMERIC,
        "weight": ColumnKind.NUMERIC,
        "tags": ColumnKind.MULTI,
    }
    assert features.columns["price"].values.to_pylist() == [float(price) for price in prices]
    assert notes == ()


@pytest.mark.parametrize(
    ("words", "kind", "note"),
    [
        (["unknown"] * 3, ColumnKind.NUMERIC, "3 of 100 cells of column 'price' are not numbers"),
        (["unknown"] * 5, ColumnKind.NUMERIC, "5 of 100 cells of column 'price' are not numbers"),
        (["unknown"] * 6, ColumnKind.TEXT, "so the column is read as text"),
        (["unknown"] * 30, ColumnKind.TEXT, "so the column is read as text"),
        (["T8H1N"] * 3, ColumnKind.TEXT, "such as 'T8H1N', so the column is read as text"),
        (["NULL"] * 3, ColumnKind.NUMERIC, ""),
    ],
)
def test_words_among_numbers_are_missing_or_reported(tmp_path, words, kind, note):
    cells = [*words, *(f"{row * 7}.25" for row in range(100 - len(words)))]
    rows = [f"{row},{cell},{row % 3}" for row, cell in enumerate(cells)]
    path = csv(tmp_path / "i.csv", "item,price,shelf", rows)
    features, notes = load_features(path, "item", ColumnNames(), pa.array(range(100)))
    assert note in "".join(notes)
    assert sum("cells of column" in text for text in notes) == bool(note)
    if kind is ColumnKind.NUMERIC:
        assert features.columns["price"].kind is kind
        assert features.columns["price"].values.null_count == len(words)
    else:
        assert "price" not in features.columns or features.columns["price"].kind is kind


def test_missing_ids_are_dropped_and_words_are_reported(tmp_path):
    rows = ["ann,1,5", ",2,4", "NULL,3,3", "NULL,4,2", "bob,,1", "nan,6,4"]
    loaded = load(csv(tmp_path / "a.csv", "user,item,rating", rows))
    assert loaded.interactions.user_id.to_pylist() == ["ann", "NULL", "NULL", "nan"]
    assert loaded.interactions.label.tolist() == [5, 3, 2, 4]
    assert loaded.notes[0].startswith("1 of 6 rows were dropped: they have no user id")
    assert loaded.notes[1].startswith("2 of 6 rows have the user id 'NULL' in column 'user'")
    assert loaded.notes[2].startswith("1 of 6 rows have the user id 'nan' in column 'user'")
    assert loaded.notes[3].startswith("1 of 6 rows were dropped: they have no item id")


def test_row_numbers_count_the_rows_without_ids(tmp_path):
    rows = [",1,1", *(f"{row % 3},{row},{row % 2}" for row in range(12)), "9,9,7"]
    loaded = load(csv(tmp_path / "a.csv", "user,item,click", rows))
    with pytest.raises(DataError, match="row 14: label 7"):
        prepare_task(loaded, Task.CLICK, None, None)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"b\xff", r"Column 'user', row 2: b'b\\xff' is not UTF-8 text"),
        (b"b\x00", r"Column 'user', row 2: the user id 'b\\x00' contains a NUL character"),
    ],
)
def test_ids_that_the_export_cannot_look_up_are_refused_early(tmp_path, bad, message):
    for kind in (pa.binary(), pa.binary_view(), pa.string()):
        users = pa.array([b"a", bad], pa.binary()).view(pa.string()).cast(pa.binary(), safe=False)
        users = users.view(kind) if kind == pa.string() else users.cast(kind)
        path = parquet(tmp_path / "a.parquet", user=users, item=[1, 2])
        with pytest.raises(DataError, match=message):
            load(path)


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("task", [None, Task.CLICK])
def test_click_of_a_repeated_pair_is_kept(tmp_path, timed, task):
    shown = [
        f"{user},{item},{label},{number}"
        for user in range(4)
        for item in range(4)
        for number, label in enumerate([0, item % 2, 0])
    ]
    path = csv(tmp_path / "a.csv", f"user,item,click,{'time' if timed else 'other'}", shown)
    data = prepare_task(load(path), task, None, None)
    assert data.task is Task.CLICK
    assert data.interactions.label.tolist() == [0, 1, 0, 1] * 4
    if timed:
        assert data.interactions.timestamp.tolist() == [2, 1, 2, 1] * 4
    assert any("8 of these pairs have rows with different labels" in note for note in data.notes)


def test_last_rating_of_a_pair_counts_although_it_is_lower(tmp_path):
    rows = [*(f"1,{item},5" for item in range(12)), "1,0,2", "2,1,3"]
    data = prepare_task(load(csv(tmp_path / "a.csv", "user,item,rating", rows)), None, None, None)
    assert data.interactions.label.tolist() == [*[5] * 11, 2, 3]


def test_notes_are_printed_before_the_error(tmp_path, capsys):
    rows = [f"{row},J\xf6rg,five" for row in range(12)]
    path = tmp_path / "a.csv"
    path.write_bytes("\n".join(["user,item,rating", *rows]).encode("latin-1"))
    assert main(["run", "--data", str(path)]) == 2
    shown = capsys.readouterr().err
    assert shown.index("read as Latin-1") < shown.index("the label 'five' is not a number")


def test_notes_of_the_data_are_carried_by_errors_of_the_other_files(tmp_path):
    rows = [f"{row % 4},{row},{row % 5}" for row in range(20)]
    data = csv(tmp_path / "a.csv", "user,item,rating", [*rows, "1,1,4"])
    items = csv(tmp_path / "i.csv", "item,colour", ["x,red"])
    with pytest.raises(DataError) as error:
        load_dataset(make_config({"data": str(data), "items": str(items)}))
    assert any("1 of 21 rows were dropped" in note for note in error.value.__notes__)


def test_baselines_prints_the_notes(tmp_path, capsys):
    rows = [f"{row % 7},{row % 11},{row % 5},{row}" for row in range(77)]
    path = csv(tmp_path / "a.csv", "user,item,rating,other", rows)
    assert main(["baselines", "--data", str(path)]) == 0
    assert "note: Columns not used: other." in capsys.readouterr().err
