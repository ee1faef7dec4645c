"""What stands in the tables of a report, before it is HTML."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from planted_run import HOSTILE, METRICS, RUN, SHOWN, JournalByHand, described, planted_metrics

from recsearch.api.run import Run
from recsearch.report.page import render_report
from recsearch.report.sections import cells, ranges, reproduction, trials, winner
from recsearch.report.sections.cost import cost_facts
from recsearch.report.sections.recommendations import Item, recommendations
from recsearch.results import load_run
from recsearch.results.run_description import RUN_SCHEMA, RunDescription


def facts(rows: cells.Facts) -> dict[str, str]:
    return dict(rows)


def texts(table: cells.Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_examples_tell_title_rating_and_score() -> None:
    (shown,) = recommendations(SHOWN)
    assert shown.user == HOSTILE
    assert shown.lists == (
        ("Training items", (Item("Heat (1995)", "id 6, rated 4", False),)),
        ("Recommended items", (Item(HOSTILE, "id 9, score 4.25", True), Item("12", "", False))),
    )
    assert recommendations(None) == ()


def test_labels_of_examples_are_ratings_for_ratings_alone() -> None:
    (shown,) = recommendations(SHOWN, task="click")
    assert shown.lists[0] == ("Training items", (Item("Heat (1995)", "id 6, label 4", False),))


def test_results_table_puts_the_best_first_and_marks_the_winner() -> None:
    table = winner.results(planted_metrics())
    assert table.headers == ("model", "rmse (lower is better)", "mae")
    assert texts(table) == [
        ["neumf, trial 0000", "0.912", "0.715"],
        ["bias", "0.944", "0.75"],
        ["item_knn", "0.95", "0.74"],
    ]
    assert table.highlighted == 0
    assert winner.skipped(planted_metrics()) == (("ease", "20,000 items need 3.2 GB."),)


def test_results_table_shows_a_winner_that_lost_where_it_stands() -> None:
    table = winner.results(planted_metrics(test={"rmse": 0.946, "mae": 0.7}))
    assert table.highlighted == 1


def test_protocol_tells_looks_and_export() -> None:
    told = facts(winner.protocol(planted_metrics()))
    assert told["evaluations on the test part"] == "1"
    assert told["export"] == "verified in a fresh process (largest difference 1e-07)"
    assert told["winner on validation"].startswith("rmse 0.9, mae 0.7 (the winner was")


def test_cost_tells_time_parameters_and_size(run: Run) -> None:
    assert facts(cost_facts(run)) == {
        "search": "28 s for 3 trials and 6 epochs",
        "training": "7.5 s on all workers together; median per trial 2.5 s",
        "retraining the winner": "1 min 23 s",
        "measuring on the test part": "4.2 s",
        "parameters of the winner": "123,456",
        "size of the export": "3 MiB",
    }


def test_cost_of_a_run_without_trials_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1}))
    assert cost_facts(load_run(tmp_path)) == ()


def test_protocol_leaves_out_the_training_loss_and_counts_one_epoch_as_one() -> None:
    validation = {"train_loss": 1.1, "rmse": 0.9}
    one_epoch = {**METRICS["winner"], "epochs": 1}
    told = facts(winner.protocol(planted_metrics(validation=validation, winner=one_epoch)))
    assert told["winner on validation"].startswith("rmse 0.9 (the")
    assert "; 1 epoch; " in told["winner"]


def test_protocol_warns_of_a_second_look_at_the_test_part() -> None:
    told = facts(winner.protocol(planted_metrics(test_looks=2)))
    assert told["evaluations on the test part"] == "2, so the test metrics may be optimistic"


def test_settings_leave_out_what_is_not_set() -> None:
    assert facts(reproduction.settings(described())) == {
        "tuner": "hyperband",
        "max epochs": "3",
        "seed": "7",
        "workers": "2",
    }


def test_settings_and_seed_stand_as_they_would_be_typed() -> None:
    config = {"seed": 20260101, "set": ["dropout=0.5", "l2=1e-4:1e-2"], "enqueue": []}
    only = RunDescription.from_json({"schema": RUN_SCHEMA, "config": config})
    assert facts(reproduction.settings(only)) == {
        "seed": "20260101",
        "set": "dropout=0.5, l2=1e-4:1e-2",
    }
    assert facts(reproduction.reproduction(only)) == {"seed": "20260101"}


def test_command_is_quoted_for_the_shell_unless_it_is_a_call() -> None:
    assert (
        reproduction.command(described()) == "recsearch run neumf wide_deep --data 'my ratings.csv'"
    )
    assert (
        reproduction.command(described(command=["recsearch.search(['neumf'])"]))
        == "recsearch.search(['neumf'])"
    )


def test_data_facts_are_readable() -> None:
    told = facts(reproduction.data(described()))
    assert told["interactions"] == "100,000"
    assert told["label"] == "1 to 5, mean 3.53"
    assert told["columns"] == "user = userId, item = movieId"
    assert (
        facts(reproduction.data(RunDescription()))["file"]
        == "built-in generated data (no --data was given)"
    )


def test_leaderboard_ranks_the_trials_and_puts_those_without_a_score_last(run: Run) -> None:
    table = trials.leaderboard(run)
    assert table.headers[:4] == ("rank", "trial", "space", "rmse")
    assert table.headers[9:] == ("embedding_dim", "optimizer", "cross", "name", "momentum")
    assert [row[:5] for row in texts(table)] == [
        ["1", "0000", "neumf", "0.9", "completed"],
        ["2", "0001", "wide_deep", "0.92", "completed"],
        ["3", "0002", "neumf", "1.2", "stopped early"],
        ["-", "0003", "wide_deep", "-", "failed"],
        ["-", "0004", "neumf", "-", "infeasible"],
        ["-", "0005", "neumf", "-", "running"],
    ]
    assert [row[3].key for row in table.rows] == [0.9, 0.92, 1.2, None, None, None]


def test_leaderboard_has_every_trial(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    journal = JournalByHand(tmp_path)
    for number in range(60):
        trial_id = f"{number:04d}"
        journal.start(trial_id, "neumf", 1, embedding_dim=number)
        journal.epochs(trial_id, 2.0 - number / 100)
        journal.end(trial_id)
    journal.close()
    run = load_run(tmp_path)
    shown = texts(trials.leaderboard(run))
    assert len(shown) == 60
    assert (shown[0][1], shown[0][9]) == ("0059", "59")
    assert "All 60 trials" in render_report(run)


def test_leaderboard_that_is_cut_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "MAX_ROWS", 2)
    assert len(trials.leaderboard(run).rows) == 2
    assert "2 of 6 trials, ordered by validation score" in render_report(run)


def test_failures_have_reasons_and_values(run: Run) -> None:
    assert texts(trials.failures(run)) == [
        ["0003", "wide_deep", "failed", "1", f"ValueError: {HOSTILE}",
         "embedding_dim = 64, cross = False"],
        ["0004", "neumf", "infeasible", "1", "needs 64 GB",
         "embedding_dim = 128, optimizer = adam"],
    ]  # fmt: skip


def test_space_table_tells_ranges_conditions_and_the_best_values(run: Run) -> None:
    assert texts(ranges.space(run)) == [
        ["neumf", "embedding_dim", "8 to 128, log, step 2", "32", "", "32"],
        ["neumf", "optimizer", "sgd, adam", "adam", "", "adam"],
        ["neumf", "momentum", "0 to 0.9, linear", "0.5", "optimizer is sgd", "-"],
        ["wide_deep", "embedding_dim", "8 to 64, log, step 2", "16", "", "-"],
        ["wide_deep", "cross", "True, False", "True", "", "-"],
    ]


def test_space_table_shows_a_fixed_hyperparameter_as_such(run: Run) -> None:
    fixed = {"name": "neumf/depth", "kind": "Fixed", "default": 3, "values": None}
    run = replace(run, description=described(space=[fixed]))
    assert texts(ranges.space(run))[0][2] == "always 3"


def test_reproduction_names_versions_seed_data_and_machine() -> None:
    assert facts(reproduction.reproduction(described())) == {
        "started": "2026-01-01T12:00:00+00:00",
        "seed": "7",
        "data fingerprint": "sha256:abc123",
        "versions": "recsearch 0.1.0, python 3.11.7, keras-tuner 1.4.8",
        "machine": "2 cores, 23.5 GB of memory, Linux x86_64",
    }
