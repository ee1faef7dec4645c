"""The pages in a real browser: drawn, readable, sortable, and silent, without a network."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browsed_runs import HOSTILE_ID, search_all
from browser import (
    CONTRAST,
    Visit,
    boxes,
    chromium,
    draw,
    draw_all,
    hover_text,
    is_wider_than_its_screen,
    num_foreign_scripts,
    num_marks,
    overlapping,
)
from planted_run import HOSTILE, SHOWN, TOLD_OF_TEST, plant_run, planted_metrics

from recsearch.cli.program import main
from recsearch.report.page import render_report
from recsearch.results import load_run

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SEARCH = {"history", "curves", "parallel", "contour", "timeline"}
PLOTS = {
    "ratings": {"baselines", *SEARCH, "importance", "brackets", "predictions"},
    "implicit": {"baselines", *SEARCH, "importance", "popularity"},
    "click": {"baselines", "history", "curves", "parallel", "timeline"},
}
"""What the report of each run must draw, but for the slices: one a hyperparameter that varied."""

SCREENS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "is_mobile": True,
        "has_touch": True,
    },
}
ON_PAPER = 718  # CSS pixels of an A4 sheet between margins of 10 mm


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    # Not for the session: while it is open an event loop runs, which other tests start themselves.
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser: "Browser") -> Iterator[Visit]:
    """Opens pages; whatever they do wrong fails the test."""
    made = Visit(browser)
    yield made
    made.close()
    assert made.faults == []


@pytest.fixture(scope="module")
def runs(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The directories of real runs by task; without a browser none is made."""
    return search_all(tmp_path_factory.mktemp("browsed"))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run by hand, of hostile ids, titles, values and messages."""
    run = load_run(plant_run(tmp_path_factory.mktemp("planted") / "run"))
    full = replace(run, tested=planted_metrics(**TOLD_OF_TEST), user_examples=SHOWN)
    path = run.directory / "report.html"
    path.write_text(render_report(full), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def compared(runs: dict[str, Path]) -> Path:
    """The page that compares a real run with a copy of it whose name is hostile."""
    folder = runs["ratings"].parent
    other = folder / "<img src=x onerror=alert(1)> and a long name"
    shutil.copytree(runs["ratings"], other)
    page = folder / "compare.html"
    assert main(["compare", str(runs["ratings"]), str(other), "--out", str(page)]) == 0
    return page


def column(page: "Page", header: str) -> list[str]:
    """Returns the texts of a column of the leaderboard, from top to bottom."""
    headers = page.locator("#leaderboard th").all_inner_texts()
    number = [re.sub(r" [▲▼]$", "", each) for each in headers].index(header) + 1
    return page.locator(f"#leaderboard tbody td:nth-child({number})").all_inner_texts()


def test_whatever_a_page_does_wrong_is_noticed(browser: "Browser", tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(
        "<script>alert(1); console.error('told'); fetch('http://127.0.0.1:9/'); absent()</script>"
    )
    bad = Visit(browser)
    page = bad.open(tmp_path / "bad.html")
    page.wait_for_timeout(200)
    bad.close()
    assert {fault.partition(":")[0] for fault in bad.faults} == {
        "dialog", "error in the console", "request", "error",
    }  # fmt: skip


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", PLOTS)
def test_report_draws_every_plot_readably_on_every_screen(
    visit: Visit, runs: dict[str, Path], name: str, screen: str
) -> None:
    page = visit.open(runs[name] / "report.html", **SCREENS[screen])
    plots = draw_all(page)
    assert {each for each in plots if not each.startswith("slice-")} == PLOTS[name]
    assert any(each.startswith("slice-") for each in plots)
    assert num_marks(plots["history"], "path.point") == len(load_run(runs[name]).measurements)
    for each, plot in plots.items():
        assert num_marks(plot) > 0, each
        assert_texts_are_readable(plot)
    assert not is_wider_than_its_screen(page)


def assert_texts_are_readable(plot: "Locator") -> None:
    """Asserts that the texts of a plot are there, whole, apart from each other, in contrast."""
    texts, frame, name = boxes(plot), plot.bounding_box(), plot.get_attribute("id")
    assert texts, name
    assert frame is not None
    assert overlapping(texts) == [], name
    cut = [
        text["text"]
        for text in texts
        if min(text["left"], text["top"]) < -1
        or text["right"] > frame["width"] + 1
        or text["bottom"] > frame["height"] + 1
    ]
    assert cut == [], name
    assert plot.locator(".xtick text, .ytick text").first.evaluate(CONTRAST) > 4.5, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_has_readable_texts(visit: Visit, planted: Path, scheme: str) -> None:
    page = visit.open(planted, color_scheme=scheme)
    for selector in (".kind", "h1", ".status", "nav a", ".verdict", "dt", "dd", "figcaption",
                     "th button", "td", ".remark", "small", "pre"):  # fmt: skip
        assert page.locator(selector).first.evaluate(CONTRAST) > 4.5, selector


def test_printing_draws_what_was_never_on_the_screen_and_fits_the_paper(
    visit: Visit, runs: dict[str, Path]
) -> None:
    page = visit.open(runs["ratings"] / "report.html", viewport={"width": 1280, "height": 900})
    page.locator("#baselines .main-svg").first.wait_for()
    assert page.locator("#timeline .main-svg").count() == 0
    page.evaluate(
        """() => addEventListener("beforeprint", () => {
          window.printed = [...document.querySelectorAll(".plot")].map(
            (plot) => plot.querySelector(".main-svg").getBoundingClientRect().width
          );
        })"""
    )
    assert page.pdf(format="A4").startswith(b"%PDF")
    widths = page.evaluate("printed")
    assert len(widths) == page.locator(".plot").count()
    assert all(100 < width <= ON_PAPER for width in widths)
    again = page.locator("#timeline .main-svg").first.bounding_box()
    assert again is not None
    assert again["width"] > 900  # as wide as the screen has room for


@pytest.mark.parametrize("name", PLOTS)
def test_printed_page_is_dark_on_white_and_nothing_is_cut(
    visit: Visit, runs: dict[str, Path], name: str
) -> None:
    viewport = {"width": ON_PAPER, "height": 1000}
    page = visit.open(runs[name] / "report.html", viewport=viewport, color_scheme="dark")
    plots = draw_all(page)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # as a real print does
    assert not is_wider_than_its_screen(page)
    assert not page.locator("nav").is_visible()
    assert page.locator("body").evaluate("(body) => getComputedStyle(body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    cut = page.locator(".scroll, figure").evaluate_all(
        "(all) => all.filter((each) => each.scrollWidth > each.clientWidth + 1).length"
    )
    assert cut == 0
    assert plots["history"].locator(".xtick text").first.evaluate(CONTRAST) > 7


def test_leaderboard_sorts_by_a_click_on_a_heading_and_back(visit: Visit, planted: Path) -> None:
    page = visit.open(planted)
    heading = page.locator("#leaderboard th", has_text="embedding_dim")
    heading.click()
    assert column(page, "embedding_dim") == ["8", "16", "32", "64", "64", "128"]
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.click()
    assert column(page, "embedding_dim") == ["128", "64", "64", "32", "16", "8"]
    page.locator("#leaderboard th", has_text="rmse").click()
    assert column(page, "rmse") == ["0.9", "0.92", "1.2", "-", "-", "-"]
    assert heading.get_attribute("aria-sort") is None
    page.keyboard.press("Enter")  # the heading has the focus
    assert column(page, "rmse") == ["1.2", "0.92", "0.9", "-", "-", "-"]
    page.locator("#leaderboard th", has_text="space").click()
    assert column(page, "space") == 4 * ["neumf"] + 2 * ["wide_deep"]


@pytest.mark.parametrize("name", PLOTS)
def test_leaderboard_of_a_real_run_sorts_its_scores(
    visit: Visit, runs: dict[str, Path], name: str
) -> None:
    page = visit.open(runs[name] / "report.html")
    objective = load_run(runs[name]).state.objective
    assert objective is not None
    heading = page.locator("#leaderboard th", has_text=objective.name)
    for descending in (False, True):
        heading.click()
        shown = [float(text) for text in column(page, objective.name)]
        assert len(shown) > 2
        assert shown == sorted(shown, reverse=descending)


def test_pointing_at_a_mark_names_its_trial(visit: Visit, runs: dict[str, Path]) -> None:
    page = visit.open(runs["ratings"] / "report.html", viewport={"width": 1280, "height": 900})
    for name in (*sorted(SEARCH), "brackets", "slice-0"):
        told = hover_text(draw(page, name))
        assert re.search(r"trial 000\d, matrix_factorization", told), name


def test_tapping_a_dot_names_its_trial(visit: Visit, runs: dict[str, Path]) -> None:
    page = visit.open(runs["implicit"] / "report.html", **SCREENS["phone"])
    plot = draw(page, "history")
    plot.scroll_into_view_if_needed()
    box = plot.locator("path.point").first.bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    label = plot.locator(".hoverlayer .hovertext").first
    label.wait_for()
    assert "trial 000" in (label.text_content() or "")


def test_dragging_enlarges_and_a_double_click_goes_back(visit: Visit, planted: Path) -> None:
    page = visit.open(planted, viewport={"width": 1280, "height": 900})
    plot = draw(page, "history")
    plot.scroll_into_view_if_needed()
    ticks = plot.locator(".xtick text")
    before = set(ticks.all_text_contents())
    box = plot.locator(".nsewdrag").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y, steps=5)
    page.mouse.up()
    page.wait_for_timeout(100)
    assert set(ticks.all_text_contents()) != before
    page.mouse.dblclick(x, y)
    page.wait_for_timeout(500)
    assert set(ticks.all_text_contents()) == before


def test_click_in_the_legend_hides_a_family(visit: Visit, planted: Path) -> None:
    page = visit.open(planted, viewport={"width": 1280, "height": 900})
    plot = draw(page, "history")
    assert num_marks(plot, "path.point") == 4
    entry = plot.locator(".legend .traces", has_text="wide_deep")
    entry.locator(".legendtoggle").click()
    page.wait_for_timeout(700)  # it might have been the first half of a double click
    assert num_marks(plot, "path.point") == 2  # what neumf scored


def test_links_lead_to_their_sections(visit: Visit, planted: Path) -> None:
    page = visit.open(planted)
    links = page.locator("nav a").all()
    assert len(links) == 10
    for link in links:
        link.click()
        (target,) = re.findall(r"#(\w+)$", page.url)
        box = page.locator(f"#{target}").bounding_box()
        assert box is not None
        assert box["y"] < 720
        assert box["height"] > 50
        page.evaluate("scrollTo(0, 0)")


def test_hostile_ids_and_titles_of_a_real_run_show_as_text(
    visit: Visit, runs: dict[str, Path]
) -> None:
    page = visit.open(runs["click"] / "report.html")
    shown = page.locator("#examples").inner_text()
    assert re.search(rf"User {re.escape(HOSTILE_ID)}\d+", shown)
    assert re.search(rf"{re.escape(HOSTILE_ID)} \d+ id {re.escape(HOSTILE_ID)}\d+", shown)
    assert num_foreign_scripts(page) == 0


def test_hostile_values_and_messages_show_as_text(visit: Visit, planted: Path) -> None:
    page = visit.open(planted, viewport={"width": 1280, "height": 900})
    plot = draw(page, "history")
    for section in ("examples", "search", "data", "leaderboard"):
        assert HOSTILE in page.locator(f"#{section}").inner_text(), section
    told = [hover_text(plot, number) for number in range(4)]
    assert sum(f"name = {HOSTILE}" in text for text in told) == 2  # trial 0001, twice
    assert num_foreign_scripts(page) == 0


@pytest.mark.parametrize("screen", SCREENS)
def test_comparison_is_drawn_and_readable_on_every_screen(
    visit: Visit, compared: Path, screen: str
) -> None:
    page = visit.open(compared, **SCREENS[screen])
    (plot,) = draw_all(page).values()
    assert num_marks(plot) >= 2
    assert_texts_are_readable(plot)
    assert not is_wider_than_its_screen(page)


def test_comparison_shows_hostile_names_as_text_and_names_runs_on_pointing(
    visit: Visit, compared: Path
) -> None:
    page = visit.open(compared, viewport={"width": 1280, "height": 900})
    (plot,) = draw_all(page).values()
    name = "<img src=x onerror=alert(1)> and a long name"
    assert name in page.locator("h1").inner_text()
    assert name in (plot.locator(".legend").text_content() or "")
    assert name in hover_text(plot, 1)
    assert num_foreign_scripts(page) == 0


def test_comparison_sorts_and_prints(visit: Visit, compared: Path) -> None:
    page = visit.open(compared)
    draw_all(page)
    cells = page.locator("table").first.locator("tbody td:first-child")
    before = cells.all_inner_texts()
    page.locator("table").first.locator("th").first.click()
    assert cells.all_inner_texts() == sorted(before, key=str.casefold)
    page.locator("table").first.locator("th").first.click()
    assert cells.all_inner_texts() == sorted(before, key=str.casefold, reverse=True)
    assert page.pdf(format="A4").startswith(b"%PDF")
