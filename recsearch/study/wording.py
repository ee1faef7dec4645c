"""Texts about trials for display."""

from collections.abc import Iterable

from recsearch.study.trial import Trial, TrialState


def count_text(trials: Iterable[Trial]) -> str:
    """Returns the number of trials in each state: "3 trials: 2 completed, 1 failed"."""
    states = [trial.state for trial in trials]
    counts = {state: states.count(state) for state in TrialState}
    parts = [f"{n} {state.text}" for state, n in counts.items() if n]
    total = f"{len(states):,} trial{'' if len(states) == 1 else 's'}"
    return f"{total}: {', '.join(parts)}" if parts else total
