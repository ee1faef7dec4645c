from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsearch.data.columns import ColumnNames
from recsearch.data.feature_kinds import Dropped, classify_column, split_values
from recsearch.data.features import load_features, safe_names, title_column
from recsearch.data.interactions import ColumnKind, FeatureColumn, Features
from recsearch.data.readers import load_interactions
from recsearch.errors import DataError

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

needs_real_data = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason="the folder of real data sets is absent"
)


def load(path, content, like, role="item", **flags):
    path.write_text(content)
    return load_features(path, role, ColumnNames(**flags), pa.array(like))


def classify(values, name="column", kind=None):
    return classify_column(name, pa.chunked_array([pa.array(values, kind)]))


def words(count, pattern="word {}"):
    return [pattern.format(number) for number in range(count)]


def test_table_becomes_one_row_an_id_with_typed_columns(tmp_path):
    content = "movieId,title,genres,year\n1,Heat,Action|Crime,1995\n2,Up,Comedy,2009\n"
    features, notes = load(tmp_path / "movies.csv", content, [1, 2])
    assert features.id.to_pylist() == [1, 2]
    kinds = {name: column.kind for name, column in features.columns.items()}
    assert kinds == {
        "title": ColumnKind.TEXT,
        "genres": ColumnKind.MULTI,
        "year": ColumnKind.NUMERIC,
    }
    assert features.columns["genres"].values.to_pylist() == [["Action", "Crime"], ["Comedy"]]
    assert features.columns["year"].values.to_pylist() == [1995.0, 2009.0]
    assert notes == ()


def test_last_row_of_a_repeated_id_is_kept_with_a_note(tmp_path):
    content = "item,price\n1,5\n2,7\n1,6\n"
    features, notes = load(tmp_path / "items.csv", content, [1, 2])
    assert features.id.to_pylist() == [2, 1]
    assert features.columns["price"].values.to_pylist() == [7.0, 6.0]
    assert notes == ("1 rows of items.csv repeat an id; the last row of each item id was kept.",)


