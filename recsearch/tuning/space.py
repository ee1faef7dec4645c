"""Search spaces: loading builders, building models, discovering and narrowing hyperparameters.

One search covers one family or several. Each family's builder runs inside `hp.name_scope(family)`
under the root choice `space`, so that two families may use the same names; people see bare names.
"""

import difflib
import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import tensorflow as tf

from recsearch.data.vocabulary import DataSpec
from recsearch.errors import SpaceError
from recsearch.nn.recommender import Recommender, as_recommender
from recsearch.tuning.builtin import PACKAGE, builtin_names
from recsearch.tuning.definitions import separate_ranges
from recsearch.tuning.hypermodels import Builder, named_builder, takes_data
from recsearch.tuning.hyperparameters import TrackedHyperParameters
from recsearch.tuning.overrides import Override
from recsearch.tuning.precision import Precision, import_with_precision, under
from recsearch.tuning.sampling import ROOT
from recsearch.tuning.trial import Scalar

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Family:
    """One builder.

    Attributes:
        name: The choice of `space` that stands for it.
        builder: `build(hp, data)` or `build(hp)`.
        reference: What names it: a built-in name, ./file.py:build, or package.module:build.
        precision: Number types that its module set as defaults, or None.
    """

    name: str
    builder: Builder
    reference: str
    precision: Precision | None = None


@dataclass(frozen=True)
class Built:
    """A model and the hyperparameters that its builder really read (bare names)."""

    recommender: Recommender
    values: dict[str, Scalar]


@dataclass(frozen=True)
class Outline:
    """What is known of a configuration before it is built.

    Attributes:
        values: Bare name -> value of the hyperparameters that its builder reads.
        num_parameters: Size of its model.
    """

    values: dict[str, Scalar]
    num_parameters: int


