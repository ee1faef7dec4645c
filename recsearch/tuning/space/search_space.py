"""Search spaces: loading builders, building models, discovering and narrowing hyperparameters.

One search covers one family or several. Each family's builder runs inside `hp.name_scope(family)`
and under the condition `space == family`, so two families may use the same names. Users see bare
names.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras_tuner
import tensorflow as tf

from recsearch.contract.checks.builder_result import as_recommender
from recsearch.contract.recommender import Recommender
from recsearch.data.vocabulary import DataSpec
from recsearch.errors import BuildError, SpaceError
from recsearch.study.full_name import SPACE, FullName
from recsearch.study.trial import Scalar
from recsearch.text.printable import error_text
from recsearch.tuning.space.discovery import discover, values_text
from recsearch.tuning.space.families import Family, family_names, load_family
from recsearch.tuning.space.hypermodels import takes_data
from recsearch.tuning.space.hyperparameters import TrackedHyperParameters
from recsearch.tuning.space.overrides import Override
from recsearch.tuning.space.precision import under
from recsearch.tuning.space.sampling import full_values

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuiltModel:
    """A model, and bare name -> value of the hyperparameters that its builder read."""

    recommender: Recommender
    values: dict[str, Scalar]


@dataclass(frozen=True)
class Outline:
    """What is known about a configuration before its model is built.

    Attributes:
        values: Bare name -> value of the hyperparameters that its builder reads.
        num_parameters: Number of parameters of its model.
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

    def build(self, family: str, values: Mapping[str, Scalar], data: DataSpec) -> BuiltModel:
        """Returns the recommender of one configuration.

        Args:
            family: Name of a family.
            values: Bare name -> value; what is missing takes its default.
            data: What the builder may know of the data.

        Raises:
            SpaceError: If the builder's result is not a recommender, or its hyperparameters clash.
        """
        hp, built = self._run(family, values, data)
        read = {FullName.parse(name).bare: v for name, v in hp.read.items() if name != SPACE}
        return BuiltModel(as_recommender(built, data, read), read)

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
        except (Exception, SystemExit):
            logger.debug("%s has no outline at %s", family, values, exc_info=True)
            return None

    def _run(
        self,
        family: str,
        values: Mapping[str, Scalar],
        data: DataSpec,
        only_declared: bool = False,
    ) -> tuple[TrackedHyperParameters, Any]:
        """Returns the hyperparameters that a builder read, and what it returned."""
        hp = TrackedHyperParameters(self.overrides, only_declared)
        hp.values = full_values(family, values)
        hp.Choice(SPACE, list(self.families))
        builder, precision = self.families[family].builder, self.families[family].precision
        with hp.conditional_scope(SPACE, [family]), hp.name_scope(family), under(precision):
            built = builder(hp, data) if takes_data(builder) else builder(hp)
        return hp, built

    def discover(self, data: DataSpec, samples: int = 10) -> keras_tuner.HyperParameters:
        """Returns all hyperparameters of all families, found by running the builders here.

        Raises:
            SpaceError: If a builder fails (with the values), or an override fits no hyperparameter.
        """
        probe = partial(self.probe, data=data)
        return discover(tuple(self.families), self.overrides, probe, samples)

    def probe(
        self, family: str, values: Mapping[str, Scalar], data: DataSpec
    ) -> keras_tuner.HyperParameters:
        """Runs a builder for its hyperparameters only.

        Inside a plain graph variables are declared but get no memory. A builder that reads a
        variable cannot run there; it runs as it would for training.

        Raises:
            BuildError: If the builder fails.
            SpaceError: If its hyperparameters clash, or an override does not fit them.
        """
        try:
            with tf.Graph().as_default():
                return self._run(family, values, data, only_declared=True)[0]
        except SpaceError:
            raise
        except Exception:
            logger.debug("%s does not build in a graph", family, exc_info=True)
        try:
            return self._run(family, values, data, only_declared=True)[0]
        except SpaceError:
            raise
        except Exception as error:  # a builder may raise anything; its author must see where
            raise BuildError(
                f"The builder of {family} ({self.families[family].reference}) failed at "
                f"{values_text(values)}: {error_text(error)}"
            ) from error


def load_space(references: Sequence[str], overrides: Sequence[Override] = ()) -> SearchSpace:
    """Returns the search space over the builders that are named.

    Args:
        references: Built-in names, ./file.py:build or package.module:build.
        overrides: Narrow hyperparameters.

    Raises:
        SpaceError: If a reference names no builder, or two families have one name.
    """
    family_names(references)  # refuses a name that is given twice
    families = [load_family(reference) for reference in references]
    return SearchSpace({family.name: family for family in families}, tuple(overrides))