def test_ids_are_read_in_the_type_of_the_interactions(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("user,age\n7,30\n8,40\n")
    like = pa.array(["7", "x"]).dictionary_encode()
    features, notes = load_features(path, "user", ColumnNames(), like)
    assert features.id.type == like.type
    assert features.id.to_pylist() == ["7", "8"]
    assert notes == ("1 of 2 users in the interactions have no row in users.csv.",)


@pytest.mark.parametrize("header", ["id,size", "Item-ID,size", "item_id:token,size:float"])
def test_id_column_is_found_by_usual_name_or_plain_id(tmp_path, header):
    features, _ = load(tmp_path / "a.csv", f"{header}\n1,2\n2,3\n", [1, 2])
    assert list(features.columns) == ["size"]


def test_id_column_named_for_the_interactions_is_taken_if_the_table_has_it(tmp_path):
    content = "item,code,size\n9,1,2\n9,2,3\n"
    features, _ = load(tmp_path / "a.csv", content, [1, 2], item="code")
    assert features.id.to_pylist() == [1, 2]
    features, _ = load(tmp_path / "a.csv", content, [9], item="elsewhere", user="size")
    assert features.id.to_pylist() == [9]


def test_excluded_columns_are_left_out(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("item,a,b\n1,2,3\n2,3,4\n")
    features, _ = load_features(path, "item", ColumnNames(), pa.array([1, 2]), exclude=["a"])
    assert list(features.columns) == ["b"]


def test_table_without_id_column_is_a_fault(tmp_path):
    with pytest.raises(DataError, match=r"No item column found.*the file has columns: a, b"):
        load(tmp_path / "a.csv", "a,b\n1,2\n", [1])


def test_table_with_missing_ids_is_a_fault(tmp_path):
    with pytest.raises(DataError, match="1 of 2 rows have no item id in column 'item': row 2"):
        load(tmp_path / "a.csv", "item,b\n1,2\n,3\n", [1])


def test_table_that_shares_no_id_with_the_interactions_is_a_fault(tmp_path):
    with pytest.raises(DataError, match=r"None of the 2 item ids .*: for example 1 there, 3 here"):
        load(tmp_path / "a.csv", "item,b\n3,2\n4,3\n", [1, 2])


def test_dropped_columns_are_named_with_their_reason(tmp_path):
    rows = "".join(f"{number},,7,u{number}\n" for number in range(60))
    _, notes = load(tmp_path / "a.csv", f"item,none,same,code\n{rows}", range(60))
    assert notes == (
        "Columns of a.csv that were left out: none (empty), same (the same value in each row), "
        "code (an identifier).",
    )


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("size", [1, 2, None], ColumnKind.NUMERIC),
        ("flag", [0, 1, 0], ColumnKind.NUMERIC),
        ("flag", [True, False, None], ColumnKind.CATEGORICAL),
        ("colour", ["red", "blue", None], ColumnKind.CATEGORICAL),
        ("code:token", [1, 2, 2], ColumnKind.CATEGORICAL),
        ("age:token", list(range(60)), ColumnKind.NUMERIC),
        ("class:token_seq", ["a b", "c", "a"], ColumnKind.MULTI),
        ("tags", ["a", "b", "a"], ColumnKind.MULTI),
        ("mood", ["a|b", "c", "c", "c", "c"], ColumnKind.MULTI),
        ("mood", ["a|b", "c", "c", "c", "c", "c"], ColumnKind.CATEGORICAL),
        ("mood", ["a|b", "c", "c", "c", "c", None, ""], ColumnKind.MULTI),
        ("kinds", [["a", "b"], ["a"], []], ColumnKind.MULTI),
        ("kinds", [[1, 2], [1], []], ColumnKind.MULTI),
        ("title", ["a", "b", "a"], ColumnKind.TEXT),
        ("movie_title:token_seq", ["a b", "c", "c"], ColumnKind.TEXT),
        ("plot", words(60), ColumnKind.TEXT),
        ("brand", words(50) * 2, ColumnKind.CATEGORICAL),
        ("brand", words(51) * 2, ColumnKind.TEXT),
        ("brand", words(51) * 20, ColumnKind.CATEGORICAL),
    ],
)
def test_kind_follows_from_type_name_and_values(name, values, kind):
    assert classify(values, name).kind is kind


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("a", [None, None], "empty"),
        ("a", ["", None], "empty"),
        ("a", ["x", "x", ""], "the same value in each row"),
        ("a", [3, 3, None], "the same value in each row"),
        ("a", [True, True], "the same value in each row"),
        ("a", [float("nan"), float("inf")], "empty"),
        ("genres", ["Drama", "Drama|", ""], "the same value in each row"),
        ("link", words(60, "http://site/{}"), "an identifier"),
        ("code", words(60, "x{}"), "an identifier"),
        ("work_id", list(range(60)), "an identifier"),
        ("vector:float_seq", ["1 2", "3 4"], "string values are not supported"),
        ("point", [{"x": 1}, {"x": 2}], "struct<x: int64> values are not supported"),
        ("vector", [[0.5], [1.5]], "list<item: double> values are not supported"),
        ("image", [b"\x89PNG", b"\xff\xd8"], "not UTF-8 text"),
    ],
)
def test_column_of_no_use_is_dropped_with_the_reason(name, values, reason):
    assert classify(values, name) == Dropped(reason)


def test_missing_values_are_null_in_categories_and_numbers():
    assert classify(["red", "", "blue"]).values.to_pylist() == ["red", None, "blue"]
    numbers = classify([1.5, float("nan"), float("inf"), 2.0]).values
    assert numbers.type == pa.float64()
    assert numbers.to_pylist() == [1.5, None, None, 2.0]


