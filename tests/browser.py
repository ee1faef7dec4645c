"""A Chromium without a network, and what it takes to look at the pages of recsearch in it.

Whatever a page must not do (asking for an address, an error, a warning, a dialog) is noted.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")

MARKS = ", ".join(
    (
        ".scatterlayer path.point",
        ".scatterlayer path.js-line",
        ".barlayer path",
        ".heatmaplayer image",
        ".contourlayer path",
        ".contourlayer image",
    )
)
"""What Plotly draws for data."""

TEXTS = ", ".join(
    f".main-svg {each}"
    for each in (
        ".xtick text", ".ytick text", ".xtitle", ".ytitle", ".legendtext", ".annotation text",
    )
)  # fmt: skip
"""What Plotly writes about them."""

CONTRAST = """
(element) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const channels = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (colour) => {
    const linear = channels(colour).map((channel) => {
      const share = channel / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const style = getComputedStyle(element);
  const text = luminance(element instanceof SVGElement ? style.fill : style.color);
  const page = luminance(getComputedStyle(document.body).backgroundColor);
  return (Math.max(text, page) + 0.05) / (Math.min(text, page) + 0.05);
}
"""
"""The contrast of an element's text with the page (WCAG 2.2, relative luminance): 1 to 21."""


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Yields a headless Chromium; skips the test where there is none."""
    reason = "playwright is not installed: pip install playwright"
    api = pytest.importorskip("playwright.sync_api", reason=reason)
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip(f"no Chromium: none of {', '.join(PROGRAMS)} is on the path")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """Opens pages in contexts of their own, offline, and notes their faults."""

    def __init__(self, browser: "Browser") -> None:
        self.faults: list[str] = []
        self._browser = browser

    def open(self, path: Path, **options: Any) -> "Page":
        """Returns an opened page; the options are those of Playwright's `new_context`."""
        page = self._browser.new_context(offline=True, **options).new_page()
        page.on("request", self._note_request)
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("dialog", self._note_dialog)
        page.goto(path.as_uri())
        return page

    def close(self) -> None:
        """Closes all contexts."""
        for context in list(self._browser.contexts):
            context.close()

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith("file:"):
            self.faults.append(f"request: {request.url}")

    def _note_message(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type} in the console: {message.text}")

    def _note_dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()


def draw(page: "Page", name: str) -> "Locator":
    """Scrolls to a plot, waits until it is drawn, and returns it."""
    plot = page.locator(f"#{name}")
    plot.scroll_into_view_if_needed()
    plot.locator(".main-svg").first.wait_for()
    return plot


def draw_all(page: "Page") -> dict[str, "Locator"]:
    """Does so with every plot; returns the plots by name."""
    names = [plot.get_attribute("id") or "" for plot in page.locator(".plot").all()]
    return {name: draw(page, name) for name in names}


def num_marks(plot: "Locator", marks: str = MARKS) -> int:
    """Returns how many marks of a plot have a size and lie inside of it."""
    count: int = plot.evaluate(
        """(plot, marks) => {
          const frame = plot.getBoundingClientRect();
          return [...plot.querySelectorAll(marks)].filter((mark) => {
            const { left, right, top, bottom } = mark.getBoundingClientRect();
            const inside = left < frame.right && right > frame.left
              && top < frame.bottom && bottom > frame.top;
            return inside && (right > left || bottom > top);
          }).length;
        }""",
        marks,
    )
    return count


def boxes(plot: "Locator") -> list[dict[str, Any]]:
    """Returns the texts of a plot with their boxes, measured from the plot's upper left corner."""
    found: list[dict[str, Any]] = plot.evaluate(
        """(plot, texts) => {
          const frame = plot.getBoundingClientRect();
          const all = [...plot.querySelectorAll(texts)];
          return all.filter((each) => each.textContent).map((each) => {
            const { left, right, top, bottom } = each.getBoundingClientRect();
            return {
              text: each.textContent, left: left - frame.left, right: right - frame.left,
              top: top - frame.top, bottom: bottom - frame.top,
              slanted: /rotate\\((?!0[,)]|-90[,)])/.test(each.getAttribute("transform") ?? ""),
            };
          });
        }""",
        TEXTS,
    )
    return found


def overlapping(texts: list[dict[str, Any]], slack: float = 2.0) -> list[tuple[str, str]]:
    """Returns the pairs of texts that overlap by more pixels than the slack; no slanted ones."""
    upright = [each for each in texts if not each["slanted"]]
    return [
        (first["text"], second["text"])
        for number, first in enumerate(upright)
        for second in upright[number + 1 :]
        if min(first["right"], second["right"]) - max(first["left"], second["left"]) > slack
        and min(first["bottom"], second["bottom"]) - max(first["top"], second["top"]) > slack
    ]


def point_at(plot: "Locator", number: int = 0) -> None:
    """Moves the mouse to a mark of a plot: the middle of a dot or a bar, the start of a line."""
    plot.scroll_into_view_if_needed()
    x, y = plot.evaluate(
        """(plot, number) => {
          const shapes = plot.querySelectorAll(
            ".scatterlayer path.point, .scatterlayer g.lines path.js-line, .barlayer path"
          );
          const dots = [...shapes].filter((shape) => !shape.matches(".js-line"));
          const shape = (dots.length ? dots : shapes)[number];
          if (shape.matches(".js-line")) {
            const { x, y } = shape.getPointAtLength(0).matrixTransform(shape.getScreenCTM());
            return [x, y];
          }
          const { left, right, top, bottom } = shape.getBoundingClientRect();
          return [(left + right) / 2, (top + bottom) / 2];
        }""",
        number,
    )
    plot.page.mouse.move(x - 3, y)
    plot.page.mouse.move(x, y)


def hover_text(plot: "Locator", number: int = 0) -> str:
    """Returns what the plot tells of one of its marks."""
    label = plot.locator(".hoverlayer .hovertext").first
    plot.page.mouse.move(0, 0)
    label.wait_for(state="detached")  # what it told of another mark
    point_at(plot, number)
    label.wait_for()
    return label.text_content() or ""


def is_wider_than_its_screen(page: "Page") -> bool:
    """Returns whether a page must be moved sideways."""
    wide: bool = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return wide


def num_foreign_scripts(page: "Page") -> int:
    """Returns how many elements of a page could run a script that is not its own."""
    found: int = page.evaluate(
        """[...document.querySelectorAll("script, [onerror], [onload], iframe")].filter(
          (each) => !each.matches("script") || /alert\\(/.test(each.textContent)
        ).length"""
    )
    return found
