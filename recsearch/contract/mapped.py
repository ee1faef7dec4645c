"""Arrays of a run as tensors, without a copy of arrays that are mapped from disk."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


def as_tensor(array: NDArray[Any]) -> tf.Tensor:
    """Returns an array as a tensor of its shape and type.

    An array that `numpy.load` has mapped from a .npy file stays mapped: all processes share its
    pages, and it may be larger than memory. `tf.constant` would copy it, as happens here to parts
    of a mapped array and to arrays in memory. The file must not change meanwhile.

    Args:
        array: Of numbers.
    """
    if not isinstance(array, np.memmap) or array.filename is None:
        return tf.constant(array)
    file = Path(array.filename)
    if not array.flags.c_contiguous or array.offset + array.nbytes != file.stat().st_size:
        return tf.constant(array)  # a slice, which has the name and the offset of the whole
    # DLPack accepts only writable memory: this mapping is writable, but changes stay in memory.
    private = np.memmap(file, array.dtype, "c", array.offset, array.shape)
    return tf.experimental.dlpack.from_dlpack(private.__dlpack__())
