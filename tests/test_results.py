import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_run import HOSTILE, METRICS, RUN, JournalByHand, plant_run

from recsearch.api.run import Run, load
from recsearch.errors import RunDirectoryError, UsageError
from recsearch.results import (
    Measurement,
    Stay,
    trials_table,
    write_trials_csv,
)
from recsearch.study.trial import Trial
from recsearch.study.wording import count_text
from recsearch.text.wording import duration_text, number_text


def test_trials_has_one_row_a_trial_and_hyperparameters_in_order(run: Run) -> None:
    table = run.trials()
    assert list(table.columns) == [
        "trial_id", "state", "space", "score", "best_epoch", "epochs", "seconds", "attempt",
        "message", "bracket", "rung", "num_parameters",
        "embedding_dim", "optimizer", "cross", "name", "momentum",
    ]  # fmt: skip
    assert table["trial_id"].tolist() == ["0000", "0001", "0002", "0003", "0004", "0005"]
    assert table["state"].tolist() == [
        "COMPLETED", "COMPLETED", "STOPPED_EARLY", "FAILED", "INFEASIBLE", "RUNNING",
    ]  # fmt: skip
    assert table["score"].tolist()[:3] == [0.9, 0.92, 1.2]
    assert table["best_epoch"].tolist()[:3] == [2, 2, 1]
    assert table["epochs"].tolist() == [3, 2, 1, 0, 0, 0]
    assert table["rung"].tolist() == [0, 1, 0, 0, 0, 0]


def test_trials_marks_what_is_missing_as_na_in_typed_columns(run: Run) -> None:
    table = run.trials().set_index("trial_id")
    assert table.loc["0003", "score"] is pd.NA
    assert table.loc["0000", "message"] is pd.NA
    assert table.loc["0003", "message"] == f"ValueError: {HOSTILE}"
    assert table.loc["0000", "cross"] is pd.NA
    assert str(table["embedding_dim"].dtype) == "Int64"
    assert str(table["momentum"].dtype) == "Float64"
    assert str(table["cross"].dtype) == "boolean"


def test_trials_prefixes_a_hyperparameter_called_like_a_column() -> None:
    table = trials_table([Trial("0000", "mine", {"epochs": 5, "mixed": 1}, epochs=1)])
    assert table["epochs"].tolist() == [0]
    assert table["hp/epochs"].tolist() == [5]


def test_trials_keeps_numbers_and_texts_of_one_name_as_they_are() -> None:
    trials = [
        Trial(f"000{n}", "mine", values, epochs=1)
        for n, values in enumerate([{"units": 8}, {"units": "many"}, {}])
    ]
    assert trials_table(trials)["units"].tolist() == [8, "many", pd.NA]


def test_trials_of_an_empty_journal_has_the_fixed_columns(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    run = load(tmp_path)
    assert run.trials().shape == (0, 12)
    assert run.best() is None
    assert run.summary().startswith(f"{tmp_path.name}: 0 trials.\n")


def test_curves_has_one_row_an_epoch_and_one_column_a_metric(run: Run) -> None:
    table = run.curves()
    assert list(table.columns) == ["trial_id", "space", "epoch", "seconds", "loss", "rmse"]
    assert table["trial_id"].tolist() == ["0000", "0000", "0000", "0001", "0001", "0002"]
    assert table["epoch"].tolist() == [1, 2, 3, 1, 2, 1]
    assert table["rmse"].tolist() == [1.0, 0.9, 0.95, 1.1, 0.92, 1.2]


def test_curves_shows_a_value_that_was_not_finite_as_na(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    journal = JournalByHand(tmp_path)
    journal.start("0000", "neumf", 2)
    journal.epochs("0000", float("nan"), 1.0)
    journal.close()
    assert load(tmp_path).curves()["rmse"].isna().tolist() == [True, False]


def test_measurements_hold_each_score_when_it_became_known(run: Run) -> None:
    assert run.measurements == (
        Measurement("0000", 0.9, epochs=3, seconds=6.0),
        Measurement("0001", 1.1, epochs=1, seconds=10.0),
        Measurement("0002", 1.2, epochs=1, seconds=14.0),
        Measurement("0001", 0.92, epochs=2, seconds=18.0),
    )


def test_trainings_tell_what_ran_when(run: Run) -> None:
    first, *_, last = run.trainings
    assert first == Stay("0000", 0, 0, epochs=3, start=2.0, end=6.0, state="COMPLETED")
    assert last == Stay("0005", 0, 0, epochs=3, start=27.0, end=28.0, state="RUNNING")
    assert len(run.trainings) == 7  # of six trials, one of which was continued


def test_examples_are_read_if_the_run_left_some(run: Run) -> None:
    assert run.examples is None
    (run.directory / "best" / "examples.json").write_text('{"users": []}')
    assert load(run.directory).examples == {"users": []}


def test_best_is_the_trial_with_the_lowest_rmse(run: Run) -> None:
    best = run.best()
    assert best is not None
    assert best.trial_id == "0000"


def test_summary_of_a_finished_run_ends_with_the_verdict(run: Run) -> None:
    assert run.summary().splitlines() == [
        "planted: 6 trials: 1 running, 2 completed, 1 stopped early, 1 failed, 1 infeasible.",
        "Best by validation: trial 0000 (neumf), rmse 0.9 at epoch 2.",
        METRICS["verdict"],
    ]


def test_a_run_shows_itself_as_its_summary(run: Run) -> None:
    assert repr(run) == run.summary()


def test_summary_of_an_unfinished_run_says_so(tmp_path: Path) -> None:
    run = load(plant_run(tmp_path, finished=False))
    assert run.metrics is None
    assert run.summary().endswith("The run has not ended: there are no test metrics yet.")


def test_notebook_view_escapes_what_comes_from_the_run(run: Run) -> None:
    shown = run._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown


def test_plots_of_a_run_are_plotly_figures_with_traces(run: Run) -> None:
    drawn = (
        run.plot_history, run.plot_curves, run.plot_slice, run.plot_baselines, run.plot_parallel,
        run.plot_contour, run.plot_brackets, run.plot_timeline,
    )  # fmt: skip
    for plot in drawn:
        assert len(plot().data) >= 1, plot.__name__


def test_plot_slice_and_contour_take_names(run: Run) -> None:
    assert run.plot_slice("embedding_dim").layout.xaxis.title.text == "embedding_dim"
    drawn = run.plot_contour("optimizer", "embedding_dim").layout
    assert (drawn.xaxis.title.text, drawn.yaxis.title.text) == ("optimizer", "embedding_dim")


def test_plots_of_what_a_run_has_not_say_so(run: Run) -> None:
    # It has three trials with a score, is about ratings, and kept no predictions.
    for plot in (run.plot_importance, run.plot_predictions, run.plot_popularity):
        assert len(plot().layout.annotations) == 1, plot.__name__


def test_plot_baselines_of_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    run = load(plant_run(tmp_path, finished=False))
    with pytest.raises(RunDirectoryError, match=r"has no best/metrics\.json.*recsearch resume"):
        run.plot_baselines()


def test_trials_csv_is_the_table_without_the_last_fixed_columns(run: Run) -> None:
    path = write_trials_csv(run)
    assert path == run.directory / "trials.csv"
    assert not list(run.directory.glob("*partial*"))
    read = pd.read_csv(path, dtype={"trial_id": str})
    assert list(read.columns) == [
        "trial_id", "state", "space", "score", "best_epoch", "epochs", "seconds", "attempt",
        "message", "embedding_dim", "optimizer", "cross", "name", "momentum",
    ]  # fmt: skip
    assert read["score"].tolist()[:3] == [0.9, 0.92, 1.2]
    assert read["message"].tolist()[3] == f"ValueError: {HOSTILE}"


def test_load_run_of_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match=r"There is no directory .*absent"):
        load(tmp_path / "absent")


def test_load_run_of_another_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match=r"not a run directory of recsearch.*no run\.json"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": 1', r"run\.json is damaged: expected JSON"),
        ("[1]", r"expected a JSON object, received a list"),
        ('{"schema": 99}', "expected schema 1, received 99"),
    ],
)
def test_load_run_of_a_damaged_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunDirectoryError, match=message):
        load(tmp_path)