@dataclass(frozen=True)
class SearchSpace:
    """One family or several, with overrides.

    Attributes:
        families: By name, in the order in which they were asked for.
        overrides: Narrow hyperparameters wherever they are defined.
    """

    families: Mapping[str, Family]
    overrides: tuple[Override, ...] = ()

    def build(self, family: str, values: Mapping[str, Scalar], data: DataSpec) -> Built:
        """Returns the recommender of one configuration.

        Args:
            family: Name of a family.
            values: Bare name -> value; what is missing takes its default.
            data: What the builder may know of the data.

        Raises:
            SpaceError: If the builder's result is not a recommender, or its hyperparameters clash.
        """
        hp = self._run(family, values, data)
        prefix = f"{family}/"
        read = {name.removeprefix(prefix): v for name, v in hp.read.items() if name != ROOT}
        return Built(as_recommender(hp.built, data, read), read)

    def outline(self, family: str, values: Mapping[str, Scalar], data: DataSpec) -> Outline | None:
        """Returns what a configuration would read and how large its model would be.

        The builder runs inside a plain graph, in which variables are declared but get no memory.

        Returns:
            None if the builder fails there: it may read a variable, or fail altogether.
        """
        try:
            with tf.Graph().as_default():
                built = self.build(family, values, data)
                return Outline(built.values, built.recommender.model.count_params())
        except Exception:
            logger.debug("%s has no outline at %s", family, values, exc_info=True)
            return None

    def _run(
        self,
        family: str,
        values: Mapping[str, Scalar],
        data: DataSpec,
        only_declared: bool = False,
    ) -> TrackedHyperParameters:
        hp = TrackedHyperParameters(self.overrides, only_declared)
        hp.values = {ROOT: family, **{f"{family}/{name}": v for name, v in values.items()}}
        hp.Choice(ROOT, list(self.families))
        builder, precision = self.families[family].builder, self.families[family].precision
        with hp.conditional_scope(ROOT, [family]), hp.name_scope(family), under(precision):
            hp.built = builder(hp, data) if takes_data(builder) else builder(hp)
        return hp

    def discover(self, data: DataSpec, samples: int = 10) -> keras_tuner.HyperParameters:
        """Returns all hyperparameters of all families, found by building without memory.

        Each family is built at its defaults, at the extremes and choices of each hyperparameter,
        and at `samples` random points, until no new name appears.

        Raises:
            SpaceError: If a builder fails (with the values), or an override fits no hyperparameter.
        """
        merged = keras_tuner.HyperParameters()
        merged.Choice(ROOT, list(self.families))
        for family in self.families:
            merged.merge(self._discover_family(family, data, samples), overwrite=False)
        self._refuse_unknown_overrides(merged)
        return merged

    def _discover_family(self, family: str, data: DataSpec, samples: int) -> Any:
        first = self._probe(family, {}, data)
        found, probed = keras_tuner.HyperParameters.from_config(first.get_config()), [first]

        def shows_more(points: Callable[[list[Any], str], list[dict[str, Scalar]]]) -> bool:
            known = len(found.space)
            for point in points([hp for hp in found.space if hp.name != ROOT], family):
                probed.append(self._probe(family, point, data))
                found.merge(probed[-1], overwrite=False)
            return len(found.space) > known

        # The extremes are few, so they come first, until they show nothing new.
        while shows_more(_extreme_points) or shows_more(partial(_sampled_points, samples=samples)):
            pass

        def probe(point: Mapping[str, Scalar]) -> TrackedHyperParameters:
            return self._probe(family, {_bare(k, family): v for k, v in point.items()}, data)

        return separate_ranges(found, probed, probe)

    def _probe(
        self, family: str, values: Mapping[str, Scalar], data: DataSpec
    ) -> TrackedHyperParameters:
        """Runs a builder for its hyperparameters alone.

        Inside a plain graph variables are declared but get no memory. A builder that reads a
        variable cannot run there; it is run as it would be for training.
        """
        try:
            with tf.Graph().as_default():
                return self._run(family, values, data, only_declared=True)
        except SpaceError:
            raise
        except Exception:
            logger.debug("%s does not build in a graph", family, exc_info=True)
        try:
            return self._run(family, values, data, only_declared=True)
        except SpaceError:
            raise
        except Exception as error:  # a builder may raise anything; its author must see where
            shown = ", ".join(f"{k}={v}" for k, v in values.items()) or "its default values"
            raise SpaceError(
                f"The builder of {family} ({self.families[family].reference}) failed at {shown}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _refuse_unknown_overrides(self, found: Any) -> None:
        names = [hp.name for hp in found.space]
        for override in self.overrides:
            if not any(override.matches(name) for name in names):
                bare = sorted({name.partition("/")[2] for name in names if "/" in name})
                close = difflib.get_close_matches(override.name.rpartition("/")[2], bare)
                hint = f"Did you mean {' or '.join(close)}? " if close else ""
                raise SpaceError(
                    f"--set {override.name}={override.text}: no hyperparameter of this name. {hint}"
                    f"There are: {', '.join(bare)}."
                )


def _bare(full_name: str, family: str) -> str:
    return full_name.removeprefix(f"{family}/")


def _extreme_points(hyperparameters: list[Any], family: str) -> list[dict[str, Scalar]]:
    """Returns points at which every extreme and every choice of each hyperparameter occurs.

    One point serves all hyperparameters at once: the k-th takes the k-th telling value of each. A
    conditional one needs points of its own, at which its parents make it active.
    """
    free = {_bare(hp.name, family): _telling_values(hp) for hp in hyperparameters}
    longest = max(map(len, free.values()), default=0)
    points = [{name: vs[k % len(vs)] for name, vs in free.items()} for k in range(longest)]
    for hp in hyperparameters:
        parents = {_bare(c.name, family): c.values[0] for c in hp.conditions if c.name != ROOT}
        if parents:
            name = _bare(hp.name, family)
            points += [parents | {name: value} for value in _telling_values(hp)]
    return points


def _sampled_points(
    hyperparameters: list[Any], family: str, samples: int
) -> list[dict[str, Scalar]]:
    """Returns random points; what is inactive at a point is ignored by Keras Tuner."""
    seeds = np.random.default_rng(0).integers(2**31, size=(samples, len(hyperparameters)))
    return [
        {
            _bare(hp.name, family): hp.random_sample(int(seed))
            for hp, seed in zip(hyperparameters, row, strict=True)
        }
        for row in seeds
    ]


def _telling_values(hp: Any) -> list[Scalar]:
    """Returns the values at which a builder may show something new: choices, or both ends."""
    config = hp.get_config()
    if "min_value" in config:
        return [config["min_value"], config["max_value"]]
    return list(hp.values)


def load_space(references: Sequence[str], overrides: Sequence[Override] = ()) -> SearchSpace:
    """Returns the search space over the builders that are named.

    Args:
        references: Built-in names, ./file.py:build or package.module:build.
        overrides: Narrow hyperparameters.

    Raises:
        SpaceError: If a reference names no builder, or two families have one name.
    """
    families: dict[str, Family] = {}
    for reference in references:
        family = load_family(reference)
        if family.name in families:
            raise SpaceError(f"The space {family.name} is named twice. Give each space once.")
        families[family.name] = family
    return SearchSpace(families, tuple(overrides))


def load_family(reference: str) -> Family:
    """Returns the builder that a reference names."""
    location, _, attribute = reference.partition(":")
    if location.endswith(".py"):
        load, name = partial(_module_from_file, Path(location)), Path(location).stem
    elif location in builtin_names():
        load, name = partial(importlib.import_module, f"{PACKAGE}.{location}"), location
    elif ":" in reference:
        load, name = partial(_module_by_name, location), location.rpartition(".")[2]
    else:
        close = difflib.get_close_matches(location, builtin_names())
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise SpaceError(
            f"There is no search space called {reference!r}.{hint} Try `recsearch spaces` to see "
            "all, or name your own as ./file.py:build or package.module:build."
        )
    module, precision = import_with_precision(load)
    attribute = attribute or "build"
    builder = named_builder(module, attribute, reference)
    named_after = attribute.removesuffix(".build")  # ./mine.py:model.build is called model
    return Family(name if attribute == "build" else named_after, builder, reference, precision)


def _module_from_file(path: Path) -> Any:
    if not path.is_file():
        raise SpaceError(f"There is no file {path} to load a search space from.")
    spec = importlib.util.spec_from_file_location(f"recsearch_user_space_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SpaceError(f"{path} cannot be imported as a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that classes defined there can be found by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SpaceError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _module_by_name(name: str) -> Any:
    if os.getcwd() not in sys.path:  # a console script has not what `python -m` has
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SpaceError(f"The module {name} cannot be imported: {error}") from error
