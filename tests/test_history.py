"""The indexes of a history against what a look at all trials finds."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from recsearch.study.history import History
from recsearch.study.seen_configurations import Tried
from recsearch.study.trial import Epoch, Objective, Trial, TrialState

LOSS = Objective("loss", "min")
KNOWN = frozenset({"mlp/layers", "mlp/units"})


def trial(number: int, state: TrialState = TrialState.WAITING, **changes) -> Trial:
    return replace(Trial(f"{number:04d}", "mlp", {"layers": 1}, 3, state), **changes)


def epochs(*losses: float) -> tuple[Epoch, ...]:
    return tuple(Epoch(i, {"loss": loss}, 0.1) for i, loss in enumerate(losses, 1))


PUTS = st.lists(
    st.builds(
        trial,
        st.integers(0, 5),
        st.sampled_from(TrialState),
        bracket=st.just(None),
        values=st.fixed_dictionaries(
            {}, optional={"layers": st.integers(1, 3), "units": st.just(8), "unseen": st.just(4)}
        ),
        curve=st.lists(st.floats(0, 1), max_size=3).map(lambda losses: epochs(*losses)),
    ),
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(PUTS, st.booleans())
def test_indexes_equal_those_of_the_final_trials(puts: list[Trial], asked_early: bool) -> None:
    history, final = History(), {}
    if asked_early:
        history.tried(KNOWN)
    for put in puts:
        history.put(put)
        final[put.trial_id] = put
    trials = list(final.values())
    assert list(history) == trials
    assert [history[i] for i in range(len(history))] == history[:] == trials
    assert dict(history.by_id) == final
    assert history.num_epochs == sum(len(t.curve) for t in trials)
    for state in TrialState:
        assert history.in_state(state) == [t for t in trials if t.state is state]
    fresh = Tried(KNOWN)
    for t in trials:
        fresh.add(t.space, t.values)
    tried = history.tried(KNOWN)
    assert len(tried) == len(fresh)
    for layers in (1, 2, 3):
        for values in ({"layers": layers}, {"layers": layers, "units": 8}, {}):
            assert (("mlp", values) in tried) == (("mlp", values) in fresh)


def test_trials_come_in_the_order_of_proposal_beyond_four_digits() -> None:
    history = History(trial(number) for number in (9999, 10000, 10001))
    assert [t.trial_id for t in history.in_state(TrialState.WAITING)] == ["9999", "10000", "10001"]


def test_bracket_holds_its_own_trials() -> None:
    history = History([trial(0, bracket=1), trial(1, bracket=0), trial(2, bracket=1), trial(3)])
    assert [t.trial_id for t in history.of_bracket(1)] == ["0000", "0002"]
    assert [history.size_of_bracket(number) for number in (0, 1, 2)] == [1, 2, 0]


def test_best_up_to_an_epoch_follows_the_curve() -> None:
    history = History([trial(0, curve=epochs(3.0, 1.0))])
    assert history.best_up_to(history[0], LOSS, 1) == 3.0
    history.put(trial(0, curve=epochs(2.0, 1.0, 0.5)))
    assert history.best_up_to(history[0], LOSS, 1) == 2.0
    assert history.best_up_to(history[0], LOSS, 3) == 0.5
    assert history.best_up_to(trial(1), LOSS, 3) is None


def test_history_of_a_history_is_itself() -> None:
    history = History([trial(0)])
    assert History.of(history) is history
    assert list(History.of([trial(0)])) == [trial(0)]
