"""Numbers, durations and counts as people read them."""

from collections.abc import Iterable

from recsearch.tuning.trial import Scalar, Trial, TrialState


def number_text(value: float | None) -> str:
    """Returns a number for people: 4 significant digits, thousands separated; None as a dash."""
    if value is None:
        return "-"
    if isinstance(value, int) or 1000 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def value_text(value: Scalar) -> str:
    """Returns the value of a hyperparameter for people: fractions with 4 significant digits."""
    return number_text(value) if isinstance(value, float) else str(value)


def duration_text(seconds: float | None) -> str:
    """Returns a duration for people: "4.2 s", "1 min 23 s", "2 h 05 min"; None as a dash."""
    if seconds is None:
        return "-"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def count_text(trials: Iterable[Trial]) -> str:
    """Returns how many trials stand where: "3 trials: 2 completed, 1 failed"."""
    states = [trial.state for trial in trials]
    counts = {state: states.count(state) for state in TrialState}
    parts = [f"{n} {state.lower().replace('_', ' ')}" for state, n in counts.items() if n]
    told = f"{len(states):,} trial{'' if len(states) == 1 else 's'}"
    return f"{told}: {', '.join(parts)}" if parts else told
