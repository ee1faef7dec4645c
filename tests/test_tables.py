import gzip

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsearch.data.contents import HEAD_BYTES, open_content
from recsearch.data.parsing import first_unparsable, infer_type
from recsearch.data.tables import read_source
from recsearch.errors import DataError


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def test_columns_of_movielens_item_file_are_known(write):
    flags = "|".join(["0"] * 19)
    path = write("u.item", f"1|Caf\xe9 (1995)|01-Jan-1995||http://x|{flags}\n".encode("latin-1"))
    table = read_source(path).table
    assert table.column_names[:3] == ["item_id", "title", "release_date"]
    assert table["title"].to_pylist() == ["Caf\xe9 (1995)"]
    movies = read_source(write("movies.dat", "1::Toy Story (1995)::A|B|C|D\n")).table
    assert movies.to_pylist() == [{"item_id": 1, "title": "Toy Story (1995)", "genres": "A|B|C|D"}]


def test_quoted_cells_may_hold_delimiters_quotes_and_line_breaks(write):
    path = write("a.csv", 'user,item,"note"\n1,"a,b","x ""y"" z"\n2,c,"two\nlines"\n')
    table = read_source(path).table
    assert table["item"].to_pylist() == ["a,b", "c"]
    assert table["note"].to_pylist() == ['x "y" z', "two\nlines"]  # the last row, but closed


def test_quoted_delimiters_of_the_header_do_not_count(write):
    table = read_source(write("a.csv", 'user,item,"tags; as; many; as; given"\n1,2,x\n')).table
    assert table.column_names == ["user", "item", "tags; as; many; as; given"]


def test_head_of_a_long_file_ends_with_a_whole_line(write):
    text = "user,item\r\n" + "1,\u00e9\u00e9\u00e9\r\n" * 150_000
    content = open_content(write("a.csv", text))
    assert HEAD_BYTES - 10 < len(content.head) < HEAD_BYTES
    assert content.head.endswith(b"\n")
    assert not content.is_whole
    assert content.read() == text.encode()


def test_backslash_escapes_are_understood_when_rows_need_them(write):
    path = write("b.csv", 'user;item\n"1";"say \\"a;b\\" now"\n')
    assert read_source(path).table["item"].to_pylist() == ['say "a;b" now']


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2", ""], [1, -2, None]),
        (["1", "NA", "null"], [1, None, None]),
        (["1.5", "2", "nan"], [1.5, 2.0, None]),
        (["0012", "12"], ["0012", "12"]),
        (["+1", "2"], ["+1", "2"]),
        (["12e4", "120000"], ["12e4", "120000"]),
        (["10000169349117863715", "1"], ["10000169349117863715", "1"]),
        (["0", "0.5"], [0.0, 0.5]),
        (["true", "False"], [True, False]),
        ([" a ", "NA", ""], ["a", "NA", None]),
        (["", ""], [None, None]),
    ],
)
def test_type_is_inferred_only_when_nothing_is_lost(cells, expected):
    assert infer_type(pa.chunked_array([cells])).to_pylist() == expected


@pytest.mark.parametrize(
    ("last", "expected"),
    [("4.5", [0.5, 1.5, 4.5]), ("007", ["0.5", "1.5", "007"]), ("NA", [0.5, 1.5, None])],
)
def test_type_of_a_long_column_of_few_values_regards_every_row(last, expected):
    cells = ["0.5", "1.5"] * 6_000 + [last]  # the last one is beyond what is looked at first
    inferred = infer_type(pa.chunked_array([cells[:7_000], cells[7_000:]]))
    assert len(inferred) == len(cells)
    assert [*inferred[:2].to_pylist(), inferred[-1].as_py()] == expected
    assert inferred.null_count == (last == "NA")


@pytest.mark.parametrize("last", ["x", "01", "1.5", ""])
def test_long_column_of_integers_is_read_as_a_short_one(last):
    cells = [str(number) for number in range(12_000)] + [last]
    inferred = infer_type(pa.chunked_array([cells]))
    short = infer_type(pa.chunked_array([["5", last]]))
    assert inferred.type == short.type
    assert inferred[-1] == short[-1]
    assert inferred[5].as_py() == short[0].as_py()


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_integers_survive_as_text(values):
    inferred = infer_type(pa.chunked_array([[str(value) for value in values]]))
    assert inferred.type == pa.int64()
    assert inferred.to_pylist() == values


