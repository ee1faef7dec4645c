import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted_run import HOSTILE, METRICS, RUN, JournalByHand, plant_run

from recsearch.report import content
from recsearch.report.cost import cost
from recsearch.report.examples import Item, examples
from recsearch.report.packing import packed, unpacked
from recsearch.report.page import render_report, write_report
from recsearch.report.predictions import binned_predictions
from recsearch.results import Run, load_run

EXAMPLES = {
    "users": [
        {
            "user_id": HOSTILE,
            "history": [{"item_id": 6, "title": "Heat (1995)", "label": 4.0}],
            "recommended": [
                {"item_id": 9, "title": HOSTILE, "score": 4.25, "held_out": True},
                {"item_id": 12},
            ],
        }
    ]
}
TOLD_OF_TEST = {
    "lists": {"coverage@10": 0.5},
    "predictions": binned_predictions(np.array([1.0, 5.0]), np.array([2.0, 4.5])),
}


class Page(HTMLParser):
    """What a browser makes of a page: the scripts it finds, the addresses, the visible text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.addresses: list[str] = []
        self.anchors: list[str] = []
        self.policy = ""
        self.ids: list[str] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._inside = [tag]
        links = [value or "" for key, value in attrs if key in ("src", "href")]
        self.addresses += [link for link in links if not link.startswith("#")]
        self.anchors += [link[1:] for link in links if link.startswith("#")]
        self.ids += [given["id"] or ""] if "id" in given else []
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        if tag == "script":
            self.scripts.append((given, ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = []

    def handle_data(self, data: str) -> None:
        if self._inside == ["script"]:
            given, text = self.scripts[-1]
            self.scripts[-1] = (given, text + data)
        elif self._inside != ["style"]:
            self.text += data

    @property
    def plots(self) -> dict[str, Any]:
        return {
            given["data-plot"] or "": json.loads(unpacked(text))
            for given, text in self.scripts
            if "data-plot" in given
        }


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return load_run(plant_run(tmp_path / "planted"))


@pytest.fixture
def page(run: Run) -> Page:
    return Page(render_report(run))


def facts(rows: content.Facts) -> dict[str, str]:
    return dict(rows)


def texts(table: content.Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_report_is_written_whole_into_the_run_directory(run: Run) -> None:
    path = write_report(run)
    assert path == run.directory / "report.html"
    assert path.read_text(encoding="utf-8").endswith("</html>")
    assert not list(run.directory.glob("*partial*"))


SECTIONS = (
    "verdict", "cost", "examples", "quality", "search", "tested", "leaderboard", "space", "data",
    "reproduce",
)  # fmt: skip


def test_page_has_its_sections_from_top_to_bottom(run: Run) -> None:
    full = replace(run, metrics={**METRICS, **TOLD_OF_TEST}, examples=EXAMPLES)
    page = Page(render_report(full))
    assert tuple(each for each in page.ids if each in SECTIONS) == SECTIONS
    assert tuple(page.anchors) == SECTIONS


def test_page_leaves_out_the_sections_that_would_be_empty(page: Page) -> None:
    assert set(SECTIONS) - set(page.anchors) == {"examples", "tested"}
    assert set(page.anchors) <= set(page.ids)


def test_page_has_a_plot_for_each_block(page: Page) -> None:
    assert list(page.plots) == [
        "baselines", "history", "curves", "parallel", "contour", "brackets", "timeline", "slice-0",
        "slice-1",
    ]  # fmt: skip
    assert set(page.plots) <= set(page.ids)


def test_page_shows_what_the_test_part_told(run: Run) -> None:
    page = Page(render_report(replace(run, metrics={**METRICS, **TOLD_OF_TEST})))
    assert list(page.plots)[-2:] == ["predictions", "popularity"]


def test_page_names_no_address_and_its_policy_loads_nothing(page: Page) -> None:
    assert page.addresses == []
    assert page.policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "script-src 'unsafe" not in page.policy
    assert "http" not in page.policy


def test_policy_lets_exactly_the_scripts_of_the_page_run(page: Page) -> None:
    running = [text for given, text in page.scripts if "type" not in given]
    library = [unpacked(text) for given, text in page.scripts if given.get("id") == "library"]
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (*running, *library)
    ]
    assert (len(running), len(library)) == (1, 1)
    assert re.findall(r"'sha256-([^']+)'", page.policy) == digests


def test_packed_texts_are_unpacked_the_same_and_cannot_end_an_element() -> None:
    text = 1000 * HOSTILE
    assert unpacked(packed(text)) == text
    assert packed(text) == packed(text)
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed(text))
    assert len(packed(text)) < len(text) / 50


def test_report_command_imports_no_heavy_module(run: Run) -> None:
    code = (
        "import sys; from recsearch.cli import main; main(['report', sys.argv[1]]); "
        "heavy = ('tensorflow', 'keras', 'keras_tuner', 'ray', 'sklearn', 'optuna'); "
        "print([name for name in heavy if name in sys.modules], len(sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(run.directory)], capture_output=True, text=True, check=True
    )
    *_, heavy, count = told.stdout.split()
    assert heavy == "[]"
    assert int(count) < 2000


def test_page_of_three_hundred_trials_is_small(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1}))
    journal = JournalByHand(tmp_path)
    rng = np.random.default_rng(0)
    names = [f"hyperparameter_{number}" for number in range(12)]
    for number in range(300):
        trial_id = f"{number:04d}"
        journal.start(trial_id, "neumf", 10, **dict(zip(names, rng.random(12), strict=True)))
        journal.epochs(trial_id, *rng.random(10))
        journal.end(trial_id)
    journal.close()
    source = render_report(load_run(tmp_path))
    assert len(source.encode()) < 8e6
    assert len(Page(source).plots) == 7 + len(names)


def test_examples_stand_on_the_page_as_text(run: Run) -> None:
    source = render_report(replace(run, examples=EXAMPLES))
    page = Page(source)
    assert "<script>alert(1)" not in source
    assert f"User {HOSTILE}" in page.text
    assert "Heat (1995)" in page.text
    assert source.count('<li class="hit">') == 1


def test_examples_tell_title_rating_and_score() -> None:
    (shown,) = examples(EXAMPLES)
    assert shown.user == HOSTILE
    assert shown.lists == (
        ("has in training", (Item("Heat (1995)", "id 6, rated 4", False),)),
        ("is recommended", (Item(HOSTILE, "id 9, score 4.25", True), Item("12", "", False))),
    )
    assert examples(None) == ()


def test_labels_of_examples_are_ratings_for_ratings_alone() -> None:
    (shown,) = examples(EXAMPLES, task="click")
    assert shown.lists[0] == ("has in training", (Item("Heat (1995)", "id 6, label 4", False),))


def test_hostile_texts_stay_text(run: Run, page: Page) -> None:
    # The path, the message of trial 0003 and a value of trial 0001 each try to be a script.
    assert "<script>alert(1)" not in render_report(run)
    assert page.text.count(HOSTILE) >= 3
    hovers = [
        text for trace in page.plots["history"]["data"] for text in trace.get("hovertext", ())
    ]
    assert any("&lt;script&gt;alert(1)" in hover for hover in hovers)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    directory = tmp_path / "<script>alert(2)"
    directory.mkdir()
    family = "<script>alert(3)"
    described = {**RUN, "command": ["recsearch", "--out", "<script>alert(4)"], "space": []}
    (directory / "run.json").write_text(json.dumps(described))
    journal = JournalByHand(directory, objective="rmse")
    for number in range(2):
        trial_id = f"000{number}"
        journal.start(trial_id, family, 1, **{"<script>alert(5)": number})
        journal.epochs(trial_id, 1.0 + number)
        journal.end(trial_id)
    journal.append("note", text="<script>alert(6)")
    journal.close()
    source = render_report(load_run(directory))
    assert "<script>alert" not in source
    for number in range(2, 7):
        assert f"&lt;script&gt;alert({number})" in source


def test_page_of_an_unfinished_run_says_so_and_shows_what_there_is(tmp_path: Path) -> None:
    page = Page(render_report(load_run(plant_run(tmp_path, finished=False))))
    assert "The run has not ended: nothing was measured on the test part yet." in page.text
    assert "So far trial 0000 (neumf) is best on the validation part, with rmse 0.9." in page.text
    assert "baselines" not in page.plots
    assert {"history", "curves", "timeline"} <= set(page.plots)


def test_page_of_a_run_without_trials_does_without_plotly(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1}))
    source = render_report(load_run(tmp_path))
    assert "No trial has a score so far." in source
    assert "nothing to draw yet" in source
    assert len(source) < 50_000


def test_page_of_a_run_whose_trials_all_failed_lists_the_reasons(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    journal = JournalByHand(tmp_path)
    journal.start("0000", "neumf", 1)
    journal.end("0000", "FAILED", "ValueError: shapes do not fit")
    journal.close()
    page = Page(render_report(load_run(tmp_path)))
    assert "ValueError: shapes do not fit" in page.text
    assert list(page.plots) == ["timeline"]


def test_results_table_puts_the_best_first_and_marks_the_winner() -> None:
    table = content.results(METRICS)
    assert table.headers == ("on the test part", "rmse (lower is better)", "mae")
    assert texts(table) == [
        ["neumf, trial 0000", "0.912", "0.715"],
        ["bias", "0.944", "0.75"],
        ["item_knn", "0.95", "0.74"],
    ]
    assert table.highlighted == 0
    assert content.skipped(METRICS) == (("ease", "20,000 items need 3.2 GB."),)


def test_results_table_shows_a_winner_that_lost_where_it_stands() -> None:
    table = content.results({**METRICS, "test": {"rmse": 0.946, "mae": 0.7}})
    assert table.highlighted == 1


def test_protocol_tells_looks_and_export() -> None:
    told = facts(content.protocol(METRICS))
    assert told["looks at the test part"] == "once"
    assert told["export"] == "verified in a fresh process (largest difference 1e-07)"
    assert told["winner on validation"].startswith("rmse 0.9, mae 0.7 (it was chosen")


def test_cost_tells_time_parameters_and_size(run: Run) -> None:
    assert facts(cost(run)) == {
        "search": "28 s for 3 trials and 6 epochs",
        "training in it": "7.5 s on all workers together; median of a trial 2.5 s",
        "retraining the winner": "1 min 23 s",
        "measuring on the test part": "4.2 s",
        "parameters of the winner": "123,456",
        "size of the export": "3 MiB",
    }


def test_cost_of_a_run_without_trials_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1}))
    assert cost(load_run(tmp_path)) == ()


def test_protocol_leaves_out_the_training_loss_and_counts_one_epoch_as_one() -> None:
    validation = {"train_loss": 1.1, "rmse": 0.9}
    winner = {**METRICS["winner"], "epochs": 1}
    told = facts(content.protocol({**METRICS, "validation": validation, "winner": winner}))
    assert told["winner on validation"].startswith("rmse 0.9 (it")
    assert "; 1 epoch; " in told["winner"]


def test_tables_of_many_columns_are_printed_smaller(run: Run) -> None:
    source = render_report(run)
    assert source.count('<table class="sortable wide">') == 1  # the leaderboard of 14 columns
    assert source.count('<table class="sortable">') > 2


def test_protocol_warns_of_a_second_look_at_the_test_part() -> None:
    told = facts(content.protocol({**METRICS, "test_looks": 2}))
    assert told["looks at the test part"].startswith("2 times, so that the numbers may flatter")


def test_settings_leave_out_what_is_not_set() -> None:
    assert facts(content.settings(RUN)) == {
        "tuner": "hyperband",
        "max epochs": "3",
        "seed": "7",
        "workers": "2",
    }


def test_settings_and_seed_stand_as_they_would_be_typed() -> None:
    config = {"config": {"seed": 20260101, "set": ["dropout=0.5", "l2=1e-4:1e-2"], "enqueue": []}}
    assert facts(content.settings(config)) == {
        "seed": "20260101",
        "set": "dropout=0.5, l2=1e-4:1e-2",
    }
    assert facts(content.reproduction(config)) == {"seed": "20260101"}


def test_command_is_quoted_for_the_shell_unless_it_is_a_call() -> None:
    assert content.command(RUN) == "recsearch run neumf wide_deep --data 'my ratings.csv'"
    assert (
        content.command({"command": ["recsearch.search(['neumf'])"]})
        == "recsearch.search(['neumf'])"
    )


def test_data_facts_are_readable() -> None:
    told = facts(content.data(RUN))
    assert told["interactions"] == "100,000"
    assert told["label"] == "1 to 5, mean 3.53"
    assert told["columns"] == "user = userId, item = movieId"
    assert facts(content.data({}))["file"] == "generated data (none was given)"


def test_leaderboard_ranks_the_trials_and_puts_those_without_a_score_last(run: Run) -> None:
    table = content.leaderboard(run)
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
    shown = texts(content.leaderboard(run))
    assert len(shown) == 60
    assert (shown[0][1], shown[0][9]) == ("0059", "59")
    assert "All 60 trials" in render_report(run)


def test_leaderboard_that_is_cut_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MAX_ROWS", 2)
    assert len(content.leaderboard(run).rows) == 2
    assert "The first 2 of 6 trials" in render_report(run)


def test_failures_have_reasons_and_values(run: Run) -> None:
    assert texts(content.failures(run)) == [
        ["0003", "wide_deep", "failed", "1", f"ValueError: {HOSTILE}",
         "embedding_dim = 64, cross = False"],
        ["0004", "neumf", "infeasible", "1", "needs 64 GB",
         "embedding_dim = 128, optimizer = adam"],
    ]  # fmt: skip


def test_space_table_tells_ranges_conditions_and_the_best_values(run: Run) -> None:
    assert texts(content.space(run)) == [
        ["neumf", "embedding_dim", "8 to 128, log, step 2", "32", "", "32"],
        ["neumf", "optimizer", "sgd, adam", "adam", "", "adam"],
        ["neumf", "momentum", "0 to 0.9, linear", "0.5", "optimizer is sgd", "-"],
        ["wide_deep", "embedding_dim", "8 to 64, log, step 2", "16", "", "-"],
        ["wide_deep", "cross", "True, False", "True", "", "-"],
    ]


def test_space_table_shows_a_fixed_hyperparameter_as_such(run: Run) -> None:
    fixed = {"name": "neumf/depth", "kind": "Fixed", "default": 3, "values": None}
    run = Run(run.directory, {**RUN, "space": [fixed]}, run.state, (), None)
    assert texts(content.space(run))[0][2] == "always 3"


def test_reproduction_names_versions_seed_data_and_machine() -> None:
    assert facts(content.reproduction(RUN)) == {
        "started": "2026-01-01T12:00:00+00:00",
        "seed": "7",
        "data fingerprint": "sha256:abc123",
        "versions": "recsearch 0.1.0, python 3.11.7, keras-tuner 1.4.8",
        "machine": "2 cores, 23.5 GB of memory, Linux x86_64",
    }
