"""Calls of the builders of a search, in a helper process or inline.

The process that calls these methods imports no user code, except inline.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import keras_tuner

from recsearch.data.vocabulary import DataSpec
from recsearch.errors import BuildError
from recsearch.study.trial import Scalar
from recsearch.tuning.engines.engine import BUILD_SECONDS
from recsearch.tuning.engines.helper import CallError, Helper, Say
from recsearch.tuning.space.builtin import builtin_names
from recsearch.tuning.space.discovery import discover, values_text
from recsearch.tuning.space.families import family_names
from recsearch.tuning.space.fingerprint import source_fingerprint
from recsearch.tuning.space.overrides import Override
from recsearch.tuning.space.search_space import Outline, SearchSpace, load_space


@dataclass(frozen=True)
class SpaceSetup:
    """Names a search space by plain values, so that it can be sent to any process.

    Attributes:
        spaces: References of the families, as in `load_space`.
        overrides: Narrow hyperparameters.
    """

    spaces: tuple[str, ...]
    overrides: tuple[Override, ...] = ()


@cache
def loaded(setup: SpaceSetup) -> SearchSpace:
    """Returns the search space, loaded once in this process."""
    return load_space(setup.spaces, setup.overrides)


@dataclass(frozen=True)
class Builders:
    """Calls the builders of a search space through a helper.

    Attributes:
        setup: The space.
        helper: Runs the calls.
        build_seconds: How long one build may take.
    """

    setup: SpaceSetup
    helper: Helper
    build_seconds: float = BUILD_SECONDS

    @cached_property
    def references(self) -> Mapping[str, str]:
        """Name of each family -> its reference, in order."""
        return dict(zip(family_names(self.setup.spaces), self.setup.spaces, strict=True))

    def discover(
        self,
        data: DataSpec,
        samples: int = 10,
        on_lost: Callable[[BuildError], None] | None = None,
    ) -> keras_tuner.HyperParameters:
        """Returns all hyperparameters of all families; see `discovery.discover`."""

        def probe(family: str, values: Mapping[str, Scalar]) -> keras_tuner.HyperParameters:
            return self.probe(family, values, data)

        return discover(tuple(self.references), self.setup.overrides, probe, samples, on_lost)

    def probe(
        self, family: str, values: Mapping[str, Scalar], data: DataSpec
    ) -> keras_tuner.HyperParameters:
        """Returns the hyperparameters that a builder reads at one configuration.

        Raises:
            BuildError: If the builder fails, or ends or blocks its process.
            SpaceError: If it cannot be loaded, or its hyperparameters clash.
        """
        try:
            config = self.helper.call(
                _probe, self.setup, family, dict(values), data, seconds=self.build_seconds
            )
        except CallError as error:
            raise BuildError(
                f"The builder of {family} ({self.references[family]}) failed at "
                f"{values_text(values)}: {error}."
            ) from error
        return keras_tuner.HyperParameters.from_config(config)

    def outline(self, family: str, values: Mapping[str, Scalar], data: DataSpec) -> Outline | None:
        """Returns the values that a configuration would read, and its size; None if this fails."""
        try:
            found: Outline | None = self.helper.call(
                _outline, self.setup, family, dict(values), data, seconds=self.build_seconds
            )
        except CallError:
            return None  # whether the configuration works is then decided by its trial
        return found

    def sources(self) -> dict[str, str | None]:
        """Returns family -> fingerprint of the file that defines its builder, if it has one."""
        try:
            found: dict[str, str | None] = self.helper.call(
                _sources, self.setup, seconds=self.build_seconds
            )
        except CallError:
            return {}
        return found


def _sources(say: Say, setup: SpaceSetup) -> dict[str, str | None]:
    families = loaded(setup).families.values()
    return {
        family.name: source_fingerprint(family)
        for family in families
        if family.reference not in builtin_names()
    }


def _probe(
    say: Say, setup: SpaceSetup, family: str, values: dict[str, Scalar], data: DataSpec
) -> dict[str, Any]:
    config: dict[str, Any] = loaded(setup).probe(family, values, data).get_config()
    return config


def _outline(
    say: Say, setup: SpaceSetup, family: str, values: dict[str, Scalar], data: DataSpec
) -> Outline | None:
    return loaded(setup).outline(family, values, data)
