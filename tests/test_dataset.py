from pathlib import Path

import numpy as np
import pytest
from small_run import NUM_ITEMS, NUM_ROWS, write_item_titles, write_ratings

from recsearch.config.run_config import RunConfig, make_config
from recsearch.data.interactions import Interactions
from recsearch.data.task import Task
from recsearch.errors import DataError, UsageError
from recsearch.workflow.dataset import Dataset, item_titles, load_dataset


def load(**settings) -> Dataset:
    return load_dataset(make_config(settings))


def pairs(part: Interactions) -> set[tuple]:
    return set(zip(part.user_id.to_pylist(), part.item_id.to_pylist(), strict=True))


def write(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def block(users: range, items: range) -> list[str]:
    """Each user with each item, the rating 1 to 5 in turn, a second apart."""
    rows = [(u, i) for u in users for i in items]
    return [f"{u},{i},{1 + n % 5},{1000 + n}" for n, (u, i) in enumerate(rows)]


@pytest.fixture
def ratings(tmp_path: Path) -> str:
    return write(tmp_path / "r.csv", "user,item,rating,timestamp", *block(range(1, 7), range(1, 6)))


@pytest.fixture(scope="module")
def embedded() -> Dataset:
    return load_dataset(RunConfig())


def test_no_data_is_the_embedded_ratings_with_both_tables(embedded: Dataset) -> None:
    split = embedded.split
    assert embedded.task is Task.RATING
    assert [len(part) for part in (split.train, split.validation, split.test)] == [
        80_000, 10_000, 10_000,
    ]  # fmt: skip
    assert embedded.users is not None
    assert list(embedded.users.columns) == ["age_group", "country"]
    assert embedded.items is not None
    assert list(embedded.items.columns) == ["genres", "year", "title"]
    assert embedded.notes[0].startswith("No --data was given")
    assert embedded.columns == {}


def test_embedded_data_can_be_had_as_another_task(embedded: Dataset) -> None:
    implicit = load(task="implicit", positive_from=4)
    assert implicit.task is Task.IMPLICIT
    assert implicit.split.description.startswith("leave-last-out")
    assert implicit.fingerprint == embedded.fingerprint
    with pytest.raises(DataError, match=r"the built-in data set: .*expects 0 or 1"):
        load(task="click")


def test_csv_is_split_and_its_columns_are_told(ratings: str) -> None:
    data = load(data=ratings)
    assert data.task is Task.RATING
    assert data.columns == {
        "user": "user", "item": "item", "label": "rating", "timestamp": "timestamp",
    }  # fmt: skip
    parts = [data.split.train, data.split.validation, data.split.test]
    assert [len(part) for part in parts] == [24, 3, 3]  # of 6 x 5 rows
    assert set.union(*map(pairs, parts)) == {(u, i) for u in range(1, 7) for i in range(1, 6)}
    assert data.notes == ("Task rating: the labels have 5 distinct values from 1 to 5.",)
    assert (data.users, data.items) == (None, None)


def test_seed_changes_a_random_split_and_nothing_else(ratings: str) -> None:
    first, again, other = (load(data=ratings, seed=seed) for seed in (0, 0, 1))
    assert pairs(first.split.test) == pairs(again.split.test)
    assert pairs(first.split.test) != pairs(other.split.test)
    assert first.fingerprint == other.fingerprint


def test_split_that_is_asked_for_is_used(ratings: str) -> None:
    test = load(data=ratings, split="temporal").split.test
    assert pairs(test) == {(6, 3), (6, 4), (6, 5)}  # the last three rows
    implicit = load(data=ratings, task="implicit").split
    assert pairs(implicit.test) == {(user, 5) for user in range(1, 7)}
    assert pairs(implicit.validation) == {(user, 4) for user in range(1, 7)}


def test_implicit_data_without_timestamps_hold_out_a_random_interaction(tmp_path: Path) -> None:
    lines = [line.rsplit(",", 2)[0] for line in block(range(1, 7), range(1, 6))]
    path = write(tmp_path / "c.csv", "user,item", *lines)
    dataset = load(data=path)
    assert dataset.split.description.startswith("leave-one-out")
    assert any(note.startswith("Without timestamps") for note in dataset.notes)
    assert sorted(dataset.split.test.user_id.to_pylist()) == list(range(1, 7))
    with pytest.raises(UsageError, match=r"needs timestamps\..*pass --split random"):
        load(data=path, split="leave-last-out")
    assert load(data=path, split="random").split.description == "random 80/10/10, seed 0"


def test_tables_come_with_notes_on_what_they_lack(tmp_path: Path, ratings: str) -> None:
    users = write(tmp_path / "u.csv", "user,age", "1,30", "2,40", "3,50", "4,60", "5,70")
    items = write(
        tmp_path / "i.csv", "item,title,year", *[f"{i},T{i},{1990 + i}" for i in range(9)]
    )
    data = load(data=ratings, users=users, items=items)
    assert data.users is not None
    assert data.users.columns["age"].values.to_pylist() == [30, 40, 50, 60, 70]
    assert "1 of 6 users in the interactions have no row in u.csv." in data.notes
    assert data.items is not None
    titles = item_titles(data.items)
    assert titles.to_pylist()[1] == {"id": 1, "title": "T1"}


def test_titles_of_text_ids_are_plain_text(tmp_path: Path) -> None:
    path = write_ratings(tmp_path / "r.csv", text_ids=True)
    items = write(tmp_path / "i.csv", "item_id,name", *[f"物{i},T{i}" for i in range(1, 41)])
    titles = item_titles(load(data=str(path), items=items).items)
    assert titles.to_pylist()[0] == {"id": "物1", "title": "T1"}


def test_no_titles_without_an_item_table_or_a_title_column(tmp_path: Path, ratings: str) -> None:
    items = write(tmp_path / "i.csv", "item,year", *[f"{i},{1990 + i}" for i in range(9)])
    assert item_titles(load(data=ratings).items) is None
    assert item_titles(load(data=ratings, items=items).items) is None


def test_given_parts_are_used_and_their_notes_are_not_repeated(tmp_path: Path) -> None:
    header = "user,item,rating,mood"
    rows = [f"{u},{i},{1 + (u + i) % 5},glad" for u in range(1, 7) for i in range(1, 6)]
    train = write(tmp_path / "train.csv", header, *rows)
    test_rows = [f"{u},{i},3,sad" for u in range(1, 4) for i in range(6, 10)]
    test = write(tmp_path / "test.csv", header, *test_rows, "1,6,4,sad")
    validation_rows = [f"{u},{i},{1 + i % 2},sad" for u in range(4, 7) for i in range(6, 10)]
    validation = write(tmp_path / "validation.csv", header, *validation_rows, validation_rows[0])
    data = load(data=train, test=test, validation=validation)
    assert data.split.description == "validation and test parts as given"
    assert pairs(data.split.validation) == {(u, i) for u in range(4, 7) for i in range(6, 10)}
    assert len(data.split.train) == 30
    assert len(data.split.test) == 12
    assert data.notes == (
        "Columns not used: mood.",
        "Task rating: the labels have 5 distinct values from 1 to 5.",
        "test.csv: 1 of 13 rows were dropped: their (user, item) pair occurs more than once; "
        "the last row in file order was kept. 1 of these pairs have rows with different labels.",
        "validation.csv: 1 of 13 rows were dropped: their (user, item) pair occurs more than once; "
        "the last row in file order was kept.",
    )


def test_test_part_alone_has_validation_cut_from_training(tmp_path: Path, ratings: str) -> None:
    test = write(tmp_path / "t.csv", "user,item,rating", *[f"{u},9,{u % 5}" for u in range(1, 13)])
    data = load(data=ratings, test=test)
    assert (len(data.split.train), len(data.split.validation), len(data.split.test)) == (27, 3, 12)
    assert data.split.description.startswith("test part as given; validation: random 10 %")


def test_test_part_with_ids_of_another_type_is_refused(tmp_path: Path, ratings: str) -> None:
    test = write(tmp_path / "t.csv", "user,item,rating", *[f"u{u},9,{u % 5}" for u in range(12)])
    with pytest.raises(DataError, match=r"t\.csv: .*row 1: the user id 'u0' is text"):
        load(data=ratings, test=test)


def test_candidates_are_read_in_the_ids_of_the_training_part(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", "user,item,timestamp", *_implicit(range(1, 6)))
    test = write(tmp_path / "test.csv", "user,item", *[f"{user},7" for user in range(1, 11)])
    lines = [f"{user},7,{8},{9}" for user in range(1, 11)]
    lists = write(tmp_path / "lists.csv", "user,item,n1,n2", *lines)
    data = load(data=train, test=test, test_candidates=lists)
    assert data.task is Task.IMPLICIT
    assert data.split.candidates is not None
    assert data.split.candidates.num_negatives == 2
    assert data.split.candidates.negative_ids.to_pylist()[:4] == [8, 9, 8, 9]
    assert pairs(data.split.validation) == {(user, 5) for user in range(1, 11)}


def _implicit(items: range) -> list[str]:
    return [f"{u},{i},{100 * u + i}" for u in range(1, 11) for i in items]


def test_fingerprint_follows_every_byte_of_every_file(tmp_path: Path, ratings: str) -> None:
    items = write_item_titles(tmp_path / "i.csv")
    before = load(data=ratings, items=str(items)).fingerprint
    assert load(data=ratings, items=str(items)).fingerprint == before
    assert load(data=ratings).fingerprint != before
    items.write_text(items.read_text().replace("Title 7,", "Title 8,"))
    assert load(data=ratings, items=str(items)).fingerprint != before


def test_fingerprint_follows_each_file_that_settings_can_name(tmp_path: Path) -> None:
    rows = {
        "data": ["user,item,timestamp", *_implicit(range(1, 6))],
        "users": ["user,age", *[f"{user},{20 + user}" for user in range(1, 11)]],
        "items": ["item,year", *[f"{item},{1990 + item}" for item in range(1, 10)]],
        "validation": ["user,item,timestamp", *_implicit(range(6, 7))],
        "test": ["user,item,timestamp", *_implicit(range(7, 8))],
        "test_candidates": ["user,item,n1,n2", *[f"{user},7,8,9" for user in range(1, 11)]],
    }
    files = {name: write(tmp_path / f"{name}.csv", *lines) for name, lines in rows.items()}
    seen = {load(**files).fingerprint}
    for name, path in files.items():
        Path(path).write_text(Path(path).read_text() + "\n")
        seen.add(load(**files).fingerprint)
        assert len(seen) == 2 + list(files).index(name), name


def test_fingerprint_of_a_directory_covers_its_files(tmp_path: Path, ratings: str) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    folder = tmp_path / "parts"
    folder.mkdir()
    table = pyarrow.csv.read_csv(ratings)
    pyarrow.parquet.write_table(table.slice(0, 15), folder / "a.parquet")
    pyarrow.parquet.write_table(table.slice(15), folder / "b.parquet")
    before = load(data=str(folder)).fingerprint
    pyarrow.parquet.write_table(table.slice(15, 14), folder / "b.parquet")
    assert load(data=str(folder)).fingerprint != before


def test_missing_label_and_positive_from_reach_the_data(tmp_path: Path) -> None:
    rows = [f"{u},{i},{(u + i) % 4},{u * 10 + i}" for u in range(1, 7) for i in range(1, 7)]
    path = write(tmp_path / "r.csv", "user,item,rating,timestamp", *rows)
    rated = load(data=path, missing_label=0)
    total = sum(len(getattr(rated.split, p)) for p in ("train", "validation", "test"))
    assert total == 36 - (3 + 5 + 1)  # without user + item of 4, 8 or 12
    liked = load(data=path, positive_from=3, split="random")
    total = sum(len(getattr(liked.split, p)) for p in ("train", "validation", "test"))
    assert total == 2 + 6 + 2  # user + item is 3, 7 or 11
    assert np.all(liked.split.train.label == 1)


@pytest.mark.parametrize("what", ["users", "items"])
def test_cold_split_without_a_table_is_noted(tmp_path: Path, what: str) -> None:
    path = str(write_ratings(tmp_path / "r.csv"))
    told = f"Without --{what}, all held-out {what} of a cold-{what} split get the same scores."
    assert any(told in note for note in load(data=path, split=f"cold-{what}").notes)
    assert not any("Without --" in note for note in load(data=path, split="random").notes)
    table = tmp_path / "table.csv"
    rows = "".join(f"{number},{number % 7}.5\n" for number in range(1, 61))
    table.write_text(f"{what[:-1]}_id,height\n{rows}")
    described = load(data=path, split=f"cold-{what}", **{what: str(table)})
    assert not any("Without --" in note for note in described.notes)


def test_generated_file_has_the_size_that_the_other_tests_expect(tmp_path: Path) -> None:
    data = load(data=str(write_ratings(tmp_path / "r.csv")))
    parts = (data.split.train, data.split.validation, data.split.test)
    assert sum(map(len, parts)) == NUM_ROWS
    assert len(set().union(*(p.item_id.to_pylist() for p in parts))) == NUM_ITEMS
