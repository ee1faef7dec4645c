import pytest

from recsearch.data.columns import ColumnNames, bare_name, find_columns, normalised_name


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        (
            ["userId", "movieId", "rating", "timestamp"],
            ("userId", "movieId", "rating", "timestamp"),
        ),
        (["User-ID", "ISBN", "Book-Rating"], ("User-ID", "ISBN", "Book-Rating")),
        (["book_id", "user_id", "rating"], ("user_id", "book_id", "rating")),
        (
            ["user_id:token", "item_id:token", "rating:float", "timestamp:float"],
            ("user_id:token", "item_id:token", "rating:float", "timestamp:float"),
        ),
        (["Customer ID", "asin", "Clicked"], ("Customer ID", "asin", "Clicked")),
    ],
)
def test_columns_are_found_by_usual_names(available, expected):
    found, faults = find_columns(available, ColumnNames())
    assert tuple(found.values()) == expected
    assert faults == ()


def test_column_names_are_compared_whole():
    found, _ = find_columns(["user", "item", "average_rating", "ratings_count"], ColumnNames())
    assert found == {"user": "user", "item": "item"}


def test_more_telling_name_is_taken_of_two():
    found, _ = find_columns(["user", "user_id", "isbn", "book_id"], ColumnNames())
    assert found == {"user": "user_id", "item": "book_id"}


def test_first_column_is_taken_of_two_that_differ_in_case_and_separators():
    found, _ = find_columns(["userId", "user_id", "Item", "item"], ColumnNames())
    assert found == {"user": "userId", "item": "Item"}


def test_column_named_by_flag_serves_no_second_role():
    found, faults = find_columns(["user_id", "item_id", "rating"], ColumnNames(user="item_id"))
    assert found == {"user": "item_id", "label": "rating"}
    assert len(faults) == 1
    assert faults[0].startswith("No item column found.")


def test_flag_may_leave_out_recbole_type():
    found, _ = find_columns(["a:token", "item_id:token"], ColumnNames(user="a"))
    assert found["user"] == "a:token"


def test_missing_columns_are_told_together_with_those_found():
    _, faults = find_columns(["a", "b"], ColumnNames())
    assert len(faults) == 2
    assert "No user column found. Expected one of userid, user" in faults[0]
    assert "the file has columns: a, b. Name it with --user-column." in faults[0]
    assert "Name it with --item-column." in faults[1]


def test_header_that_looks_like_data_is_mentioned():
    _, faults = find_columns(["A1X", "B2", "5.0"], ColumnNames())
    assert "the file may lack a header line" in faults[0]


def test_flag_that_names_an_absent_column_tells_close_names():
    _, faults = find_columns(["viewer", "item"], ColumnNames(user="viewr"))
    assert faults == (
        "--user-column names 'viewr', which the file does not have. Did you mean viewer? "
        "The file has columns: viewer, item.",
    )


def test_two_flags_on_one_column_are_a_fault():
    _, faults = find_columns(["a", "b"], ColumnNames(user="a", item="a"))
    assert faults == (
        "--user-column and --item-column both name 'a'. Expected two different columns.",
    )


def test_names_are_normalised_without_type_case_and_separators():
    assert bare_name("user_id:token") == "user_id"
    assert bare_name("Title: a story") == "Title: a story"
    assert normalised_name("Movie ID:token") == "movieid"
