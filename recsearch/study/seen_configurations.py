"""The configurations that have been tried, with a lookup whose time does not grow with them."""

from collections import Counter
from collections.abc import Iterable, Mapping

from recsearch.study.full_name import FullName
from recsearch.study.trial import Scalar

Configuration = tuple[str, dict[str, Scalar]]
"""A family, and bare name -> value of its active hyperparameters."""

ConfigurationKey = tuple[str, frozenset[tuple[str, Scalar]]]
"""A configuration in a form that can be compared and kept in a set."""


def configuration_key(
    family: str, values: Mapping[str, Scalar], names: Iterable[str] | None = None
) -> ConfigurationKey:
    """Returns the key by which configurations are compared: floats count to 12 digits.

    Args:
        family: The family.
        values: Bare name -> value.
        names: The values that count; None for all.
    """
    counted = values if names is None else names
    return family, frozenset((name, _round(values[name])) for name in counted)


class Tried:
    """The configurations of the trials, for a test whether a proposal repeats one.

    A trained trial contains only the values that its builder read: a proposal with one layer may
    also have a value for `units_1`, but its trial has none. So a proposal that contains all values
    of a trial would be built and trained exactly as this trial. A trial without values repeats only
    a family without hyperparameters; in other families its worker died before the builder reported.

    Args:
        known: Full name of each hyperparameter of the space. Other names (a builder may read more
            than discovery found) are ignored, because no proposal can contain them.
    """

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        # Grouped by the names that were read: a family has few such sets, with one lookup per set.
        self._groups: dict[str, dict[frozenset[str], Counter[ConfigurationKey]]] = {}

    def add(self, family: str, values: Mapping[str, Scalar]) -> None:
        """Counts a configuration."""
        names = self._names(family, values)
        counts = self._groups.setdefault(family, {}).setdefault(names, Counter())
        counts[configuration_key(family, values, names)] += 1

    def remove(self, family: str, values: Mapping[str, Scalar]) -> None:
        """Removes a configuration that `add` has counted."""
        names = self._names(family, values)
        key = configuration_key(family, values, names)
        counts = self._groups[family][names]
        counts[key] -= 1
        if not counts[key]:
            del counts[key]

    def __contains__(self, configuration: Configuration) -> bool:
        family, values = configuration
        for names, counts in self._groups.get(family, {}).items():
            has_read_all = (names or not values) and values.keys() >= names
            if has_read_all and configuration_key(family, values, names) in counts:
                return True
        return False

    def __len__(self) -> int:
        return sum(len(counts) for groups in self._groups.values() for counts in groups.values())

    def holds_unread(self, family: str) -> bool:
        """Returns whether the family has a configuration without any known value."""
        return bool(self._groups.get(family, {}).get(frozenset()))

    def _names(self, family: str, values: Mapping[str, Scalar]) -> frozenset[str]:
        return frozenset(name for name in values if str(FullName(family, name)) in self._known)


def _round(value: Scalar) -> Scalar:
    return float(f"{value:.12g}") if isinstance(value, float) else value
