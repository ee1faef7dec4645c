"""Time and size of the report of a large search.

    python benchmarks/report.py
    python benchmarks/report.py --trials 300 --keep runs/planted

Writes run directories as a Hyperband search of 27 epochs over two families with thirteen
hyperparameters would leave them (nothing is trained), and measures `recsearch report DIR` in a
fresh process: the median of several repetitions, and the time of a process that only imports the
modules. TensorFlow must not be imported; the last column shows this.

Then a headless Chromium, offline, opens each page several times, each time with a new profile: the
median time until the first text is painted. This needs the package playwright and a Chromium on the
path; without them the column contains a dash, and the last line names what is missing.
"""

import argparse
import importlib.util
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

MAX_EPOCHS = 27
FACTOR = 3
RUNG_EPOCHS = (1, 3, 9, 27)
START = 1_760_000_000.0  # seconds since 1970
RANGES: dict[str, dict[str, Any]] = {
    "embedding_dim": {"kind": "Int", "min_value": 8, "max_value": 256, "sampling": "log"},
    "learning_rate": {"kind": "Float", "min_value": 1e-4, "max_value": 0.1, "sampling": "log"},
    "l2": {"kind": "Float", "min_value": 1e-7, "max_value": 1e-2, "sampling": "log"},
    "dropout": {"kind": "Float", "min_value": 0.0, "max_value": 0.6, "step": 0.1},
    "batch_size": {"kind": "Choice", "values": [256, 512, 1024, 2048]},
    "optimizer": {"kind": "Choice", "values": ["adam", "sgd", "adagrad"]},
    "use_bias": {"kind": "Boolean"},
    "num_negatives": {"kind": "Int", "min_value": 1, "max_value": 8, "step": 1},
    "num_layers": {"kind": "Int", "min_value": 1, "max_value": 4, "step": 1},
    "units": {"kind": "Int", "min_value": 16, "max_value": 256, "step": 16},
    "activation": {"kind": "Choice", "values": ["relu", "gelu", "tanh"]},
    "temperature": {"kind": "Float", "min_value": 0.05, "max_value": 1.0},
}
FAMILIES = {"matrix_factorization": list(RANGES)[:8], "neumf": list(RANGES)}


def main() -> None:
    """Writes the run directories and their reports, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[300, 1000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="keep the run directories in this folder")
    arguments = parser.parse_args()
    print(
        f"{'trials':>7} {'journal MB':>11} {'imports s':>10} {'report s':>9} {'page MB':>8} "
        f"{'first paint s':>14}  heavy"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for trials in arguments.trials:
            directory = (arguments.keep or Path(scratch)) / f"planted-{trials}"
            plant(directory, trials)
            print_row(directory, trials, arguments.repeats)
    if missing := missing_for_paint():
        print(f"First paint was not measured: {missing}.")


def print_row(directory: Path, trials: int, repeats: int) -> None:
    """Measures the report of one run and prints a row."""
    imports = [seconds(["-c", "import recsearch.report.page"]) for _ in range(repeats)]
    command = ["-m", "recsearch", "report", str(directory)]
    reports = [seconds(command) for _ in range(repeats)]
    size = {name: (directory / name).stat().st_size / 2**20 for name in ("journal.jsonl", PAGE)}
    painted = "-"
    if not missing_for_paint():
        painted = f"{statistics.median(first_paints(directory / PAGE, repeats)):.2f}"
    print(
        f"{trials:7,} {size['journal.jsonl']:11.1f} {statistics.median(imports):10.2f} "
        f"{statistics.median(reports):9.2f} {size[PAGE]:8.1f} {painted:>14}  "
        f"{heavy_modules(directory)}"
    )


PAGE = "report.html"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PAINTED = """
() => new Promise((told) => new PerformanceObserver((list) => {
  const [paint] = list.getEntriesByName("first-contentful-paint");
  if (paint) told(paint.startTime);
}).observe({ type: "paint", buffered: true }))
"""
"""Milliseconds from the start of the navigation to the first contentful paint."""


def missing_for_paint() -> str:
    """Returns what is missing to measure the first paint; empty if nothing is."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed (pip install playwright)"
    if browser_path() is None:
        return f"no Chromium on the path ({', '.join(PROGRAMS)})"
    return ""


def browser_path() -> str | None:
    """Returns the path of Chromium, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def first_paints(page: Path, repeats: int) -> list[float]:
    """Returns the seconds to the first paint of a page, each with a new profile."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        for _ in range(repeats):
            context = browser.new_context(offline=True)
            tab = context.new_page()
            tab.goto(page.resolve().as_uri())
            found.append(tab.evaluate(PAINTED) / 1000)
            context.close()
        browser.close()
    return found