def test_booleans_and_codes_become_text_categories():
    assert classify([True, False, None]).values.to_pylist() == ["true", "false", None]
    assert classify([3, 1], "code:token").values.to_pylist() == ["3", "1"]


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us", tz="Asia/Tokyo")])
def test_dates_become_seconds(kind):
    days = pa.array([0, 1], pa.int32()).cast(pa.date32()).cast(pa.timestamp("s")).cast(kind)
    assert classify(days).values.to_pylist() == [0.0, 86400.0]


def test_pandas_categories_are_read_as_text():
    column = pa.chunked_array([pa.array(["a", "b", "a"]).dictionary_encode()])
    assert classify_column("colour", column).values.to_pylist() == ["a", "b", "a"]


@pytest.mark.parametrize("separator", ["|", ";", ", "])
def test_genres_are_split_at_the_separator_that_occurs(separator):
    column = classify([f"Action{separator}Crime", "Drama", None], "genres")
    assert column.values.to_pylist() == [["Action", "Crime"], ["Drama"], []]


def test_nested_lists_lose_blanks_and_nulls():
    column = classify([["a", " ", None], None, ["b "]])
    assert column.values.to_pylist() == [["a"], [], ["b"]]


@given(st.lists(st.lists(st.text("abc ", min_size=0, max_size=3))))
def test_split_values_undo_a_join(rows):
    joined = pa.array(["|".join(row) for row in rows], pa.string())
    expected = [[part.strip() for part in row if part.strip()] for row in rows]
    assert split_values(joined, "|").to_pylist() == expected


@given(st.lists(st.text(max_size=4), unique=True, max_size=8))
def test_safe_names_are_distinct_and_plain(columns):
    names = safe_names(columns)
    assert list(names) == columns
    assert len({name.lower() for name in names.values()}) == len(columns)
    assert all(
        set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
        for name in map(str.lower, names.values())
    )
    assert "id" not in map(str.lower, names.values())


def test_safe_names_keep_what_is_safe():
    columns = ["Sci-Fi", "Children's", "year", "Year", "id"]
    assert list(safe_names(columns).values()) == [
        "Sci_Fi",
        "Children_s",
        "year",
        "Year_2",
        "id_2",
    ]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["year", "original_title", "title"], "title"),
        (["year", "Movie_Title"], "Movie_Title"),
        (["year"], None),
    ],
)
def test_title_column_is_the_most_telling_one(columns, expected):
    text = FeatureColumn(ColumnKind.TEXT, pa.array(["a"]))
    assert title_column(Features(pa.array([1]), dict.fromkeys(columns, text))) == expected


@needs_real_data
def test_features_of_movielens_cover_all_items():
    folder = REAL_DATA / "ml-100k"
    interactions = load_interactions(folder / "ratings.parquet", ColumnNames()).interactions
    features, notes = load_features(
        folder / "items.parquet", "item", ColumnNames(), interactions.item_id
    )
    assert len(features.id) == 1682
    assert title_column(features) == "title"
    genres = features.columns["genres"].values
    assert len(set(genres.flatten().to_pylist())) == 19
    flags = features.columns["Film_Noir"].values.to_numpy()
    noir = np.array(["Film-Noir" in row for row in genres.to_pylist()])
    np.testing.assert_array_equal(flags == 1, noir)
    assert notes == ("Columns of items.parquet that were left out: imdb_url (an identifier).",)


@needs_real_data
def test_features_of_book_crossing_miss_unlisted_books():
    folder = REAL_DATA / "book-crossing"
    interactions = load_interactions(folder / "ratings.parquet", ColumnNames()).interactions
    features, notes = load_features(
        folder / "books.parquet", "item", ColumnNames(), interactions.item_id
    )
    assert len(features.id) == 271_379
    assert notes[0].endswith("of 340556 items in the interactions have no row in books.parquet.")
    listed = np.isin(
        interactions.item_id.indices.to_numpy(),
        pa.compute.index_in(features.id.dictionary, interactions.item_id.dictionary)
        .drop_null()
        .to_numpy(),
    )
    assert (~listed).sum() == 118_605
