"""Delimited text, plain or gzipped, into Arrow tables: CSV, TSV, MovieLens, RecBole's files."""

import csv
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from recsearch.data.parsing import infer_type
from recsearch.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
HEAD_BYTES = 1 << 20
DELIMITERS = ("::", "\t", ",", ";", "|")  # of two that occur equally often, the earlier one
ATOMIC_SUFFIXES = (".inter", ".item", ".user")
RATING_COLUMNS = ("user", "item", "rating", "timestamp")

GENRE_FLAGS = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance"),
    *("Sci-Fi", "Thriller", "War", "Western"),
)
MOVIELENS = {
    "u.data": ("\t", RATING_COLUMNS),
    "u.user": ("|", ("user_id", "age", "gender", "occupation", "zip_code")),
    "u.item": (
        "|",
        ("item_id", "title", "release_date", "video_release_date", "imdb_url", *GENRE_FLAGS),
    ),
    "ratings.dat": ("::", RATING_COLUMNS),
    "users.dat": ("::", ("user_id", "gender", "age", "occupation", "zip_code")),
    "movies.dat": ("::", ("item_id", "title", "genres")),
}
"""Files without a header, as the READMEs of MovieLens-100K and -1M tell: delimiter, columns."""


@dataclass(frozen=True)
class Layout:
    """How a text file is laid out.

    Attributes:
        delimiter: What stands between two cells.
        columns: Column names, in file order.
        skipped_lines: Lines before the first row of data.
        quoted: Whether cells may be quoted; then they may hold delimiters and line breaks.
        escaped: Whether a backslash takes away the meaning of the character after it.
        encoding: Of the text.
        notes: What was assumed.
    """

    delimiter: str
    columns: tuple[str, ...]
    skipped_lines: int = 1
    quoted: bool = True
    escaped: bool = False
    encoding: str = "utf-8"
    notes: tuple[str, ...] = ()


def read_delimited(path: Path) -> tuple[pa.Table, tuple[str, ...]]:
    """Reads a delimited text file; each column becomes int64, float64, bool or string.

    Args:
        path: An existing file.

    Returns:
        The table, and notes on what was assumed of the file.

    Raises:
        DataError: If the file is empty, not text, or its rows differ in length.
    """
    head = _read_head(path)
    layout = detect_layout(path, head)
    if len(head.splitlines()) <= layout.skipped_lines:  # Arrow refuses to skip all there is
        raise DataError(str(path), [_no_rows(layout)])
    try:
        table, layout = _read_text(path, layout)
    except (pa.ArrowInvalid, OSError, UnicodeError) as error:
        raise DataError(str(path), [f"Cannot be read as delimited text: {error}."]) from None
    if not table.num_rows:
        raise DataError(str(path), [_no_rows(layout)])
    if _ends_within_quotes(path, layout, table):
        raise DataError(
            str(path),
            [
                f"Row {table.num_rows} of the data has a quoted cell that is never closed. "
                "Expected quotes in pairs; close it, or double a quote that belongs to the text."
            ],
        )
    return _typed(table), layout.notes


def _typed(table: pa.Table) -> pa.Table:
    """Returns the table of text with each column in its type."""
    names, columns = table.column_names, []
    for name in names:
        columns.append(infer_type(table[name]))
        table = table.drop_columns([name])  # not all the text is held until all is converted
    return pa.table(columns, names=names)


def detect_layout(path: Path, head: bytes) -> Layout:
    """Returns the layout that the file's name and first line tell.

    Args:
        path: The file; `u.data` and `ratings.dat` tell their columns by their names.
        head: The first bytes of the text, with at least one line.

    Raises:
        DataError: If columns are named twice, or a file without a header has too many to be named.
    """
    lines = head.splitlines()
    first = next(number for number, line in enumerate(lines) if line.strip())
    line = _decode(lines[first])
    name = path.name.removesuffix(".gz")
    delimiter, columns = MOVIELENS.get(name.lower(), ("", ()))
    if delimiter and len(line.split(delimiter)) == len(columns):
        return Layout(delimiter, columns, first, quoted=False)
    delimiter = _detect_delimiter(line)
    quoted = delimiter != "::" and Path(name).suffix not in ATOMIC_SUFFIXES
    cells = next(csv.reader([line], delimiter=delimiter)) if quoted else line.split(delimiter)
    cells = [cell.strip() for cell in cells]
    if cells and all(_is_number(cell) for cell in cells):
        columns = _name_columns(path, len(cells))
        note = f"{path.name} has no header line; its columns were taken as {', '.join(columns)}."
        return Layout(delimiter, columns, first, quoted, notes=(note,))
    repeated = sorted({cell for cell in cells if cell and cells.count(cell) > 1})
    if repeated:
        raise DataError(str(path), [_named_twice(repeated)])
    columns = tuple(cell or f"column_{number}" for number, cell in enumerate(cells, start=1))
    return Layout(delimiter, columns, first + 1, quoted)