def seconds(arguments: list[str]) -> float:
    """Returns the seconds of a command in a fresh Python process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def heavy_modules(directory: Path) -> str:
    """Returns the heavy modules that the command has imported."""
    code = (
        "import sys; from recsearch.cli.program import main; main(['report', sys.argv[1]]); "
        "heavy = ('tensorflow', 'keras', 'keras_tuner', 'ray'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(directory)], check=True, capture_output=True, text=True
    )
    return told.stdout.splitlines()[-1]


def plant(directory: Path, num_trials: int, seed: int = 0) -> None:
    """Writes run.json, journal.jsonl and best/metrics.json of an invented search."""
    (directory / "best").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    lines = [json.dumps(event) for event in search_events(num_trials, rng)]
    (directory / "journal.jsonl").write_text("\n".join(lines) + "\n")
    (directory / "run.json").write_text(json.dumps(description(num_trials)))
    (directory / "best" / "metrics.json").write_text(json.dumps(METRICS))


def description(num_trials: int) -> dict[str, Any]:
    """Returns the content of run.json."""
    space = [{"name": "space", "kind": "Choice", "values": list(FAMILIES)}]
    space += [
        {"name": f"{family}/{name}", **RANGES[name]}
        for family, names in FAMILIES.items()
        for name in names
    ]
    return {
        "schema": 1,
        "command": ["recsearch", "run", *FAMILIES, "--max-trials", str(num_trials)],
        "config": {"tuner": "hyperband", "max_epochs": MAX_EPOCHS, "workers": 2},
        "data": {"task": "implicit"},
        "space": space,
    }


METRICS = {
    "objective": {"name": "ndcg@10", "direction": "max"},
    "winner": {"space": "neumf", "trial_id": "0000", "hyperparameters": {}, "epochs": 27},
    "test": {"ndcg@10": 0.21, "hr@10": 0.4},
    "baselines": {"popularity": {"ndcg@10": 0.11, "hr@10": 0.2}},
    "lists": {"coverage@10": 0.6, "popularity@10": 0.1},
    "baseline_lists": {"popularity": {"coverage@10": 0.01, "popularity@10": 0.4}},
    "verdict": "A planted run: nothing was trained.",
}


def search_events(num_trials: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yields the journal of brackets of 27 configurations each, one training at a time."""
    clock = START
    yield {
        "event": "study", "time": clock, "schema": 1, "objective": "ndcg@10", "direction": "max",
    }  # fmt: skip
    for first in range(0, num_trials, MAX_EPOCHS):
        ids = [f"{number:04d}" for number in range(first, min(num_trials, first + MAX_EPOCHS))]
        configurations = {trial_id: configuration(rng) for trial_id in ids}
        for rung, epochs in enumerate(RUNG_EPOCHS):
            for trial_id in ids:
                for event in training(trial_id, configurations[trial_id], rung, epochs):
                    clock += 0.5
                    yield {**event, "time": clock}
            ids.sort(key=lambda trial_id: -quality(configurations[trial_id][1]))
            going_on = ids[: max(1, len(ids) // FACTOR)] if rung + 1 < len(RUNG_EPOCHS) else []
            for trial_id in ids[len(going_on) :] if going_on else []:
                ended = {"event": "trial_ended", "trial_id": trial_id, "state": "STOPPED_EARLY"}
                yield {**ended, "time": clock}
            ids = going_on


def configuration(rng: np.random.Generator) -> tuple[str, dict[str, Any]]:
    """Returns a family and values of its hyperparameters."""
    family = str(rng.choice(list(FAMILIES)))
    return family, {name: drawn(RANGES[name], rng) for name in FAMILIES[family]}


def drawn(described: dict[str, Any], rng: np.random.Generator) -> Any:
    """Returns a random value of a range."""
    if described["kind"] == "Boolean":
        return bool(rng.integers(2))
    if described["kind"] == "Choice":
        values = described["values"]
        return values[int(rng.integers(len(values)))]
    low, high = described["min_value"], described["max_value"]
    if described.get("sampling") == "log":
        value = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    else:
        value = float(rng.uniform(low, high))
    return round(value) if described["kind"] == "Int" else value


def quality(values: dict[str, Any]) -> float:
    """Returns the final score of a configuration: the learning rate matters most."""
    off = abs(np.log10(values["learning_rate"]) + 2.5)
    return float(0.22 - 0.05 * off + 0.01 * np.log2(values["embedding_dim"] / 64))


def training(
    trial_id: str, configuration: tuple[str, dict[str, Any]], rung: int, epochs: int
) -> Iterator[dict[str, Any]]:
    """Yields the events of one rung of a trial."""
    family, values = configuration
    start = RUNG_EPOCHS[rung - 1] if rung else 0
    last = rung + 1 == len(RUNG_EPOCHS)
    named = {"trial_id": trial_id, "epochs": epochs}
    yield {
        "event": "trial_waiting", **named, "space": family, "values": values, "final": last,
        "bracket": 3, "rung": rung,
    }  # fmt: skip
    yield {"event": "trial_started", **named, "attempt": 1, "initial_epoch": start}
    for epoch in range(start + 1, epochs + 1):
        score = quality(values) * (1 - 0.6 * 0.8**epoch)
        metrics = {"loss": 1 - score, "ndcg@10": score, "hr@10": 2 * score}
        yield {
            "event": "epoch", "trial_id": trial_id, "epoch": epoch, "metrics": metrics,
            "seconds": 0.4,
        }  # fmt: skip
    over = {"event": "trial_ended", "state": "COMPLETED"} if last else {"event": "trial_paused"}
    yield {
        **over, "trial_id": trial_id, "seconds": 0.5 * epochs, "num_parameters": 100_000,
        "peak_memory_mb": 700.0,
    }  # fmt: skip


if __name__ == "__main__":
    main()
