"""The layout of a delimited text, detected from its name and its first lines."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from recsearch.data.columns import list_names
from recsearch.data.contents import Content, decode
from recsearch.data.foreign import MAX_COLUMNS, columns_fault
from recsearch.data.headerless import (
    RATING_COLUMNS,
    SOME_ROWS,
    Expected,
    is_number,
    lacks_header,
    name_columns,
)
from recsearch.errors import DataError

BLANKS = "blanks"
"""The delimiter of cells that are separated by runs of blanks."""

DELIMITERS = ("::", "\t", ",", ";", "|")  # of two equally frequent ones, the first is chosen
ATOMIC_SUFFIXES = (".inter", ".item", ".user")
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # Excel's

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
"""Name of a MovieLens-100K or -1M file without a header -> delimiter, columns (see its README)."""


@dataclass(frozen=True)
class Layout:
    """The layout of a text file.

    Attributes:
        delimiter: Between two cells; `BLANKS` for runs of blanks.
        columns: Column names, in file order.
        skipped_lines: Lines before the first row of data.
        quoted: Whether cells may be quoted and then contain delimiters and line breaks.
        escaped: Whether a backslash escapes the character after it.
        encoding: Of the text.
        unnamed: Columns whose header cell is empty at the end of the line: dropped if all their
            cells are empty, as after a trailing delimiter.
        notes: What was assumed.
    """

    delimiter: str
    columns: tuple[str, ...]
    skipped_lines: int = 1
    quoted: bool = True
    escaped: bool = False
    encoding: str = "utf-8"
    unnamed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def detect_layout(content: Content, expected: Expected) -> Layout:
    """Returns the layout of a text, from its name and its first lines.

    Args:
        content: The text; `u.data` and `ratings.dat` have known columns.
        expected: What is known about the file.

    Raises:
        DataError: If two columns have one name, there are too many, or a file without a header has
            too many to be named.
    """
    lines = content.head.splitlines()
    first = next(number for number, line in enumerate(lines) if line.strip())
    line = decode(lines[first])
    delimiter, columns = MOVIELENS.get(content.name.lower(), ("", ()))
    if delimiter and len(line.split(delimiter)) == len(columns):
        return Layout(delimiter, columns, first, quoted=False)
    separator = SEPARATOR_LINE.fullmatch(line.strip("\r\n"))
    if separator and len(lines) > first + 1:
        first, line = first + 1, decode(lines[first + 1])
    some = [decode(text) for text in islice(lines, first + 1, first + 1 + SOME_ROWS)]
    delimiter = separator[1] if separator else detect_delimiter(line, some)
    quoted = delimiter not in ("::", BLANKS) and not content.name.endswith(ATOMIC_SUFFIXES)
    cells, *below = _cells([line, *some], delimiter, quoted)
    if len(cells) > MAX_COLUMNS:
        raise DataError(str(content.path), [columns_fault(content.path, len(cells))])
    if cells and lacks_header(cells, below, expected):
        return _headerless(content, Layout(delimiter, (), first, quoted), cells, below, expected)
    return _with_header(content, Layout(delimiter, (), first + 1, quoted), cells, below)


def detect_delimiter(line: str, below: Sequence[str]) -> str:
    """Returns the delimiter of the first line.

    Args:
        line: The first line.
        below: Some lines below it: "user id" above "7" is the name of one column.
    """
    unquoted = re.sub(r'"[^"]*"', "", line)
    counts = {delimiter: unquoted.count(delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: counts[delimiter])
    if counts[best]:
        return best
    words = line.split()
    filled = [text for text in below if text.strip()]
    if len(words) < 2 or '"' in line:
        return ","
    if all(map(is_number, words)) or (
        filled and all(len(text.split()) == len(words) for text in filled)
    ):
        single = all(text.strip("\r\n ").count(" ") == len(words) - 1 for text in (line, *filled))
        exact = single and all(text == text.strip(" ") for text in (line, *filled))
        return " " if exact and not any('"' in text for text in filled) else BLANKS
    return ","


def _cells(lines: Sequence[str], delimiter: str, quoted: bool) -> list[list[str]]:
    """Returns the trimmed cells of lines; quoted line breaks are not handled, this is a preview."""
    rows: list[list[str]] = []
    for line in lines:
        if delimiter == BLANKS:
            cells = line.split()
        elif not quoted:
            cells = line.split(delimiter)
        else:
            try:
                cells = next(csv.reader([line], delimiter=delimiter), [])
            except csv.Error:  # a cell beyond the module's limit
                cells = line.split(delimiter)
        if cells or not rows:
            rows.append([cell.strip() for cell in cells])
    return rows


def _headerless(
    content: Content,
    layout: Layout,
    cells: list[str],
    below: list[list[str]],
    expected: Expected,
) -> Layout:
    unnamed: tuple[str, ...] = ()
    if len(cells) > 2 and not cells[-1] and all(not row[-1] for row in below if row):
        cells, below, unnamed = cells[:-1], [row[:-1] for row in below], ("(empty)",)
    columns = name_columns(content.path, cells, below, expected)
    note = f"{content.path.name} has no header line; its columns were taken as "
    note += f"{list_names(columns)}."
    return Layout(
        layout.delimiter,
        (*columns, *unnamed),
        layout.skipped_lines,
        layout.quoted,
        unnamed=unnamed,
        notes=(*content.notes, note),
    )


def _with_header(
    content: Content, layout: Layout, cells: list[str], below: list[list[str]]
) -> Layout:
    repeated = sorted(cell for cell, times in Counter(cells).items() if cell and times > 1)
    if repeated:
        raise DataError(str(content.path), [_named_twice(repeated)])
    columns = [cell or f"column_{number}" for number, cell in enumerate(cells, start=1)]
    unnamed: tuple[str, ...] = (columns[-1],) if len(cells) > 2 and not cells[-1] else ()
    longer = [row for row in below if len(row) == len(cells) + 1 and not row[-1]]
    if below and len(longer) == len(below):  # a delimiter after each row, but not after the header
        unnamed = ("(empty)",)
        columns.append("(empty)")
    return Layout(
        layout.delimiter,
        tuple(columns),
        layout.skipped_lines,
        layout.quoted,
        unnamed=unnamed,
        notes=content.notes,
    )


def _named_twice(repeated: list[str]) -> str:
    message = (
        f"Columns are named twice: {list_names(repeated)}. Expected a header of distinct names."
    )
    if any(is_number(cell) for cell in repeated):
        message += (
            " The first line looks like data: the file may lack a header line. Pass --no-header."
        )
    return message
