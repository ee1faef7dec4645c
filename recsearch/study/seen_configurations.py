"""The configurations that were tried; a look-up does not take longer as they become more."""

from collections import Counter
from collections.abc import Iterable, Mapping

from recsearch.study.trial import Scalar

Configuration = tuple[str, dict[str, Scalar]]
"""A family, and bare name -> value of its active hyperparameters."""

ConfigurationKey = tuple[str, frozenset[tuple[str, Scalar]]]
"""A configuration in a form that can be compared and kept in a set."""


def configuration_key(
    family: str, values: Mapping[str, Scalar], names: Iterable[str] | None = None
) -> ConfigurationKey:
    """Returns a key that equal configurations share: floats are rounded to 12 digits.

    Args:
        family: The family.
        values: Bare name -> value.
        names: The values that count; None for all.
    """
    chosen = values if names is None else names
    return family, frozenset((name, _round(values[name])) for name in chosen)


class Tried:
    """Configurations that were tried: `in` returns whether a proposal repeats one of them.

    A trained trial has only the values that its builder read: a proposal with one layer also has a
    value for `units_1`, its trial does not. So a proposal that contains all values of a trial would
    be built and trained exactly as the trial was. A trial without any value counts only in a family
    without hyperparameters; elsewhere its worker died before the builder reported the values.

    Args:
        known: `<family>/<name>` of each hyperparameter of the space. Other names (a builder may
            read more than discovery saw) are left out, because no proposal contains them.
    """

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        # Grouped by the names that were read. A family has few such sets: one look-up per set.
        self._groups: dict[str, dict[frozenset[str], Counter[ConfigurationKey]]] = {}

    def add(self, family: str, values: Mapping[str, Scalar]) -> None:
        """Counts a configuration."""
        names = self._names(family, values)
        counts = self._groups.setdefault(family, {}).setdefault(names, Counter())
        counts[configuration_key(family, values, names)] += 1

    def remove(self, family: str, values: Mapping[str, Scalar]) -> None:
        """Reverts a call of `add`."""
        names = self._names(family, values)
        key = configuration_key(family, values, names)
        counts = self._groups[family][names]
        counts[key] -= 1
        if not counts[key]:
            del counts[key]

    def __contains__(self, configuration: Configuration) -> bool:
        family, values = configuration
        for names, counts in self._groups.get(family, {}).items():
            is_known = bool(names) or not values
            if not is_known or not values.keys() >= names:
                continue
            if configuration_key(family, values, names) in counts:
                return True
        return False

    def __len__(self) -> int:
        return sum(len(counts) for groups in self._groups.values() for counts in groups.values())

    def holds_unread(self, family: str) -> bool:
        """Returns whether a configuration of the family has no known value."""
        return bool(self._groups.get(family, {}).get(frozenset()))

    def _names(self, family: str, values: Mapping[str, Scalar]) -> frozenset[str]:
        return frozenset(name for name in values if f"{family}/{name}" in self._known)


def _round(value: Scalar) -> Scalar:
    return float(f"{value:.12g}") if isinstance(value, float) else value
