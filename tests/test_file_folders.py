"""Directories as one table, and paths and Parquet files that are refused."""

import os
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from recsearch.data.columns import ColumnNames
from recsearch.data.readers import load_interactions
from recsearch.errors import DataError

ROWS = [("ann", "hat", 3.5), ("bob", "shoe", 4.0), ("ann", "shoe", 1.5), ("cy", "hat", 2.0)]


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(content)
        return path

    return write_file


def load(path):
    return load_interactions(path, ColumnNames())


def rows(loaded):
    part = loaded.interactions
    columns = part.user_id.to_pylist(), part.item_id.to_pylist(), part.label.tolist()
    return list(zip(*columns, strict=True))


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_directory_of_parts_is_one_table(write, tmp_path, ending):
    folder = tmp_path / "data"
    write("data/_SUCCESS", "")
    write("data/.hidden.csv", "x")
    write("data/notes.md", "x")
    for number, part in enumerate((ROWS[:2], ROWS[2:])):
        frame = pd.DataFrame(part, columns=["user", "item", "rating"])
        path = folder / f"part-{number}.{ending}"
        if ending == "parquet":
            frame.to_parquet(path)
        elif ending == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_json(path, orient="records", lines=True)
    write("outside.csv", "user,item,rating\nx,y,1\n")
    (folder / f"part-9.{ending}").symlink_to(tmp_path / "outside.csv")
    assert rows(load(folder)) == ROWS


def test_ids_have_one_type_in_all_parts_of_a_directory(write, tmp_path):
    write("d/0.csv", "user,item\n1,2\n")
    write("d/1.csv", "user,item\n01,2\n")
    assert load(tmp_path / "d").interactions.user_id.to_pylist() == ["1", "01"]


def test_notes_of_every_part_of_a_directory_are_reported_once(write, tmp_path):
    write("d/0.csv", "user,item\n1,2\n")
    for name in ("d/1.csv", "d/2.csv"):
        write(name, "").write_bytes("user,item\nJos\xe9,2\n".encode("latin-1"))
    assert load(tmp_path / "d").notes == (
        "1.csv is not UTF-8; it was read as Latin-1.",
        "2.csv is not UTF-8; it was read as Latin-1.",
    )


def test_folders_of_partitions_are_columns(tmp_path):
    for user in (3, 12):
        folder = tmp_path / "d" / f"user={user}"
        folder.mkdir(parents=True)
        pa.parquet.write_table(pa.table({"item": [user * 10, 7]}), folder / "0.parquet")
    part = load(tmp_path / "d").interactions
    assert part.user_id.to_pylist() == [12, 12, 3, 3]
    assert part.item_id.to_pylist() == [120, 7, 30, 7]


def test_directories_that_are_no_table_are_refused_at_once(write, tmp_path):
    start = time.monotonic()
    with pytest.raises(DataError, match=r"more than 10,000 entries|holds (no|files)"):
        load(Path("/"))
    assert time.monotonic() - start < 5
    write("a/0.csv", "user,item\n1,2\n")
    write("a/1.csv", "item,user\n1,2\n")
    with pytest.raises(DataError, match=r"1\.csv has the columns item, user, but 0\.csv has"):
        load(tmp_path / "a")
    write("b/0.csv", "user,item\n1,2\n")
    write("b/1.jsonl", '{"user": 1, "item": 2}\n')
    with pytest.raises(DataError, match=r"several formats: 1 \.csv, 1 \.jsonl"):
        load(tmp_path / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "0.csv").symlink_to(tmp_path / "a" / "0.csv")
    with pytest.raises(DataError, match="links in it are not followed"):
        load(tmp_path / "c")


def test_pipes_and_devices_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(DataError, match=r"a pipe, a socket or a device\. Expected a file"):
            load(path)


def test_parquet_with_broken_text_or_too_many_columns_is_refused(tmp_path):
    broken = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")]
    )
    path = tmp_path / "a.parquet"
    for column in (broken, pa.DictionaryArray.from_arrays(pa.array([0, 1]), broken)):
        pa.parquet.write_table(pa.table({"user": column, "item": [1, 2]}), path)
        with pytest.raises(DataError, match=r"not (valid )?UTF-8"):
            load(path)
    pa.parquet.write_table(pa.table({f"c{n}": [1] for n in range(10_001)}), path)
    with pytest.raises(DataError, match=r"has 10,001 columns.*pd\.read_parquet"):
        load(path)
