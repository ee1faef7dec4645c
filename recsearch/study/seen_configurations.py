"""Which configurations have been tried, found in a time that does not grow with their number."""

from collections import Counter
from collections.abc import Iterable, Mapping

from recsearch.study.full_name import FullName
from recsearch.study.trial import Scalar

Configuration = tuple[str, dict[str, Scalar]]
"""A family, and bare name -> value of its active hyperparameters."""

ConfigurationKey = tuple[str, frozenset[tuple[str, Scalar]]]
"""A configuration in a form that can be compared and kept in a set."""


def configuration_key(family: str, values: Mapping[str, Scalar]) -> ConfigurationKey:
    """Returns what makes two configurations the same: floats count to 12 significant digits."""
    return family, _rounded(values, values)


class Tried:
    """Configurations that trials have tried, to be asked whether a proposal repeats one of them.

    A trained trial holds only the values that its builder read: a proposal of one layer also has a
    value for `units_1`, its trial has not. So a proposal that contains all values of a trial would
    be built and trained exactly as that trial was. A trial without any value says so only of a
    family without hyperparameters; elsewhere its worker died before the builder reported.

    Args:
        known: `<family>/<name>` of each hyperparameter of the space. Other names (a builder may
            read more than discovery saw) are left out, because no proposal could ever hold them.
    """

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        # Grouped by the names that were read, of which a family has few sets: one look-up a set.
        self._groups: dict[str, dict[frozenset[str], Counter[ConfigurationKey]]] = {}

    def add(self, family: str, values: Mapping[str, Scalar]) -> None:
        """Counts a configuration."""
        names = self._names(family, values)
        counts = self._groups.setdefault(family, {}).setdefault(names, Counter())
        counts[family, _rounded(values, names)] += 1

    def remove(self, family: str, values: Mapping[str, Scalar]) -> None:
        """Takes back what `add` has counted."""
        names = self._names(family, values)
        key = family, _rounded(values, names)
        counts = self._groups[family][names]
        counts[key] -= 1
        if not counts[key]:
            del counts[key]

    def __contains__(self, configuration: Configuration) -> bool:
        family, values = configuration
        for names, counts in self._groups.get(family, {}).items():
            tells = bool(names) or not values
            if tells and values.keys() >= names and (family, _rounded(values, names)) in counts:
                return True
        return False

    def __len__(self) -> int:
        return sum(len(counts) for groups in self._groups.values() for counts in groups.values())

    def holds_unread(self, family: str) -> bool:
        """Returns whether there is a configuration of the family of which no value is known."""
        return bool(self._groups.get(family, {}).get(frozenset()))

    def _names(self, family: str, values: Mapping[str, Scalar]) -> frozenset[str]:
        return frozenset(name for name in values if str(FullName(family, name)) in self._known)


def _rounded(values: Mapping[str, Scalar], names: Iterable[str]) -> frozenset[tuple[str, Scalar]]:
    return frozenset((name, _round(values[name])) for name in names)


def _round(value: Scalar) -> Scalar:
    return float(f"{value:.12g}") if isinstance(value, float) else value
