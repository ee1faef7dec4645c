"""Delimited text, plain or compressed, into Arrow tables: CSV, TSV, MovieLens, RecBole's files."""

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from recsearch.data.columns import list_names
from recsearch.data.contents import Content
from recsearch.data.headerless import Expected
from recsearch.data.layouts import BLANKS, Layout, detect_layout
from recsearch.data.parsing import infer_type
from recsearch.errors import DataError

DECIMAL_COMMA = r"^\s*[+-]?\d+,\d+\s*$"
DECIMAL_OR_WHOLE = r"^\s*([+-]?\d+(,\d+)?)?\s*$"


def read_delimited(content: Content, expected: Expected) -> tuple[pa.Table, tuple[str, ...]]:
    """Reads a delimited text, with all cells as text; `typed` converts them.

    Args:
        content: The text.
        expected: What is known about the file.

    Returns:
        The table of strings, and notes about assumptions on the file.

    Raises:
        DataError: If there is no row of data, or rows differ in length.
    """
    path = content.path
    layout = detect_layout(content, expected)
    num_lines = len(content.head.splitlines())
    if content.is_whole and num_lines <= layout.skipped_lines:  # Arrow refuses to skip everything
        raise DataError(str(path), [_no_rows(layout)])
    try:
        table, layout = _read_text(content, layout)
    except (pa.ArrowInvalid, OSError, UnicodeError) as error:
        reason = f"Cannot be read as delimited text: {error}."
        if "straddling" in str(error):
            reason = (
                "A row has more than 1,048,576 bytes. Expected a table with one line per row; "
                "check for a quote that is never closed."
            )
        raise DataError(str(path), [reason]) from None
    if not table.num_rows:
        raise DataError(str(path), [_no_rows(layout)])
    if _ends_within_quotes(content, layout, table):
        raise DataError(
            str(path),
            [
                f"Row {table.num_rows} of the data has a quoted cell that is never closed. "
                "Expected quotes in pairs; close the cell, or double a quote that is part of "
                "the text."
            ],
        )
    table, notes = _decimal_points(path, table, layout)
    return _without_empty_end(content, layout, table), (*layout.notes, *notes)


def typed(table: pa.Table) -> pa.Table:
    """Returns a table of text with each column converted to int64, float64, bool or string."""
    names, columns = table.column_names, []
    for name in names:
        columns.append(infer_type(table[name]))
        table = table.drop_columns([name])  # frees the text of a column as soon as it is converted
    return pa.table(columns, names=names)


def _no_rows(layout: Layout) -> str:
    columns = list_names(layout.columns)
    return f"Has a header (columns: {columns}) but no row of data. Expected rows below the header."


def _read_text(content: Content, layout: Layout) -> tuple[pa.Table, Layout]:
    """Reads all cells as text; falls back to Latin-1 and to backslash escapes where needed."""
    try:
        return _parse(content, layout), layout
    except (pa.ArrowInvalid, UnicodeError) as error:
        message = str(error)
        if "UTF8" in message and layout.encoding == "utf-8":
            note = f"{content.path.name} is not UTF-8; it was read as Latin-1."
            latin = replace(layout, encoding="latin-1", notes=(*layout.notes, note))
            return _read_text(content, latin)
        if "columns, got" not in message:
            raise
        if layout.quoted and not layout.escaped:
            try:
                return _read_text(content, replace(layout, escaped=True))
            except DataError:
                pass  # then escapes were not the reason; the original error is reported below
        raise DataError(str(content.path), [_uneven_rows(content, layout)]) from None