def test_recommender_of_an_unfinished_run_is_refused(run: Run) -> None:
    with pytest.raises(RunDirectoryError, match=r"no exported model at .*recsearch resume"):
        run.recommender()


def test_recommend_with_k_of_zero_is_refused(run: Run) -> None:
    with pytest.raises(UsageError, match=r"k must be a whole number, at least 1\. Received 0"):
        run.recommend(1, k=0)


def save_model(path: Path, text_ids: bool) -> None:
    """Saves a model that knows two items and pads; it knows user 7 (or "7") alone."""
    import tensorflow as tf

    kind = tf.string if text_ids else tf.int64
    items = ["b", "a", ""] if text_ids else [20, 10, -1]
    known = tf.constant("7" if text_ids else 7, kind)

    @tf.function(input_signature=[tf.TensorSpec([None], kind), tf.TensorSpec([], tf.int32)])
    def recommend(user_id: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "item_id": tf.constant([items], kind)[:, :k],
            "score": tf.constant([[2.0, 1.0, float("-inf")]])[:, :k],
            "known_user": tf.equal(user_id, known),
        }

    module = tf.Module()
    module.recommend = recommend
    tf.saved_model.save(module, str(path), signatures={"recommend": recommend})


def test_recommend_asks_the_exported_model_and_drops_padding(run: Run) -> None:
    save_model(run.directory / "best" / "saved_model" / "1", text_ids=False)
    answer = run.recommend(7, k=3)
    assert answer["item_id"].tolist() == [20, 10]
    assert answer["score"].tolist() == [2.0, 1.0]
    assert answer.attrs["known_user"] is True
    assert run.recommend("7", k=1)["item_id"].tolist() == [20]
    assert run.recommend(8).attrs["known_user"] is False
    with pytest.raises(UsageError, match=r"are whole numbers\. Received 'seven'"):
        run.recommend("seven")


def test_recommend_gives_ids_of_text_as_text(run: Run) -> None:
    save_model(run.directory / "best" / "saved_model" / "1", text_ids=True)
    answer = run.recommend("7", k=3)
    assert answer["item_id"].tolist() == ["b", "a"]
    assert answer.attrs["known_user"] is True


def test_tables_plots_and_page_import_no_tensorflow() -> None:
    code = (
        "import sys, recsearch.results, recsearch.report.page, recsearch.report.drawing; "
        "print([m for m in ('tensorflow', 'keras', 'keras_tuner') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.91234, "0.9123"),
        (0.5, "0.5"),
        (0.0001, "0.0001"),
        (123.456, "123.5"),
        (12345.678, "12,346"),
        (100_000, "100,000"),
        (0, "0"),
        (float("nan"), "nan"),
    ],
)
def test_number_text_has_four_significant_digits(value: float | None, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0, "0.0 s"),
        (4.21, "4.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (83.0, "1 min 23 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (7500.0, "2 h 05 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_duration_text_uses_the_units_that_people_do(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


def test_count_text_of_no_trials() -> None:
    assert count_text([]) == "0 trials"


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_number_text_is_within_half_a_unit_of_the_fourth_digit(value: float) -> None:
    assert float(number_text(value).replace(",", "")) == pytest.approx(value, rel=5.1e-4)
