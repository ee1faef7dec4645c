import base64
import gzip
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
from planted_run import HOSTILE, RUN, SHOWN, TOLD_OF_TEST, JournalByHand, plant_run, planted_metrics

from recsearch.api.run import Run
from recsearch.report.packing import packed
from recsearch.report.page import render_report, write_report
from recsearch.results import load_run


def unpacked(text: str) -> str:
    """Returns the text that was given to `packed`."""
    return gzip.decompress(base64.b64decode(text)).decode()


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
def page(run: Run) -> Page:
    return Page(render_report(run))


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
    full = replace(run, tested=planted_metrics(**TOLD_OF_TEST), user_examples=SHOWN)
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
    page = Page(render_report(replace(run, tested=planted_metrics(**TOLD_OF_TEST))))
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
        "import sys; from recsearch.cli.program import main; main(['report', sys.argv[1]]); "
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
    source = render_report(replace(run, user_examples=SHOWN))
    page = Page(source)
    assert "<script>alert(1)" not in source
    assert f"User {HOSTILE}" in page.text
    assert "Heat (1995)" in page.text
    assert source.count('<li class="hit">') == 1


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
    assert "The run has not ended: nothing has been measured on the test part yet." in page.text
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


def test_tables_of_many_columns_are_printed_smaller(run: Run) -> None:
    source = render_report(run)
    assert source.count('<table class="sortable wide">') == 1  # the leaderboard of 14 columns
    assert source.count('<table class="sortable">') > 2
