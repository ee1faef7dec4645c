"""The cost of a run: time, parameters, memory, size."""

from statistics import median

from recsearch.report.sections.cells import Facts
from recsearch.results import RunRecord
from recsearch.text.wording import duration_text, number_text

STAGES = {
    "baselines_tuned": "tuning the baselines",
    "retrained": "retraining the winner",
    "tested": "measuring on the test part",
    "exported": "exporting, and checking the export",
}


def cost_facts(run: RunRecord) -> Facts:
    """Returns the cost of the search and of its winner, as far as known."""
    return (*_search_cost(run), *_winner_cost(run))


def _search_cost(run: RunRecord) -> Facts:
    trials = [trial for trial in run.state.trials.values() if trial.curve]
    if not trials:
        return ()
    epochs = sum(len(trial.curve) for trial in trials)
    seconds = sum(trial.seconds for trial in trials)
    typical = median(trial.seconds for trial in trials)
    facts = [
        (
            "search",
            f"{duration_text(run.state.seconds)} for {len(trials):,} trials and {epochs:,} epochs",
        ),
        (
            "training",
            f"{duration_text(seconds)} on all workers together; median per trial "
            f"{duration_text(typical)}",
        ),
    ]
    peak = max(trial.peak_memory_mb for trial in trials)
    if peak:
        facts.append(("peak memory of a worker", f"{number_text(peak / 1024)} GiB"))
    return tuple(facts)


def _winner_cost(run: RunRecord) -> Facts:
    if run.tested is None:
        return ()
    seconds, export = run.tested.seconds, run.tested.export
    facts = [
        (text, duration_text(seconds[name])) for name, text in STAGES.items() if name in seconds
    ]
    if run.tested.winner.num_parameters is not None:
        facts.append(("parameters of the winner", number_text(run.tested.winner.num_parameters)))
    if export.bytes:
        facts.append(("size of the export", f"{number_text(export.bytes / 2**20)} MiB"))
    return tuple(facts)
