"""JSON lines, and a JSON array of objects, into Arrow tables."""

import json
import re

import pyarrow as pa
import pyarrow.json

from recsearch.data.contents import Content
from recsearch.errors import DataError

MAX_ARRAY_BYTES = 1 << 28  # an array is parsed as a whole
_ARRAY = re.compile(rb"\s*(\xef\xbb\xbf)?\s*\[\s*[\[{\]\"\d-]")
_OBJECT = re.compile(rb'\s*(\xef\xbb\xbf)?\s*\{\s*["}]')
_SHAPE = "Expected JSON lines, one object per interaction, or an array of objects."


def looks_like_json(head: bytes) -> bool:
    """Returns whether a text starts like a JSON object or array; no header of a table does."""
    return _ARRAY.match(head) is not None or _OBJECT.match(head) is not None


def read_json(content: Content) -> pa.Table:
    """Returns the objects as rows.

    Raises:
        DataError: If the file is another kind of JSON, or damaged.
    """
    if _ARRAY.match(content.head):
        return _read_array(content)
    first, *others = content.head.lstrip().split(b"\n", 1)
    if not others or not others[0].strip() or not first.rstrip().endswith(b"}"):
        name = repr(str(content.path))
        raise DataError(
            str(content.path),
            [
                f"This looks like one JSON object, not a table. {_SHAPE} If its keys are ids, "
                f'convert it with pandas: pd.Series(json.load(open({name}))).rename("item")'
                '.explode().rename_axis("user").reset_index().to_parquet("data.parquet")'
            ],
        )
    try:
        with content.open() as stream:
            return pa.json.read_json(stream)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        reason = str(error).splitlines()[0][:200]
        raise DataError(
            str(content.path), [f"Cannot be read as JSON lines: {reason}. {_SHAPE}"]
        ) from None


def _read_array(content: Content) -> pa.Table:
    text = b""
    with content.open() as stream:
        text = stream.read(MAX_ARRAY_BYTES + 1)
    if len(text) > MAX_ARRAY_BYTES:
        raise DataError(
            str(content.path),
            [f"The JSON array has more than {MAX_ARRAY_BYTES:,} bytes. Expected JSON lines."],
        )
    try:
        rows = json.loads(text)
        if not rows or not all(isinstance(row, dict) for row in rows):
            raise ValueError("not all elements are objects")
        names = dict.fromkeys(name for row in rows for name in row)
        return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
    except (ValueError, RecursionError, TypeError, OverflowError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0][:200]
        raise DataError(
            str(content.path), [f"Cannot be read as a JSON array: {reason}. {_SHAPE}"]
        ) from None
