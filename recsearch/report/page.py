"""The report of a run: one HTML file that opens without a network.

All content of a run is text: the template escapes it, the data of the plots are base64, and the
page's policy allows only the two scripts of this package, by their hashes.

Plotly's 5 MB are compressed to less than half, and so are the data of the plots. The page appears
before they are unpacked, and a plot is drawn just before it becomes visible.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from recsearch.report.gallery import gallery
from recsearch.report.packing import packed
from recsearch.report.sections import quality, ranges, reproduction, trials, winner
from recsearch.report.sections.cost import cost_facts
from recsearch.report.sections.recommendations import recommendations
from recsearch.results import RunRecord
from recsearch.system.files import unwritable, write_text

_HERE = Path(__file__).parent


def write_report(run: RunRecord) -> Path:
    """Writes report.html into the run directory, completely or not at all; returns its path.

    Raises:
        RunDirectoryError: If there is no room, or the directory cannot be written.
    """
    path, page = run.directory / "report.html", render_report(run)
    try:
        return write_text(path, page)
    except OSError as error:
        raise unwritable(path, error) from error


def render_report(run: RunRecord) -> str:
    """Returns the page of a run, finished or not."""
    plots = gallery(run)
    return render_page(
        "page.html.jinja",
        with_plots=len(plots) > 0,
        run=run,
        winner=winner,
        quality=quality,
        trials=trials,
        ranges=ranges,
        reproduction=reproduction,
        cost=cost_facts(run),
        examples=recommendations(run.user_examples, run.description.data.task),
        plots=plots,
    )


def render_page(template: str, *, with_plots: bool, **values: Any) -> str:
    """Returns a page in the style that all pages share, with its scripts and its policy.

    Args:
        template: File name of its template.
        with_plots: Whether it has plots; without any it can do without Plotly.
        **values: What the template shows.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    library = get_plotlyjs() if with_plots else ""
    return environment.get_template(template).render(
        **values,
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        library=packed(library) if library else "",
        script=Markup(script),
        policy=_policy([script, *filter(None, [library])]),
    )


def _policy(scripts: list[str]) -> str:
    """Returns a Content-Security-Policy that lets these scripts run and nothing be loaded.

    Inline styles are allowed because Plotly sets them while it draws; it draws surfaces as images
    that are part of the page.
    """
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
