"""Finds the columns of users, items, labels and times in a table."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

RECBOLE_TYPES = ("token", "token_seq", "float", "float_seq")

USUAL_NAMES: Mapping[str, tuple[str, ...]] = {
    # Normalised, the most specific first: if a table has several, the first in this order is used.
    "user": (
        *("userid", "user", "uid", "customerid", "customer", "clientid", "client", "visitorid"),
        *("visitor", "memberid", "member", "reviewerid", "reviewer", "accountid", "account"),
        *("buyerid", "buyer", "readerid", "reader", "username", "sessionid", "session"),
    ),
    "item": (
        *("itemid", "item", "iid", "movieid", "movie", "filmid", "film", "bookid", "book", "isbn"),
        *("productid", "product", "asin", "parentasin", "sku", "articleid", "article", "trackid"),
        *("track", "songid", "song", "artistid", "artist", "albumid", "album", "videoid", "video"),
        *("gameid", "game", "newsid", "news", "businessid", "business", "venueid", "venue"),
        *("poiid", "poi", "animeid", "anime", "recipeid", "recipe", "courseid", "course"),
        *("jokeid", "joke", "showid", "show", "contentid", "content", "adid", "ad"),
    ),
    "label": (
        *("label", "rating", "ratings", "score", "stars", "star", "value", "overall", "target"),
        *("click", "clicked", "clicks", "isclick", "isclicked", "purchase", "purchased"),
        *("ispurchase", "bought", "like", "liked", "userrating", "bookrating", "movierating"),
    ),
    "timestamp": (
        *("timestamp", "unixtimestamp", "time", "unixtime", "unixreviewtime", "ts", "datetime"),
        *("date", "createdat", "eventtime", "ratingtimestamp"),
    ),
}
"""Role -> the usual names of its column."""

SHOWN_NAMES = 6
MAX_LISTED = 30


@dataclass(frozen=True)
class ColumnNames:
    """Column names given by flags. With None, the column is found by its usual names.

    Attributes:
        user: Value of --user-column.
        item: Value of --item-column.
        label: Value of --label-column.
        timestamp: Value of --timestamp-column.
        no_header: Whether the files of interactions have no header line.
    """

    user: str | None = None
    item: str | None = None
    label: str | None = None
    timestamp: str | None = None
    no_header: bool = False

    def given(self) -> dict[str, str]:
        """Returns role -> name, for the roles whose column was given."""
        names = {role: getattr(self, role) for role in USUAL_NAMES}
        return {role: name for role, name in names.items() if name is not None}


def bare_name(column: str) -> str:
    """Returns a column's name without RecBole's type: `user_id` for `user_id:token`."""
    name, colon, kind = column.rpartition(":")
    return name if colon and kind in RECBOLE_TYPES else column


def normalised_name(column: str) -> str:
    """Returns the name in the form used for comparisons: lower case, only letters and digits.

    Example:
        >>> normalised_name("User-ID"), normalised_name("movie_id:token")
        ('userid', 'movieid')
    """
    return re.sub(r"[\W_]+", "", bare_name(column).lower())


def list_names(names: Sequence[str]) -> str:
    """Returns the names for a message; a long list is cut off."""
    if len(names) <= MAX_LISTED:
        return ", ".join(names)
    return f"{', '.join(names[:MAX_LISTED])}, ... ({len(names)} in total)"


def find_columns(
    available: Sequence[str],
    names: ColumnNames,
    required: Iterable[str] = ("user", "item"),
    roles: Iterable[str] = tuple(USUAL_NAMES),
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Finds the column of each role: the column that a flag names, or one with a usual name.

    Complete names are compared (`average_rating` is not `rating`); case, separators and RecBole's
    types are ignored. No column has two roles.

    Args:
        available: The table's columns, in file order.
        names: The names given by flags.
        required: Roles without which the table is rejected.
        roles: Roles to look for.

    Returns:
        Role -> column, and one message for each fault.
    """
    found: dict[str, str] = {}
    faults: list[str] = []
    wanted = {role: name for role, name in names.given().items() if role in set(roles)}
    for role, name in wanted.items():
        column = _named_column(available, name)
        if column is None:
            faults.append(_absent_flag(available, role, name))
        elif column in found.values():
            other = next(r for r, taken in found.items() if taken == column)
            faults.append(
                f"--{other}-column and --{role}-column both name '{name}'. Expected two "
                "different columns."
            )
        else:
            found[role] = column
    for role in roles:
        if role not in wanted:
            column = _usual_column(available, role, taken=found.values())
            if column is not None:
                found[role] = column
            elif role in required:
                faults.append(_not_found(available, role))
    return found, tuple(faults)


def _named_column(available: Sequence[str], name: str) -> str | None:
    if name in available:
        return name
    return next((column for column in available if bare_name(column) == name), None)


def _usual_column(available: Sequence[str], role: str, taken: Iterable[str]) -> str | None:
    free = {normalised_name(column): column for column in reversed(available)}
    free = {name: column for name, column in free.items() if column not in set(taken)}
    return next((free[name] for name in USUAL_NAMES[role] if name in free), None)


def _absent_flag(available: Sequence[str], role: str, name: str) -> str:
    close = difflib.get_close_matches(name, [bare_name(column) for column in available], n=3)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return (
        f"--{role}-column names '{name}', which the file does not have.{hint} "
        f"The file has columns: {list_names(available)}."
    )


def _not_found(available: Sequence[str], role: str) -> str:
    expected = ", ".join(USUAL_NAMES[role][:SHOWN_NAMES])
    message = (
        f"No {role} column found. Expected one of {expected}, ...; "
        f"the file has columns: {list_names(available)}. Name it with --{role}-column."
    )
    if any(re.fullmatch(r"-?\d+(\.\d+)?", column) for column in available):
        message += " The first line looks like data: the file may lack a header line."
    return message