def _no_rows(layout: Layout) -> str:
    columns = ", ".join(layout.columns)
    return f"Has a header (columns: {columns}) but no row of data. Expected rows below the header."


def _read_head(path: Path) -> bytes:
    try:
        with _open(path) as stream:
            head: bytes = stream.read(HEAD_BYTES)
    except OSError as error:
        raise DataError(str(path), [f"Cannot be read: {error}."]) from None
    if not head.strip():
        raise DataError(str(path), ["The file is empty. Expected a header line and rows of data."])
    if b"\0" in head:
        raise DataError(
            str(path),
            [
                "The file is not UTF-8 or Latin-1 text. "
                "Expected CSV, TSV or Parquet; export it as one of them."
            ],
        )
    return head


def _open(path: Path) -> pa.NativeFile:
    with path.open("rb") as file:
        gzipped = file.read(2) == GZIP_MAGIC
    return pa.input_stream(str(path), compression="gzip" if gzipped else None)


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _detect_delimiter(line: str) -> str:
    unquoted = re.sub(r'"[^"]*"', "", line)
    counts = {delimiter: unquoted.count(delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: counts[delimiter])
    if counts[best]:
        return best
    numbers = line.split(" ")
    # "1 2" is a pair of ids; "user id" is one column's name.
    return " " if len(numbers) > 1 and all(map(_is_number, numbers)) else ","


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", cell) is not None


def _named_twice(repeated: list[str]) -> str:
    message = (
        f"Columns are named twice: {', '.join(repeated)}. Expected a header of distinct names."
    )
    if any(_is_number(cell) for cell in repeated):
        message += " The first line looks like data: the file may lack a header line."
    return message


def _name_columns(path: Path, count: int) -> tuple[str, ...]:
    if count not in (2, 3, 4):
        raise DataError(
            str(path),
            [
                f"No header line found, and {count} columns. Expected a header line, or the 2 to 4 "
                "columns user, item, rating, timestamp. Add a header line."
            ],
        )
    return RATING_COLUMNS[:count]


def _read_text(path: Path, layout: Layout) -> tuple[pa.Table, Layout]:
    """Reads all cells as text; falls back to Latin-1 and to backslash escapes where needed."""
    try:
        return _parse(path, layout), layout
    except (pa.ArrowInvalid, UnicodeError) as error:
        message = str(error)
        if "UTF8" in message and layout.encoding == "utf-8":
            note = f"{path.name} is not UTF-8; it was read as Latin-1."
            latin = replace(layout, encoding="latin-1", notes=(*layout.notes, note))
            return _read_text(path, latin)
        if "columns, got" not in message:
            raise
        if layout.quoted and not layout.escaped:
            try:
                return _read_text(path, replace(layout, escaped=True))
            except DataError:
                pass  # then escapes were not the reason: told below of the file as it is
        raise DataError(str(path), [_uneven_rows(path, layout)]) from None


def _parse(path: Path, layout: Layout, rejected: list[pa.csv.InvalidRow] | None = None) -> pa.Table:
    def keep(row: pa.csv.InvalidRow) -> str:
        if rejected is not None:
            rejected.append(row)
        return "error" if rejected is None else "skip"

    read = pa.csv.ReadOptions(
        column_names=list(layout.columns),
        skip_rows=layout.skipped_lines,
        encoding=layout.encoding,
        use_threads=rejected is None,  # rows are numbered only when they are read in order
    )
    parse = pa.csv.ParseOptions(
        delimiter="\t" if layout.delimiter == "::" else layout.delimiter,
        quote_char='"' if layout.quoted else False,
        escape_char="\\" if layout.escaped else False,
        newlines_in_values=layout.quoted,
        invalid_row_handler=keep,
    )
    convert = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(layout.columns, pa.string()),
        strings_can_be_null=False,
    )
    with _open(path) as stream:
        source = stream
        if layout.delimiter == "::":  # Arrow's delimiters are one character long
            source = pa.BufferReader(stream.read().replace(b"::", b"\t"))
        return pa.csv.read_csv(source, read, parse, convert)


def _ends_within_quotes(path: Path, layout: Layout, table: pa.Table) -> bool:
    """Returns whether an unclosed quote swallowed the rest of the file, which Arrow accepts."""
    last_row = table.slice(table.num_rows - 1).to_pylist()[0]
    if layout.escaped or not any("\n" in cell for cell in last_row.values()):
        return False
    with _open(path) as stream:
        return bool(stream.read().count(b'"') % 2)


def _uneven_rows(path: Path, layout: Layout) -> str:
    rejected: list[pa.csv.InvalidRow] = []
    _parse(path, layout, rejected)
    row = rejected[0]
    number = row.number - layout.skipped_lines
    return (
        f"Row {number} of the data has {row.actual_columns} cells, but the first line has "
        f"{row.expected_columns} ({', '.join(layout.columns)}): '{row.text[:80]}'. "
        f"{len(rejected)} such rows in all. Expected as many cells in each row, separated by "
        f"{layout.delimiter!r}; quote cells that hold it."
    )
