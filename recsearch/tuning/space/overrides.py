"""`--set NAME=VALUE`: narrows hyperparameters without a change of the builder."""

import math
import re
from dataclasses import dataclass
from typing import Any

from recsearch.errors import SpaceError
from recsearch.study.aliases import current_name
from recsearch.study.full_name import FullName
from recsearch.study.trial import Scalar

_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_PART = re.compile(r'(?:[^,"]|"(?:[^"]|"")*")*')  # up to a comma that no quotes enclose


def split_at_commas(text: str) -> list[str]:
    """Returns the parts of a text between commas; commas inside double quotes do not count.

    Raises:
        ValueError: If a quote is not closed.
    """
    parts, begin = [], 0
    while True:
        part = _PART.match(text, begin)
        end = part.end() if part else begin
        parts.append(text[begin:end])
        if end == len(text):
            return parts
        if text[end] != ",":
            raise ValueError(f"a double quote is not closed in {text[end:]!r}")
        begin = end + 1


def unquoted(text: str) -> str:
    """Returns a text without its enclosing double quotes; a doubled quote inside is one quote."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1].replace('""', '"') if quoted else text


@dataclass(frozen=True)
class Override:
    """One `--set`.

    Attributes:
        name: The bare name of a hyperparameter, for all families that have it, or family/name.
        text: "64" is a fixed value, "32:128" a range (both ends included), "32,64" choices. A
            value that contains a comma is quoted: '"a,b",c'.
    """

    name: str
    text: str

    @classmethod
    def parse(cls, argument: str) -> "Override":
        """Returns the override that NAME=VALUE, NAME=LOW:HIGH or NAME=A,B,C describes.

        Raises:
            SpaceError: If the argument has another form.
        """
        name, equals, text = argument.partition("=")
        if not equals or not name.strip() or not text.strip():
            raise SpaceError(
                "--set takes NAME=VALUE, NAME=LOW:HIGH or NAME=A,B,C, as in "
                f"--set learning_rate=1e-4:1e-2. Received: {argument!r}."
            )
        return cls(current_name(name.strip()), text.strip())

    def matches(self, full_name: str) -> bool:
        """Returns whether the override applies to the hyperparameter `family/name`."""
        return self.name in (full_name, FullName.parse(full_name).bare)

    def apply(self, hyperparameter: Any) -> Any:
        """Returns the narrowed hyperparameter: a new Keras Tuner object of the same name.

        Raises:
            SpaceError: If a value is not of the hyperparameter's type or not among its choices.
        """
        if ":" in self.text and _kind(hyperparameter) in (int, float):
            return self._as_range(hyperparameter)
        values = [self._value(hyperparameter, part) for part in self._parts(hyperparameter)]
        return _choice(hyperparameter, values)

    def _parts(self, hyperparameter: Any) -> list[str]:
        """Returns the texts of the values; a choice may itself contain commas and quotes."""
        if _is_text(hyperparameter) and self.text in hyperparameter.values:
            return [self.text]
        try:
            return [unquoted(part) for part in split_at_commas(self.text)]
        except ValueError as error:
            raise SpaceError(f"--set {self.name}={self.text}: {error}") from error

    def _as_range(self, hyperparameter: Any) -> Any:
        low, high = (self._value(hyperparameter, part) for part in self.text.split(":", 1))
        if not low < high:  # type: ignore[operator]  # both are numbers of one type
            raise SpaceError(
                f"--set {self.name}={self.text}: the low end must lie below the high end."
            )
        try:
            return _range(hyperparameter, low, high)
        except ValueError as error:  # of Keras Tuner: a log scale that reaches down to 0
            raise SpaceError(f"--set {self.name}={self.text}: {error}") from error

    def _value(self, hyperparameter: Any, text: str) -> Scalar:
        try:
            value = _parse(hyperparameter, text.strip())
        except ValueError as error:
            raise SpaceError(
                f"--set {self.name}={self.text}: expected {_expected(hyperparameter)}, "
                f"received {text.strip()!r}."
            ) from error
        if _is_text(hyperparameter) and value not in hyperparameter.values:
            raise SpaceError(
                f"--set {self.name}={self.text}: expected {_expected(hyperparameter)}, "
                f"received {value!r}."
            )
        return value


def _kind(hyperparameter: Any) -> type:
    """Returns the type of the values. The default may have another, as in Float(default=0)."""
    low = getattr(hyperparameter, "min_value", None)
    return type(hyperparameter.default if low is None else low)


def _is_text(hyperparameter: Any) -> bool:
    return _kind(hyperparameter) is str


def _expected(hyperparameter: Any) -> str:
    kind = _kind(hyperparameter)
    if kind is bool or _is_yes_or_no(hyperparameter):
        return "true or false"
    if kind is str:
        return "one of " + ", ".join(hyperparameter.values)
    return "a whole number" if kind is int else "a number"


def _is_yes_or_no(hyperparameter: Any) -> bool:
    """Returns whether it may be `Choice([True, False])`, which Keras Tuner keeps as 1 and 0."""
    from recsearch.tuning.space import kinds

    return isinstance(hyperparameter, kinds.Choice) and set(hyperparameter.values) <= {0, 1}


def _parse(hyperparameter: Any, text: str) -> Scalar:
    kind = _kind(hyperparameter)
    if kind is bool or (_is_yes_or_no(hyperparameter) and text.lower() in _TRUTH):
        if text.lower() not in _TRUTH:
            raise ValueError(text)
        return kind(_TRUTH[text.lower()])  # type: ignore[no-any-return]
    if kind is int and re.fullmatch(r"[+-]?\d+", text) is None:
        raise ValueError(text)
    value: Scalar = kind(text)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(text)
    return value


def _choice(hyperparameter: Any, values: list[Scalar]) -> Any:
    from recsearch.tuning.space import kinds

    if _kind(hyperparameter) is bool:  # a Choice would turn true and false into 1 and 0
        if len(set(values)) > 1:
            return hyperparameter
        return kinds.Fixed(hyperparameter.name, values[0], conditions=hyperparameter.conditions)
    default = hyperparameter.default
    return kinds.Choice(
        hyperparameter.name,
        values=values,
        default=default if default in values else values[0],
        conditions=hyperparameter.conditions,
    )


def _range(hyperparameter: Any, low: Scalar, high: Scalar) -> Any:
    """Returns an Int or Float over the range, sampled as before; choices become a log scale."""
    from recsearch.tuning.space import kinds

    kind = kinds.Int if isinstance(low, int) else kinds.Float
    config = hyperparameter.get_config()
    sampling = config.get("sampling", "log" if isinstance(low, int | float) and low > 0 else None)
    default = hyperparameter.default
    within = low <= default <= high
    return kind(
        hyperparameter.name,
        min_value=low,
        max_value=high,
        step=config.get("step"),
        sampling=sampling or "linear",
        default=default if within else low,
        conditions=hyperparameter.conditions,
    )