@given(st.lists(st.booleans(), min_size=1))
def test_first_unparsable_row_is_the_first_false(good):
    text = pa.chunked_array([["1" if ok else "x" for ok in good]])
    assert first_unparsable(text, pa.int64()) == (-1 if all(good) else good.index(False))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "The file is empty"),
        ("a.csv", "\n \n", "The file is empty"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), "The file is empty"),
        ("a.csv", "user,item", r"Has a header \(columns: user, item\) but no row of data"),
        ("a.csv", "user,item\n \n\n", "Row 1 of the data has 1 cells"),
        ("a.csv", "user,item\n\n", r"Has a header \(columns: user, item\) but no row of data"),
        ("a.csv", "user,user\n1,2\n", "Columns are named twice: user"),
        ("a.csv", "0\t1\t1\tx\n0\t2\t2\ty\n", "named twice: 1. .* may lack a header line"),
        ("a.parquet", "user,item\n1,2\n", "Cannot be read as Parquet"),
        ("a.csv", b"PAR1 and then nothing", "Cannot be read as Parquet"),
        (
            "a.csv",
            'user,item\n1,2\n3,"4\n5,6\n',
            "Row 2 of the data has a quoted cell that is never",
        ),
        ("a.xlsx", b"PK\x03\x04\x00\x00", "Cannot be read: File is not a zip file"),
        ("a.csv", b"us\x00er,item\n1,2\n", "not UTF-8, UTF-16 or Latin-1 text. Expected CSV, TSV"),
        ("a.csv.gz", b"\x1f\x8bgarbage and more", "Cannot be read"),
        (
            "a.csv.gz",
            gzip.compress(b"user,item\n1,2\n" * 99, mtime=0)[:-9],
            "Cannot be read: Truncated",
        ),
        (
            "a.csv",
            "\n\nuser,item\n1,2\n\n3,4,5\n6\n",
            r"Row 2 of the data has 3 cells, but the first line has 2 \(user, item\): '3,4,5'\. "
            "2 such rows in total",
        ),
    ],
)
def test_file_that_cannot_be_used_is_told_in_one_message(write, name, content, message):
    with pytest.raises(DataError, match=message) as error:
        read_source(write(name, content))
    assert name in str(error.value)
    assert error.value.__suppress_context__ or error.value.__context__ is None


def test_path_that_is_absent_tells_close_names(write, tmp_path):
    write("ratings.csv", "user,item\n1,2\n")
    with pytest.raises(DataError, match=r"no such file. Similar names in .*: ratings\.csv"):
        read_source(tmp_path / "rating.csv")
    with pytest.raises(DataError, match="none with a similar name in"):
        read_source(tmp_path / "zzz")
    with pytest.raises(DataError, match="no such file, and no folder"):
        read_source(tmp_path / "absent" / "ratings.csv")


def test_directory_without_tables_is_a_fault(write, tmp_path):
    write("ratings.md", "user,item\n1,2\n")
    with pytest.raises(DataError, match=r"The directory contains no \.parquet"):
        read_source(tmp_path)


def test_directory_of_parts_that_differ_is_a_fault(tmp_path):
    pa.parquet.write_table(pa.table({"user": [1]}), tmp_path / "0.parquet")
    pa.parquet.write_table(pa.table({"user": ["a"]}), tmp_path / "1.parquet")
    with pytest.raises(DataError, match="The 2 Parquet files cannot be joined"):
        read_source(tmp_path)


def test_parquet_without_rows_is_a_fault(tmp_path):
    pa.parquet.write_table(pa.table({"user": pa.array([], pa.int64())}), tmp_path / "0.parquet")
    with pytest.raises(DataError, match=r"Has columns \(user\) but no row of data"):
        read_source(tmp_path / "0.parquet")
