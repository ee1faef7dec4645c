import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from prepared import prepared

from recsearch.contract.mapped import as_tensor
from recsearch.data.interactions import Encoded
from recsearch.data.task import Task
from recsearch.nn import Pairs
from recsearch.pipeline import Pipeline


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


@pytest.mark.parametrize("length", [5, 5_000_000])
def test_file_that_has_been_replaced_is_read_anew(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.npy"
    for value in (1.0, 2.0):
        path.unlink(missing_ok=True)
        np.save(path, np.full(length, value))
        assert as_tensor(np.load(path, mmap_mode="r"))[-1].numpy() == value


def own_memory() -> int:
    """Bytes of this process that no file stands behind."""
    (line,) = re.findall(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(line)


def train_on(train: Encoded, rows: list[int]) -> float:
    """Returns the sum of the labels of these rows, as an epoch reads them."""
    data = replace(prepared(Task.RATING), train=train)
    training = Pipeline(data).training(Pairs(), batch_size=2, seed=0)
    total = tf.Variable(0.0)

    @tf.function(autograph=False)
    def epoch(order: tf.Tensor) -> None:
        training.for_each_batch(
            order, tf.constant(0), lambda batch: total.assign_add(tf.reduce_sum(batch.target))
        )

    epoch(tf.constant(rows, tf.int64))
    return float(total)


def test_epoch_reads_mapped_arrays_without_a_copy(tmp_path: Path) -> None:
    fields = {"user": np.int32, "item": np.int32, "label": np.float32}
    for name, kind in fields.items():
        np.save(tmp_path / f"{name}.npy", np.ones(16_000_000, kind))  # 64 MB
    mapped = Encoded(*(np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in fields))
    train_on(prepared(Task.RATING).train, [0, 1, 2])  # what TensorFlow needs at all
    before = own_memory()
    assert train_on(mapped, [0, 15_999_999, 7]) == 3.0
    assert own_memory() - before < 32e6
