"""Arrays of a run as tensors, without a copy of what is mapped from disk."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


def as_tensor(array: NDArray[Any]) -> tf.Tensor:
    """Returns an array as a tensor of its shape and type.

    An array that `numpy.load` has mapped from a .npy file stays mapped: all processes share its
    pages, and it may be larger than memory. `tf.constant` would copy it, as happens here to what is
    small (10 MB), to parts of a mapped array and to arrays in memory. The file must keep its
    content meanwhile.

    Args:
        array: Of numbers.
    """
    if not (isinstance(array, np.memmap) and _is_whole_file(array)):
        return tf.constant(array)
    # The operation maps a file from its first byte. The header of a .npy file is a multiple of 64
    # bytes long, so that it counts in elements, and the rest is aligned as kernels wish.
    header = array.offset // array.itemsize
    content = tf.raw_ops.ImmutableConst(
        dtype=tf.as_dtype(array.dtype),
        shape=[header + array.size],
        memory_region_name=str(array.filename),
    )
    return tf.reshape(content[header:], array.shape)


def _is_whole_file(array: np.memmap) -> bool:
    """Returns whether this is all that the file holds; a slice has the file name and offset too."""
    file = Path(str(array.filename))
    return array.flags.c_contiguous and array.offset + array.nbytes == file.stat().st_size
