"""Files that are not a table of interactions: error messages with the code to convert them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

WIDE = 5  # other columns that a user x item matrix has at least
MAX_COLUMNS = 10_000

_SAVE = '.to_parquet("data.parquet", index=False)'
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (.xls)", "pd.read_excel({path})" + _SAVE),
    (b"SQLite format 3\0", "an SQLite database",
     'pd.read_sql("SELECT * FROM ratings", sqlite3.connect({path}))' + _SAVE),
    (b"\x93NUMPY", "a NumPy array", "pd.DataFrame(np.load({path}))" + _SAVE),
    (b"\x89HDF", "an HDF5 file", "pd.read_hdf({path})" + _SAVE),
    (b"ORC", "an ORC file", "pd.read_orc({path})" + _SAVE),
    (b"ARROW1", "a Feather file", "pd.read_feather({path})" + _SAVE),
    (b"FEA1", "a Feather file", "pd.read_feather({path})" + _SAVE),
    (b"\xfd7zXZ", "an xz file", "pd.read_csv({path})" + _SAVE),
    (b"Obj\x01", "an Avro file", ""),
    (b"7z\xbc\xaf", "a 7z archive", ""),
    (b"Rar!", "a RAR archive", ""),
    (b"%PDF", "a PDF document", ""),
    (b"\x89PNG", "an image", ""),
    (b"\xff\xd8\xff", "an image", ""),
    (b"GIF8", "an image", ""),
    (b"\x7fELF", "a program", ""),
)  # fmt: skip
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_HTML = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body|table)\b", re.IGNORECASE)
_XML = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<\?xml\b")


def foreign_fault(path: Path, head: bytes, entries: Sequence[str] = ()) -> str | None:
    """Returns the message for a file of another kind, with its conversion, or None for text.

    Args:
        path: The file, for the pandas code.
        head: Its first bytes.
        entries: Names of its entries, if it is a zip file.
    """
    for magic, kind, line in _SIGNATURES:
        if head.startswith(magic):
            return _refusal(path, kind, line)
    if "xl/workbook.xml" in entries or (entries and path.suffix.lower() in (".xlsx", ".ods")):
        return _refusal(path, "an Excel workbook", "pd.read_excel({path})" + _SAVE)
    if any(entry.endswith(".npy") for entry in entries):
        return _refusal(path, "a NumPy archive (.npz)", "")
    if _PICKLE.match(head):
        line = "pd.read_pickle({path})" + _SAVE
        return _refusal(path, "a pickle, which can run code when it is loaded", line)
    if _HTML.match(head):
        return _refusal(path, "an HTML page", "pd.read_html({path})[0]" + _SAVE)
    if _XML.match(head):
        return _refusal(path, "an XML document", "pd.read_xml({path})" + _SAVE)
    if head[257:262] == b"ustar":
        return _refusal(path, "a tar archive", "")
    return None


def wide_fault(path: Path, table: pa.Table, found: Mapping[str, str]) -> str | None:
    """Returns the message for a table with one row per user, or None for another table.

    Args:
        path: The file, for the pandas code.
        table: As in the file.
        found: Role -> column, for the roles that were found.
    """
    if "item" in found or ("user" in found and found["user"] != table.column_names[0]):
        return None
    user = found.get("user", table.column_names[0])
    rest = [field for field in table.schema if field.name not in found.values()]
    rest = [field for field in rest if field.name != user]
    if len(rest) < WIDE:
        return None
    kinds = [field.type for field in rest]
    if all(_is_number(kind) for kind in kinds) and _named_alike(table.column_names):
        melt = f"{_read(path)}{_melt(user)}.dropna(){_SAVE}"
        return f"This looks like a user x item matrix ({len(rest)} columns of numbers). {_to(melt)}"
    if "user" in found and len(set(kinds)) == 1 and _named_alike([f.name for f in rest]):
        melt = f"{_read(path)}{_melt(user, 'place', 'item')}.dropna(){_SAVE}"
        return f"This looks like a wide table with one row per user. {_to(melt)}"
    return None


def matrix_hint(path: Path, count: int) -> str:
    """Returns the message for a file without a header that has many columns of numbers."""
    read = f"pd.read_csv({str(path)!r}, header=None, sep=None, engine='python')"
    melt = f"{read}.rename_axis('user').reset_index(){_melt('user')}{_SAVE}"
    return f"This looks like a user x item matrix ({count} columns). {_to(melt)}"


def columns_fault(path: Path, count: int) -> str:
    """Returns the message for a table with too many columns."""
    melt = f"{_read(path)}{_melt('user')}.dropna(){_SAVE}"
    return (
        f"The table has {count:,} columns. At most {MAX_COLUMNS:,} can be read. "
        f"This looks like a user x item matrix. {_to(melt)}"
    )


def _refusal(path: Path, kind: str, line: str) -> str:
    message = f"This is {kind}, not a table of text or Parquet."
    return f"{message} {_to(line.format(path=repr(str(path))))}" if line else (
        f"{message} Expected CSV, TSV, JSON lines or Parquet; export it as one of them."
    )  # fmt: skip


def _to(line: str) -> str:
    return f"Expected one row per interaction. Convert it with pandas: {line}"


def _read(path: Path) -> str:
    reader = "read_parquet" if path.suffix in (".parquet", ".pq") else "read_csv"
    return f"pd.{reader}({str(path)!r})"


def _melt(user: str, names: str = "item", values: str = "rating") -> str:
    return f".melt({user!r}, var_name={names!r}, value_name={values!r})"


def _named_alike(names: Sequence[str]) -> bool:
    """Returns whether the names are a series: numbers, or one word with a number."""
    stems = [re.sub(r"\W*_*\d+$", "", name) for name in names[1:]]
    numbered = sum(stem != name for stem, name in zip(stems, names[1:], strict=True))
    return numbered == len(stems) and len(set(stems)) == 1


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))
