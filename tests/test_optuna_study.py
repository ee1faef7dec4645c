import sys
from pathlib import Path

import pytest
from planted_run import HOSTILE, JournalByHand, plant_run

from recsearch.api.run import load
from recsearch.errors import UsageError


def test_absent_optuna_is_told_with_the_way_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"Install it: pip install 'recsearch\[optuna\]'"):
        load(plant_run(tmp_path)).to_optuna()


@pytest.fixture
def quiet_optuna() -> None:
    optuna = pytest.importorskip("optuna", reason="the extra recsearch[optuna] is not installed")
    optuna.logging.set_verbosity(optuna.logging.WARNING)


pytestmark = pytest.mark.filterwarnings("ignore:Some regimes:UserWarning")  # six trials are few


@pytest.mark.usefixtures("quiet_optuna")
def test_run_without_trials_is_refused(tmp_path: Path) -> None:
    directory = plant_run(tmp_path)
    (directory / "journal.jsonl").write_text("")
    with pytest.raises(UsageError, match="has no trials yet"):
        load(directory).to_optuna()


@pytest.mark.usefixtures("quiet_optuna")
def test_study_has_the_same_trials_states_and_values(tmp_path: Path) -> None:
    run = load(plant_run(tmp_path / "night"))
    study = run.to_optuna()
    assert study.study_name == "night"
    assert study.direction.name == "MINIMIZE"
    assert study.user_attrs["recsearch_objective"] == "rmse"
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "COMPLETE", "PRUNED", "FAIL", "FAIL", "RUNNING"]
    assert [trial.value for trial in study.trials] == [0.9, 0.92, 1.2, None, None, None]
    assert study.best_trial.number == 0
    assert study.trials[0].params == {"space": "neumf", "embedding_dim": 32, "optimizer": "adam"}
    assert study.trials[1].intermediate_values == {1: 1.1, 2: 0.92}
    assert study.trials[3].user_attrs["recsearch_message"] == f"ValueError: {HOSTILE}"
    assert study.trials[4].user_attrs["recsearch_state"] == "INFEASIBLE"


@pytest.mark.usefixtures("quiet_optuna")
def test_distributions_hold_the_ranges_of_all_families(tmp_path: Path) -> None:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    study = load(plant_run(tmp_path)).to_optuna()
    first, second, *_ = (trial.distributions for trial in study.trials)
    assert first["embedding_dim"] == second["embedding_dim"] == IntDistribution(8, 128, log=True)
    assert first["optimizer"] == CategoricalDistribution(("sgd", "adam"))


@pytest.mark.usefixtures("quiet_optuna")
def test_times_are_those_of_the_journal(tmp_path: Path) -> None:
    study = load(plant_run(tmp_path)).to_optuna()
    first, *_, last = study.trials
    assert first.datetime_start is not None
    assert first.datetime_start.timestamp() == 1002.0
    assert first.duration is not None
    assert first.duration.total_seconds() == 4.0
    assert last.datetime_complete is None


@pytest.mark.usefixtures("quiet_optuna")
def test_trials_that_wait_or_rest_are_unfinished(tmp_path: Path) -> None:
    directory = plant_run(tmp_path)
    journal = JournalByHand(directory)
    waiting = {"space": "neumf", "values": {}, "epochs": 3, "final": True}
    journal.append("trial_waiting", trial_id="0006", **waiting)
    journal.start("0007", "neumf", 1)
    journal.epochs("0007", 1.5)
    journal.pause("0007")
    journal.close()
    study = load(directory).to_optuna()
    assert [trial.state.name for trial in study.trials[6:]] == ["WAITING", "RUNNING"]
    assert study.trials[7].intermediate_values == {1: 1.5}


@pytest.mark.usefixtures("quiet_optuna")
def test_plots_and_importances_of_optuna_open_it(tmp_path: Path) -> None:
    import optuna

    study = load(plant_run(tmp_path)).to_optuna()
    plots = optuna.visualization
    for draw in (
        plots.plot_optimization_history,
        plots.plot_intermediate_values,
        plots.plot_parallel_coordinate,
        plots.plot_slice,
        plots.plot_timeline,
    ):
        assert len(draw(study).data) > 0, draw.__name__
    assert "embedding_dim" in optuna.importance.get_param_importances(study)


@pytest.mark.usefixtures("quiet_optuna")
def test_study_in_a_database_is_read_back(tmp_path: Path) -> None:
    import optuna

    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    load(plant_run(tmp_path / "night")).to_optuna(storage)
    read = optuna.load_study(study_name="night", storage=storage)
    assert [trial.state.name for trial in read.trials][:3] == ["COMPLETE", "COMPLETE", "PRUNED"]
    assert read.best_value == 0.9
    with pytest.raises(UsageError, match=r"already has a study called 'night'.*another storage"):
        load(tmp_path / "night").to_optuna(storage)
