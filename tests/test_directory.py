import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from small_run import write_item_titles, write_ratings

from recsearch.config.run_config import RunConfig, make_config
from recsearch.data.preparation import PreparedData, Vocabularies
from recsearch.data.store import open_prepared, read_vocabularies
from recsearch.errors import UsageError
from recsearch.workflow.dataset import Dataset, load_dataset
from recsearch.workflow.directory import absolute_paths, new_directory, prepare_search, write_data


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("directory")
    files = {
        "data": str(write_ratings(folder / "r.csv")),
        "items": str(write_item_titles(folder / "i.csv")),
    }
    return load_dataset(make_config(files))


def stored_pairs(data: PreparedData, ids: Vocabularies, part: str) -> set[tuple[int, int]]:
    """Returns the raw (user, item) of one part; an unknown id is None."""
    encoded = getattr(data, part)
    users = ids.users.decode(np.asarray(encoded.user)).to_pylist()
    items = ids.items.decode(np.asarray(encoded.item)).to_pylist()
    return set(zip(users, items, strict=True))


def raw_pairs(dataset: Dataset, *parts: str) -> set[tuple[int, int]]:
    chosen = [getattr(dataset.split, name) for name in parts]
    return {
        pair
        for part in chosen
        for pair in zip(part.user_id.to_pylist(), part.item_id.to_pylist(), strict=True)
    }


def test_search_data_hold_no_row_of_the_test_part(tmp_path: Path, dataset: Dataset) -> None:
    write_data(tmp_path, dataset, prepare_search(dataset))
    folder = tmp_path / "data" / "search"
    data, ids = open_prepared(folder), read_vocabularies(folder)
    train, holdout = (stored_pairs(data, ids, part) for part in ("train", "holdout"))
    assert train == raw_pairs(dataset, "train")
    assert holdout == raw_pairs(dataset, "validation")
    assert len(train) == 720
    assert len(raw_pairs(dataset, "test")) == 90
    assert not (train | holdout) & raw_pairs(dataset, "test")
    assert len(data.seen.items) == 720
    names = sorted(path.stem.partition(".")[0] for path in folder.iterdir())
    assert set(names) == {"feature", "holdout", "items", "order", "seen", "spec", "train", "users"}


def test_final_data_train_on_all_but_the_test_part(tmp_path: Path, dataset: Dataset) -> None:
    write_data(tmp_path, dataset, prepare_search(dataset))
    folder = tmp_path / "data" / "final"
    data, ids = open_prepared(folder), read_vocabularies(folder)
    assert stored_pairs(data, ids, "train") == raw_pairs(dataset, "train", "validation")
    assert stored_pairs(data, ids, "holdout") == raw_pairs(dataset, "test")
    titles = pq.read_table(tmp_path / "data" / "titles.parquet")
    assert titles.num_rows == 40
    assert titles.column_names == ["id", "title"]


def test_validation_is_ranked_in_drawn_lists_where_the_test_part_has_given_ones(
    tmp_path: Path,
) -> None:
    pairs = [(user, item) for user in range(1, 9) for item in range(user, user + 5)]
    train = "".join(f"{user},{item},{1 + item % 5},{item}\n" for user, item in pairs)
    (tmp_path / "train.csv").write_text("user_id,item_id,rating,timestamp\n" + train)
    (tmp_path / "test.csv").write_text("user_id,item_id,rating\n1,9,4\n2,9,5\n")
    (tmp_path / "lists.csv").write_text("user_id,item_id,a,b\n1,9,10,11\n2,9,11,12\n")
    files = {"data": "train.csv", "test": "test.csv", "test_candidates": "lists.csv"}
    settings = {name: str(tmp_path / file) for name, file in files.items()}
    for task, are_drawn in (("implicit", True), ("rating", False)):
        made = load_dataset(make_config({**settings, "task": task, "seed": 4}))
        folder = tmp_path / task
        folder.mkdir()
        write_data(folder, made, prepare_search(made))
        search, final = (open_prepared(folder / "data" / name) for name in ("search", "final"))
        assert final.candidates is not None
        assert final.candidates.description == "given lists of one positive among 2 negatives"
        assert (search.candidates is not None) == are_drawn
    search = open_prepared(tmp_path / "implicit" / "data" / "search")
    assert search.candidates is not None
    assert search.candidates.item.shape == (8, 3)  # each user's last training interaction
    assert "2 negatives, drawn with seed 4 from" in search.candidates.description


def test_data_are_written_over_what_a_killed_process_left(tmp_path: Path, dataset: Dataset) -> None:
    left = tmp_path / "data.partial" / "search"
    left.mkdir(parents=True)
    (left / "spec.json").write_text("{")
    write_data(tmp_path, dataset, prepare_search(dataset))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert open_prepared(tmp_path / "data" / "search").spec.num_interactions == 720


def test_data_without_titles_have_no_table_of_them(tmp_path: Path) -> None:
    plain = load_dataset(make_config({"data": str(write_ratings(tmp_path / "r.csv"))}))
    write_data(tmp_path, plain, prepare_search(plain))
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"search", "final"}


def test_out_that_does_not_exist_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert new_directory(RunConfig(out=str(path))) == path
    assert path.is_dir()


def test_out_that_is_empty_is_taken(tmp_path: Path) -> None:
    assert new_directory(RunConfig(out=str(tmp_path))) == tmp_path


def test_out_of_a_run_that_was_killed_at_its_very_start_is_taken(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / ".run.json.123.partial").touch()
    assert new_directory(RunConfig(out=str(tmp_path))) == tmp_path


def test_out_that_holds_something_is_refused_with_the_way_to_resume(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = (
        rf"{re.escape(str(tmp_path))} exists and is not empty; recsearch never overwrites a run\. "
        rf"Continue it with `recsearch resume {re.escape(str(tmp_path))}`"
    )
    with pytest.raises(UsageError, match=message):
        new_directory(RunConfig(out=str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_out_that_cannot_be_a_directory_is_refused(tmp_path: Path, out: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot be created: .*Pass another --out\."):
        new_directory(RunConfig(out=str(tmp_path / out)))


def test_directory_without_out_is_named_after_time_and_spaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = RunConfig(spaces=("neumf", "./my spaces/mine.py:build"))
    names = [new_directory(config).name for _ in range(3)]
    assert all(re.fullmatch(r"\d{8}-\d{6}-neumf-mine(-\d+)?", name) for name in names)
    assert len(set(names)) == 3
    assert {path.name for path in (tmp_path / "runs").iterdir()} == set(names)


def test_directories_of_one_second_get_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [new_directory(RunConfig(spaces=("neumf",))).name for _ in range(20)]
    assert any(name.endswith("-neumf-2") for name in names)


def test_absolute_paths_hold_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = RunConfig(
        spaces=("neumf", "mine.py:make", "./sub/other.py", "package.module:build"),
        data="r.csv",
        items="../i.csv",
        out="runs/x",
    )
    found = absolute_paths(config)
    assert found.spaces == (
        "neumf",
        f"{tmp_path}/mine.py:make",
        f"{tmp_path}/sub/other.py",
        "package.module:build",
    )
    assert found.data == f"{tmp_path}/r.csv"
    assert found.items == f"{tmp_path.parent}/i.csv"
    assert (found.users, found.out) == (None, "runs/x")


def test_configurations_in_files_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = absolute_paths(RunConfig(enqueue=("best/hyperparameters.json", "dim=8,rate=0.1")))
    assert found.enqueue == (f"{tmp_path}/best/hyperparameters.json", "dim=8,rate=0.1")
