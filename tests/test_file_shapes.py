"""Small files of many shapes: each is read as the same interactions, or refused in one message."""

import bz2
import gzip
import io
import json
import pickle
import sqlite3
import subprocess
import sys
import time
import zipfile

import pyarrow as pa
import pytest

from recsearch.data.columns import ColumnNames
from recsearch.data.features import load_features
from recsearch.data.readers import load_candidates, load_interactions
from recsearch.data.tables import read_source
from recsearch.errors import DataError

ROWS = [("ann", "hat", 3.5), ("bob", "shoe", 4.0), ("ann", "shoe", 1.5), ("cy", "hat", 2.0)]


def text(delimiter=",", header=True, end="", point="."):
    rows = [(u, i, str(r).replace(".", point)) for u, i, r in ROWS]
    lines = [("user", "item", "rating"), *rows] if header else rows
    return "".join(delimiter.join(row) + end + "\n" for row in lines)


def zipped(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


def objects():
    return [{"user": user, "item": item, "rating": rating} for user, item, rating in ROWS]


def json_lines():
    return "".join(json.dumps(row) + "\n" for row in objects())


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def load(path, **flags):
    return load_interactions(path, ColumnNames(**flags))


def rows(loaded):
    part = loaded.interactions
    columns = part.user_id.to_pylist(), part.item_id.to_pylist(), part.label.tolist()
    return list(zip(*columns, strict=True))


READABLE = {
    "plain.csv": text(),
    "bom.csv": "\ufeff" + text(),
    "utf16_little.csv": text().encode("utf-16"),
    "utf16_big.csv": b"\xfe\xff" + text("\t").encode("utf-16-be"),
    "utf16_crlf.csv": text().replace("\n", "\r\n").encode("utf-16"),
    "gzipped.csv.gz": gzip.compress(text().encode(), mtime=0),
    "bzipped.csv.bz2": bz2.compress(text().encode()),
    "zipped.zip": zipped({"d/ratings.csv": text(), "__MACOSX/._ratings.csv": "x"}),
    "zipped_lines.zip": zipped({"ratings.jsonl": json_lines()}),
    "decimal.csv": text(";", point=","),
    "excel.csv": "sep=;\n" + text(";", point=","),
    "excel_pipe.csv": "sep=|\r\n" + text("|").replace("\n", "\r\n"),
    "ending.csv": text(end=","),
    "ending_rows.csv": text(end=",").replace("rating,", "rating"),
    "blanks.txt": text("   "),
    "blank.txt": text(" "),
    "mixed_blanks.txt": text(" \t ").replace("user \t ", "user   ").replace("item \t ", "item "),
    "indented.txt": "  " + text("  ").replace("\n", "\n  ").rstrip() + "\n",
    "lines.jsonl": json_lines(),
    "lines.json": "\n" + json_lines().rstrip(),
    "array.json": json.dumps(objects()),
    "pretty.json": json.dumps(objects(), indent=2),
    "no_header.csv": text(header=False),
    "no_header.tsv": text("\t", header=False),
    "no_header_end.csv": text(header=False, end=","),
    "no_header_utf16.csv": text(header=False).encode("utf-16"),
}


@pytest.mark.parametrize("name", READABLE)
def test_interactions_are_the_same_from_each_shape(write, name):
    loaded = load(write(name, READABLE[name]))
    assert rows(loaded) == ROWS
    assert loaded.has_label
    assert loaded.interactions.timestamp is None


@pytest.mark.parametrize("name", [n for n in READABLE if not n.startswith("no_h")])
def test_item_tables_are_read_from_each_shape(write, name):
    path = write(name, READABLE[name])
    features, _ = load_features(
        path, "item", ColumnNames(), pa.array(["hat", "shoe"]).dictionary_encode()
    )
    assert sorted(features.id.to_pylist()) == ["hat", "shoe"]


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("a.csv", text(header=False), "has no header line; its columns were taken as user, item"),
        ("a.csv", text(";", point=","), "Column 'rating' of a.csv was read with decimal commas"),
        ("a.zip", zipped({"inner.csv": text()}), "a.zip is a zip file; inner.csv was read from it"),
    ],
)
def test_assumption_about_a_file_is_reported(write, name, content, note):
    assert any(note in text for text in load(write(name, content)).notes)


