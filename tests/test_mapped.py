from pathlib import Path

import numpy as np
import pytest

from recsearch.pipeline.mapped import as_tensor


@pytest.mark.parametrize(
    "array",
    [
        np.arange(7, dtype=np.int32),
        np.linspace(0, 1, 5, dtype=np.float32),
        np.arange(12, dtype=np.int64).reshape(3, 4),
        np.zeros((0, 3), np.float32),
        np.ones((1_500, 1_000), np.int64),
    ],
    ids=["ids", "labels", "matrix", "empty", "large"],
)
@pytest.mark.parametrize("mmap_mode", ["r", None])
def test_tensor_equals_the_array(tmp_path: Path, array: np.ndarray, mmap_mode) -> None:
    np.save(tmp_path / "a.npy", array)
    tensor = as_tensor(np.load(tmp_path / "a.npy", mmap_mode=mmap_mode))
    assert tensor.dtype.as_numpy_dtype == array.dtype
    np.testing.assert_array_equal(tensor.numpy(), array)


def test_large_mapped_array_is_read_from_its_file_and_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(5_000_000, dtype=np.float32))
    tensor = as_tensor(np.load(tmp_path / "a.npy", mmap_mode="r"))
    # Only a tensor that shares the pages of the file can know of this.
    np.load(tmp_path / "a.npy", mmap_mode="r+")[70_000] = -1.0
    assert tensor[70_000].numpy() == -1.0


def test_tensor_outlives_the_array_and_the_name_of_the_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(5))
    tensor = as_tensor(np.load(tmp_path / "a.npy", mmap_mode="r"))
    (tmp_path / "a.npy").unlink()
    assert tensor.numpy().tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("part", [np.s_[3:], np.s_[:3], np.s_[::-1], np.s_[::2]])
def test_part_of_a_mapped_array_is_that_part(tmp_path: Path, part: slice) -> None:
    np.save(tmp_path / "a.npy", np.arange(9))
    array = np.load(tmp_path / "a.npy", mmap_mode="r")[part]
    np.testing.assert_array_equal(as_tensor(array).numpy(), array)
