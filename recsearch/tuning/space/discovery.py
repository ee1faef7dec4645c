"""Finds all hyperparameters of a search space by running its builders at chosen configurations."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import keras_tuner
import numpy as np

from recsearch.errors import BuildError, SpaceError
from recsearch.study.aliases import CURRENT_NAMES
from recsearch.study.full_name import SPACE, FullName
from recsearch.study.trial import Scalar
from recsearch.text.printable import printable
from recsearch.tuning.space.definitions import separate_ranges
from recsearch.tuning.space.overrides import Override

MAX_LOST_POINTS = 3  # per family; then its discovery ends with the names found so far

Probe = Callable[[str, Mapping[str, Scalar]], keras_tuner.HyperParameters]
"""(family, values) -> the hyperparameters that the family's builder reads at these values.

Raises `BuildError` if the builder fails.
"""


def values_text(values: Mapping[str, Scalar]) -> str:
    """Returns the values of a configuration as text."""
    return ", ".join(f"{k}={v}" for k, v in values.items()) or "its default values"


def discover(
    families: Sequence[str],
    overrides: Sequence[Override],
    probe: Probe,
    samples: int = 10,
    on_lost: Callable[[BuildError], None] | None = None,
) -> keras_tuner.HyperParameters:
    """Returns all hyperparameters of all families.

    Each family is built at its defaults, at the extremes and choices of each hyperparameter, and
    at `samples` random points, until no new name appears.

    Args:
        families: Their names, in order.
        overrides: Each must match a hyperparameter.
        probe: Runs a builder.
        samples: Random points per round.
        on_lost: Called with the error of a builder that fails at other values than its defaults;
            discovery then goes on with other points. None raises the error.

    Raises:
        SpaceError: If a builder fails (with the values), or an override fits no hyperparameter.
    """
    merged = keras_tuner.HyperParameters()
    merged.Choice(SPACE, list(families))
    for family in families:
        found = _Discovery(family, probe, samples, on_lost).run()
        merged.merge(found, overwrite=False)
    _require_text(merged)
    _refuse_former_names(merged)
    _refuse_unknown_overrides(overrides, merged)
    return merged


class _Discovery:
    """Discovers the hyperparameters of one family."""

    def __init__(
        self,
        family: str,
        probe: Probe,
        samples: int,
        on_lost: Callable[[BuildError], None] | None,
    ) -> None:
        self.family = family
        self.samples = samples
        self._probe = probe
        self._on_lost = on_lost
        self._num_lost = 0
        self._probed: list[keras_tuner.HyperParameters] = []

    def run(self) -> keras_tuner.HyperParameters:
        """Returns the hyperparameters, each range under the conditions that it needs."""
        first = self._probe(self.family, {})
        found = keras_tuner.HyperParameters.from_config(first.get_config())
        self._probed = [first]
        # There are few extreme points, so they are tried first, until they reveal nothing new.
        sampled = partial(_sampled_points, samples=self.samples)
        while self._shows_more(found, _extreme_points) or self._shows_more(found, sampled):
            pass
        return separate_ranges(found, self._probed, self._at)

    def _shows_more(
        self, found: Any, points: Callable[[list[Any]], list[dict[str, Scalar]]]
    ) -> bool:
        known = len(found.space)
        for point in points([hp for hp in found.space if hp.name != SPACE]):
            self._probed.append(self._tried(point))
            found.merge(self._probed[-1], overwrite=False)
        return len(found.space) > known

    def _at(self, point: Mapping[str, Scalar]) -> keras_tuner.HyperParameters:
        """Returns the hyperparameters that the builder reads at values by full name."""
        return self._tried({FullName.parse(name).bare: value for name, value in point.items()})

    def _tried(self, point: Mapping[str, Scalar]) -> keras_tuner.HyperParameters:
        """Returns the hyperparameters that the builder reads; none if it fails and may fail."""
        if self._num_lost >= MAX_LOST_POINTS:
            return keras_tuner.HyperParameters()
        try:
            return self._probe(self.family, point)
        except BuildError as error:
            if self._on_lost is None:
                raise
            self._num_lost += 1
            self._on_lost(error)
            return keras_tuner.HyperParameters()


def _extreme_points(hyperparameters: list[Any]) -> list[dict[str, Scalar]]:
    """Returns points at which each end of a range and each choice of a hyperparameter occurs.

    The k-th point has the k-th of these values of each hyperparameter. A conditional hyperparameter
    needs further points, at which its parents make it active.
    """
    free = {_bare(hp): _key_values(hp) for hp in hyperparameters}
    longest = max(map(len, free.values()), default=0)
    points = [{name: vs[k % len(vs)] for name, vs in free.items()} for k in range(longest)]
    for hp in hyperparameters:
        parents = {_bare(c): c.values[0] for c in hp.conditions if c.name != SPACE}
        if parents:
            name = _bare(hp)
            points += [parents | {name: value} for value in _key_values(hp)]
    return points


def _sampled_points(hyperparameters: list[Any], samples: int) -> list[dict[str, Scalar]]:
    """Returns random points; Keras Tuner ignores values that are inactive at a point."""
    seeds = np.random.default_rng(0).integers(2**31, size=(samples, len(hyperparameters)))
    return [
        {
            _bare(hp): hp.random_sample(int(seed))
            for hp, seed in zip(hyperparameters, row, strict=True)
        }
        for row in seeds
    ]


def _bare(named: Any) -> str:
    """Returns the bare name of a hyperparameter, or of the parent in a condition."""
    return FullName.parse(named.name).bare


def _key_values(hp: Any) -> list[Scalar]:
    """Returns the values at which a builder may behave differently: choices, or both ends."""
    config = hp.get_config()
    if "min_value" in config:
        return [config["min_value"], config["max_value"]]
    return list(hp.values)


def _require_text(found: Any) -> None:
    """Refuses names and values that cannot be written to a file: they are not valid Unicode."""
    for hp in found.space:
        for text in (hp.name, *(v for v in _key_values(hp) if isinstance(v, str))):
            if not _is_unicode(text):
                raise SpaceError(
                    f"The hyperparameter {printable(hp.name)} has a value that is not valid "
                    f"Unicode ('{printable(text)}') and cannot be recorded. Let the builder choose "
                    "a number instead, such as the position of a file in a list."
                )


def _refuse_former_names(found: Any) -> None:
    """Refuses a former name: a later reader of the journal would rename its values."""
    for hp in found.space:
        bare = hp.name.rpartition("/")[2]
        if bare in CURRENT_NAMES:
            raise SpaceError(
                f"The hyperparameter {hp.name} has the former name of {CURRENT_NAMES[bare]}. "
                f"Call it {CURRENT_NAMES[bare]} in the builder."
            )


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _refuse_unknown_overrides(overrides: Sequence[Override], found: Any) -> None:
    names = [hp.name for hp in found.space]
    for override in overrides:
        if not any(override.matches(name) for name in names):
            bare = sorted({FullName.parse(name).bare for name in names if name != SPACE})
            close = difflib.get_close_matches(FullName.parse(override.name).bare, bare)
            hint = f"Did you mean {' or '.join(close)}? " if close else ""
            raise SpaceError(
                f"--set {override.name}={override.text}: no hyperparameter of this name. {hint}"
                f"There are: {', '.join(bare)}."
            )