def _parse(
    content: Content, layout: Layout, rejected: list[pa.csv.InvalidRow] | None = None
) -> pa.Table:
    """Reads the rows; with `rejected`, rows of another length are added to it.

    Arrow calls the handler of these rows in its parsing thread, which must be this thread: a Python
    function in one of Arrow's own threads crashes a process that ends at this moment.
    """

    def keep(row: pa.csv.InvalidRow) -> str:
        uneven.append(row)
        return "skip"

    uneven = [] if rejected is None else rejected
    read = pa.csv.ReadOptions(
        column_names=list(layout.columns),
        skip_rows=layout.skipped_lines,
        use_threads=rejected is None,
    )
    parse = pa.csv.ParseOptions(
        delimiter="\t" if layout.delimiter in ("::", BLANKS) else layout.delimiter,
        quote_char='"' if layout.quoted else False,
        escape_char="\\" if layout.escaped else False,
        newlines_in_values=layout.quoted,
        invalid_row_handler=None if rejected is None else keep,
    )
    convert = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(layout.columns, pa.string()),
        strings_can_be_null=False,
    )
    with content.open(layout.encoding) as stream:
        return pa.csv.read_csv(_one_delimiter(stream, layout.delimiter), read, parse, convert)


def _one_delimiter(stream: pa.NativeFile, delimiter: str) -> pa.NativeFile:
    """Returns the stream with tabs in place of a longer delimiter, which Arrow does not support."""
    if delimiter == "::":
        return pa.BufferReader(stream.read().replace(b"::", b"\t"))
    if delimiter == BLANKS:
        trimmed = re.sub(rb"(?m)^[ \t]+|[ \t\r]+$", b"", stream.read())
        return pa.BufferReader(re.sub(rb"[ \t]+", b"\t", trimmed))
    return stream


def _ends_within_quotes(content: Content, layout: Layout, table: pa.Table) -> bool:
    """Returns whether an unclosed quote swallowed the rest of the file, which Arrow accepts."""
    last_row = table.slice(table.num_rows - 1).to_pylist()[0]
    if layout.escaped or not any("\n" in cell for cell in last_row.values()):
        return False
    return bool(content.read().count(b'"') % 2)


def _uneven_rows(content: Content, layout: Layout) -> str:
    rejected: list[pa.csv.InvalidRow] = []
    _parse(content, layout, rejected)
    row = rejected[0]
    number = row.number - layout.skipped_lines
    delimiter = "blanks" if layout.delimiter == BLANKS else repr(layout.delimiter)
    return (
        f"Row {number} of the data has {row.actual_columns} cells, but the first line has "
        f"{row.expected_columns} ({list_names(layout.columns)}): '{row.text[:80]}'. "
        f"{len(rejected)} such rows in total. Expected the same number of cells in each row, "
        "separated by "
        f"{delimiter}; quote cells that contain it."
    )


def _decimal_points(path: Path, table: pa.Table, layout: Layout) -> tuple[pa.Table, list[str]]:
    """Returns the table with points for decimal commas, which Excel writes in semicolon files."""
    notes: list[str] = []
    if layout.delimiter != ";":
        return table, notes
    for place, name in enumerate(table.column_names):
        column = table[name]
        if not pc.any(pc.match_substring_regex(column.slice(0, 1000), DECIMAL_COMMA)).as_py():
            continue
        if pc.all(pc.match_substring_regex(column, DECIMAL_OR_WHOLE)).as_py():
            table = table.set_column(place, name, pc.replace_substring(column, ",", "."))
            notes.append(f"Column '{name}' of {path.name} was read with decimal commas.")
    return table, notes


def _without_empty_end(content: Content, layout: Layout, table: pa.Table) -> pa.Table:
    """Drops the column behind a delimiter at the end of each row, if all its cells are empty."""
    for name in layout.unnamed:
        filled = pc.not_equal(pc.utf8_trim_whitespace(table[name]), "")
        if not pc.any(filled).as_py():
            table = table.drop_columns([name])
        elif name == "(empty)":
            row = pc.index(filled, True).as_py() + 1
            raise DataError(
                str(content.path),
                [
                    f"Row {row} of the data has {len(layout.columns)} cells, but the first line "
                    f"has {len(layout.columns) - 1}. Expected the same number of cells in each row."
                ],
            )
    return table
