"""The report of a run: one HTML file that opens without a network.

Whatever comes from a run is text: the template escapes it, the data of the plots cannot leave their
JSON block, and the page's policy lets no script run but the two that are written here, by hash.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from recsearch.files import write_text
from recsearch.report import content, drawing, figures
from recsearch.results import Run

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Plot:
    """A figure on the page.

    Attributes:
        name: Names the element.
        title: Above the figure.
        note: How to read it, below the figure.
        height: In CSS pixels.
        json: Plotly's description of it, which cannot end a script element.
    """

    name: str
    title: str
    note: str
    height: int
    json: Markup


def write_report(run: Run) -> Path:
    """Writes report.html into the run directory, whole or not at all; returns its path."""
    return write_text(run.directory / "report.html", render_report(run))


def render_report(run: Run) -> str:
    """Returns the page of a run, finished or not."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plots = tuple(_plots(run))
    # Without a plot the page can do without Plotly's 5 MB.
    scripts = [get_plotlyjs()] if plots else []
    scripts.append((_HERE / "page.js").read_text(encoding="utf-8"))
    return environment.get_template("page.html.jinja").render(
        run=run,
        content=content,
        plots=plots,
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
    )


def _policy(scripts: list[str]) -> str:
    """Returns a Content-Security-Policy that lets these scripts run and nothing be loaded.

    Styles may stand anywhere, as Plotly sets them while it draws.
    """
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _plots(run: Run) -> Iterator[Plot]:
    """Yields the plots for which there are data."""
    if run.metrics is not None:
        compared = figures.comparison(run.metrics)
        if compared.rows:
            yield _plot(
                "baselines",
                "The winner and the baselines",
                "On the test part, the best on top. The winner is the diamond.",
                drawing.draw_comparison(compared),
            )
    if run.measurements:
        yield _plot(
            "history",
            "Scores over time",
            "A dot is a trial when its score became known; a trial that was continued has several.",
            drawing.draw_history(figures.history(run.measurements, run.state)),
        )
    curves = figures.learning_curves(run.state)
    if curves.curves:
        yield _plot(
            "curves",
            "Learning curves",
            "One line a trial: the best one thick, those that were stopped early dotted.",
            drawing.draw_curves(curves),
        )
    for number, each in enumerate(figures.slices(run.state, run.config.get("space", ()))):
        yield _plot(
            f"slice-{number}",
            f"Score by {each.name}",
            "A dot is a trial; all other hyperparameters varied as well.",
            drawing.draw_slices([each]),
        )


def _plot(name: str, title: str, note: str, figure: go.Figure) -> Plot:
    json = Markup(figure.to_json().replace("<", "\\u003c"))
    return Plot(name, title, note, int(figure.layout.height), json)