def test_commas_of_thousands_or_lists_are_no_decimal_commas(write):
    table = read_source(write("a.csv", "item;price;sizes\n1;2,5;1,5\n2;1.234,5;36,37,38\n")).table
    assert table["price"].to_pylist() == ["2,5", "1.234,5"]
    assert table["sizes"].to_pylist() == ["1,5", "36,37,38"]


REFUSED = {
    "two.zip": (zipped({"a.csv": text(), "b.csv": text()}), r"has 2 files \(a\.csv, b\.csv\)"),
    "nothing.zip": (zipped({}), r"has 0 files \(none\)"),
    "arrays.npz": (zipped({"train.npy": "x"}), "NumPy archive"),
    "frame.pkl": (pickle.dumps(objects()), r"a pickle.*pd\.read_pickle"),
    "page.csv": ("<!DOCTYPE html><html></html>", r"an HTML page.*pd\.read_html"),
    "page.xml": ("<?xml version='1.0'?><r/>", r"XML document.*pd\.read_xml"),
    "photo.csv": (b"\x89PNG\r\n\x1a\n" + bytes(99), "an image"),
    "old.xls": (b"\xd0\xcf\x11\xe0" + bytes(99), r"Excel workbook.*pd\.read_excel"),
    "object.json": (json.dumps({"ann": ["hat"]}), r"one JSON object.*pd\.Series"),
    "numbers.json": ("[1, 2]", "not all elements are objects"),
    "deep.json": ("[" * 100_000, "Cannot be read as a JSON array"),
    "broken.jsonl": (json_lines() + '{"user": ', "Cannot be read as JSON lines"),
    "kinds.jsonl": ('{"user": 1, "item": 2}\n{"user": "a", "item": 2}\n', "as JSON lines"),
    "long.csv": (b"user,item\n1," + b"x" * 20_000_000 + b"\n", "A row has more than"),
    "one_line.csv": (b"x" * 20_000_000, "The first line has more than"),
    "header.csv": ("user,item\n", "no row of data"),
    "header16.csv": ("user,item\n".encode("utf-16"), "no row of data"),
    "wide.csv": (",".join(map(str, range(100_000))) + "\n", "100,000 columns.*matrix"),
    "wide_header.csv": (
        ",".join(f"c{n}" for n in range(100_000)) + "\n" + ",".join(["1"] * 100_000) + "\n",
        "100,000 columns",
    ),
    "uneven_end.csv": ("a,user,item\n" + "1,2,3,\n" * 1500 + "1,2,3,4\n", "Row 1501 .* has 4 c"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_file_of_another_shape_is_refused_at_once_in_one_message(write, name):
    content, message = REFUSED[name]
    path = write(name, content)
    start = time.monotonic()
    with pytest.raises(DataError, match=message) as error:
        load(path)
    assert time.monotonic() - start < 5
    assert len(error.value.faults) == 1
    assert len(str(error.value)) < 1500


def test_objects_without_some_keys_have_missing_values(write):
    some = [{"item": 7}, {"item": 8, "genre": "Drama"}, {"year": 1999, "item": 9}]
    expected = {"item": [7, 8, 9], "genre": [None, "Drama", None], "year": [None, None, 1999]}
    lines = "".join(json.dumps(row) + "\n" for row in some)
    for path in (write("a.json", json.dumps(some)), write("a.jsonl", lines)):
        assert read_source(path).table.to_pydict() == expected


def test_json_object_is_refused_as_a_table_of_items_in_a_moment(write):
    path = write("items.json", json.dumps({str(n): [n % 9, n % 7] for n in range(100_000)}))
    start = time.monotonic()
    with pytest.raises(DataError, match="looks like one JSON object"):
        load_features(path, "item", ColumnNames(), pa.array([1]))
    assert time.monotonic() - start < 5


def test_repeated_names_are_counted_in_a_moment(write):
    line = ",".join(["a"] + [f"c{number // 2}" for number in range(9_000)])
    start = time.monotonic()
    with pytest.raises(DataError, match="named twice"):
        load(write("a.csv", f"{line}\n{line}\n"))
    assert time.monotonic() - start < 5


def test_workbook_and_database_are_refused_with_the_line_that_converts_them(write, tmp_path):
    workbook = zipped({"xl/workbook.xml": "<x/>", "xl/worksheets/sheet1.xml": "<x/>"})
    with pytest.raises(DataError, match=r"an Excel workbook.*pd\.read_excel"):
        load(write("book.xlsx", workbook))
    connection = sqlite3.connect(tmp_path / "ratings.csv")
    connection.execute("CREATE TABLE ratings (user, item)")
    connection.commit()
    connection.close()
    with pytest.raises(DataError, match=r"an SQLite database.*pd\.read_sql"):
        load(tmp_path / "ratings.csv")


def test_zip_file_that_unpacks_to_too_much_is_refused(write, monkeypatch):
    monkeypatch.setattr("recsearch.data.contents.MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(DataError, match=r"5,000 bytes unpacked\. At most 1,000"):
        load(write("bomb.zip", zipped({"a.csv": "0" * 5000})))


def test_zip_file_that_is_damaged_or_encrypted_is_refused(write):
    packed = bytearray(zipped({"a.csv": text() * 99}))
    packed[60:70] = bytes(10)
    with pytest.raises(DataError, match=r"a\.csv in the zip file is damaged"):
        load(write("a.zip", bytes(packed)))
    packed = bytearray(zipped({"a.csv": text()}))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DataError, match=r"cannot be unpacked: .*encrypted"):
        load(write("b.zip", bytes(packed)))


LISTS = "0 5 7 9\n1 5\n2 7 8\n3\n4 9 \n"


def test_lines_of_user_and_items_are_pairs(write):
    loaded = load(write("train.txt", LISTS))
    users, items = loaded.interactions.user_id.to_pylist(), loaded.interactions.item_id.to_pylist()
    pairs = list(zip(users, items, strict=True))
    assert pairs == [(0, 5), (0, 7), (0, 9), (1, 5), (2, 7), (2, 8), (4, 9)]
    assert not loaded.has_label
    assert loaded.notes[:2] == (
        "train.txt has lines of the form `user item item ...`; they were read as 7 (user, "
        "item) pairs.",
        "1 lines of train.txt have a user but no item.",
    )


def test_lines_of_even_length_or_repeated_users_are_no_lists(write):
    assert load(write("a.txt", "1 2 3 100\n4 5 1 200\n")).interactions.label.tolist() == [3, 1]
    with pytest.raises(DataError, match="Row 3 of the data has 4 cells"):
        load(write("b.txt", "1 2 3\n1 5 1\n1 4 4 9\n"))
    broken = "".join(f"{n} 5 3\n" for n in range(50)) + "50 5 3 1\n"
    with pytest.raises(DataError, match="Row 51 of the data has 4 cells"):
        load(write("d.txt", broken))
    with pytest.raises(DataError, match="not all are whole numbers"):
        load(
            write("c.txt", "".join(f"{n} 5" + " 7" * (n % 3) + "\n" for n in range(1500)) + "x 1\n")
        )


def test_sequences_of_real_data_are_read(shared_data):
    loaded = load(shared_data / "s3rec-beauty" / "Beauty.txt.gz")
    assert len(loaded.interactions) == 198_502
    assert len(loaded.interactions.user_id.unique()) == 22_363
    assert len(loaded.interactions.item_id.unique()) == 12_101


def test_matrix_and_wide_table_are_refused_with_a_line_of_pandas_that_works(write, tmp_path):
    matrix = "user," + ",".join(f"item_{n}" for n in range(6)) + "\n"
    matrix += "a,1,2,,4,5,\nb,,2,3,4,5,1\n"
    wide = "user," + ",".join(f"choice{n}" for n in range(5)) + "\na,hat,cap,tie,bag,\nb,hat,,,,\n"
    for content, message, count in [
        (matrix, "looks like a user x item matrix", 9),
        (wide, "looks like a wide table with one row per user", 5),
        ("0,1,2,3,4,5,3,2,1,0,4\n" * 3, "looks like a user x item matrix", 33),
    ]:
        path = write("m.csv", content)
        with pytest.raises(DataError, match=message) as error:
            load(path)
        line = str(error.value).rpartition("Convert it with pandas: ")[2]
        command = [sys.executable, "-c", f"import pandas as pd\n{line}"]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
        loaded = load(tmp_path / "data.parquet")
        assert len(loaded.interactions) == count


def test_candidates_and_features_with_many_columns_are_no_matrix(write):
    train = load(write("train.csv", "user,item\n1,1\n2,2\n")).interactions
    lists = "user,item," + ",".join(f"neg_{n}" for n in range(8)) + "\n1,1,2,3,4,5,6,7,8,9\n"
    assert load_candidates(write("l.csv", lists), ColumnNames(), train).num_negatives == 8
    bare = "1 1 2 3 4 5\n2 2 3 4 5 6\n"
    names = ColumnNames(no_header=True)
    candidates = load_candidates(write("l.txt", bare), names, train)
    assert candidates.negative_ids.to_pylist() == [2, 3, 4, 5, 3, 4, 5, 6]
    items = lists.replace("user,item", "item,size")
    features, _ = load_features(write("i.csv", items), "item", ColumnNames(), pa.array([1]))
    assert features.id.to_pylist() == [1]


def test_file_without_header_is_read_by_convention_or_by_position(write):
    path = write("pairs.csv", "ann,hat\nbob,shoe\ncy,cap\n")
    with pytest.raises(DataError, match=r"If its first line is data, pass --no-header\."):
        load(path)
    assert [row[:2] for row in rows(load(path, no_header=True))] == [
        ("ann", "hat"), ("bob", "shoe"), ("cy", "cap"),
    ]  # fmt: skip
    path = write("swapped.csv", "hat,5,ann,1.5\nshoe,6,bob,3\n")
    for user, item, label in (("3", "1", "4"), ("column_3", "column_1", "column_4")):
        flags = {"user": user, "item": item, "label": label, "no_header": True}
        loaded = load(path, **flags)
        assert rows(loaded) == [("ann", "hat", 1.5), ("bob", "shoe", 3.0)]
        assert any("taken as column_1, column_2, column_3, column_4" in n for n in loaded.notes)
    wide = write("wide.csv", "a,b,c,d,e\nf,g,h,i,j\n")
    with pytest.raises(DataError, match=r"No user column found.*column_1, column_2"):
        load(wide, no_header=True)
    assert len(load(wide, no_header=True, user="1", item="5").interactions) == 2


def test_first_row_is_not_lost_without_a_note_when_it_names_the_columns(write):
    path = write("a.csv", "ann,hat\nbob,shoe\nann,cap\n")
    assert len(load(path).interactions) == 3  # ann occurs again: certainly no header
    loaded = load(path, user="ann", item="hat")
    assert len(loaded.interactions) == 2
    assert any("'ann' is both the name of the user column and one of" in n for n in loaded.notes)


def test_header_with_usual_names_or_numbers_above_text_is_a_header(write):
    assert len(load(write("a.csv", "user,item\nuser,hat\nbob,item\n")).interactions) == 2
    table = read_source(write("b.csv", "colour,size\nred,1\ncolour,2\n")).table
    assert table.column_names == ["colour", "size"]


def test_third_column_of_times_is_not_taken_for_labels(write):
    loaded = load(write("a.txt", "1 2 881250949\n3 4 881250950\n"))
    assert loaded.interactions.timestamp.tolist() == [881250949, 881250950]
    assert not loaded.has_label
    plays = load(write("b.txt", "1 2 7\n3 4 881250950\n"))  # not all are times
    assert plays.has_label
    assert plays.interactions.timestamp is None


def test_no_python_function_runs_in_a_thread_of_arrow(write):
    """Such a function aborts the process ("terminate called") if the process ends meanwhile."""
    content = "user,item\n" + "1,2\n1,2,3\n" * 200_000
    path = write("uneven.csv", content)
    latin = write("latin.csv", content.replace("2,3", "2").encode() + b"\xe9,1\n")
    probe = (
        "import sys, threading\nfrom pathlib import Path\n"
        "from recsearch.data.tables import read_source\nfrom recsearch.errors import DataError\n"
        "seen = set()\n"
        "threading.setprofile(lambda *a: seen.add(threading.get_ident()))\n"
        "sys.setprofile(lambda *a: seen.add(threading.get_ident()))\n"
        "for path in map(Path, sys.argv[1:]):\n"
        "    try:\n        print(read_source(path).table.num_rows)\n"
        "    except DataError as error:\n        print('200000 such rows' in str(error))\n"
        "sys.setprofile(None)\n"
        "print(seen == {threading.main_thread().ident}, len(threading.enumerate()))\n"
    )
    command = [sys.executable, "-c", probe, str(path), str(latin)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["True", "400001", "True", "1"]
