"""The end stages of a run: retrain the winner, look at the test part once, export, verify.

Each stage is a function from what is on disk to a JSON-able result, which the study journals: a run
that was killed goes on after the last stage that is done.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from recsearch.baselines import TooLargeError, applicable, choose_ease_l2, fit_baseline
from recsearch.data.interactions import Encoded
from recsearch.data.preparation import PreparedData, SeenItems
from recsearch.data.store import open_prepared, read_vocabularies
from recsearch.errors import SearchError
from recsearch.export.card import write_card
from recsearch.export.saved_model import save_recommender
from recsearch.export.verify import verify_export
from recsearch.files import write_json
from recsearch.metrics import find_metric
from recsearch.pipeline import Feed, Pipeline
from recsearch.scorer import Scorer
from recsearch.training.evaluate import evaluate, make_protocol, trial_protocol
from recsearch.training.fit import LEARNING_RATE, Fitter
from recsearch.training.scoring import ModelScorer
from recsearch.tuning.space import SearchSpace
from recsearch.tuning.study import Study, trial_seed
from recsearch.tuning.trial import Objective, Trial


@dataclass(frozen=True)
class Finale:
    """What the end stages work on.

    Attributes:
        directory: The run directory.
        study: Its journal; the search is over.
        space: The families.
        winner: The best trial by validation.
        metrics: What is measured on the test part.
        split: How the parts were made, in words.
    """

    directory: Path
    study: Study
    space: SearchSpace
    winner: Trial
    metrics: tuple[str, ...]
    split: str

    @property
    def objective(self) -> Objective:
        """The objective of the search."""
        return self.study.objective

    @property
    def best_dir(self) -> Path:
        """Where the results of the finalist are."""
        return self.directory / "best"

    def final_data(self) -> PreparedData:
        """Returns train + validation, with the test part held out."""
        return open_prepared(self.directory / "data" / "final")

    def search_data(self) -> PreparedData:
        """Returns train, with the validation part held out."""
        return open_prepared(self.directory / "data" / "search")


def run_stages(finale: Finale, announce: Callable[[str], None]) -> None:
    """Runs the end stages that are not done yet, in order."""
    for name, (text, stage) in STAGES.items():
        if name in finale.study.state.stages:
            continue
        announce(text.format(trial=finale.winner.trial_id, space=finale.winner.space))
        started = time.perf_counter()
        result = stage(finale)
        seconds = round(time.perf_counter() - started, 3)
        finale.study.stage(name, {**result, "seconds": seconds})
    _write_metrics(finale)


def retrain(finale: Finale) -> dict[str, Any]:
    """Trains the winner on train + validation for its best epoch; saves best/model.keras.

    Callbacks would have nothing to monitor; the learning rates that they set are repeated.
    """
    data, winner = finale.final_data(), finale.winner
    epochs = winner.best_epoch or winner.epochs
    seed = trial_seed(finale.study.seed, f"{winner.trial_id}/final")
    keras.utils.set_random_seed(seed)
    built = finale.space.build(winner.space, winner.values, data.spec)
    fitter = Fitter(built.recommender, Pipeline(data), seed)
    fitter.pretrain()
    for epoch in range(epochs):
        rate = winner.curve[epoch].metrics.get(LEARNING_RATE)
        if rate is not None:
            fitter.set_learning_rate(rate)
        fitter.run_epoch(epoch)
    finale.best_dir.mkdir(exist_ok=True)
    built.recommender.model.save(finale.best_dir / "model.keras")
    return {"epochs": epochs, "num_parameters": built.recommender.model.count_params()}


def test(finale: Finale) -> dict[str, Any]:
    """Looks at the test part, once, with the finalist and with every baseline."""
    data = finale.final_data()
    protocol = make_protocol(data, finale.metrics)
    finale.study.test_look()
    started = time.perf_counter()
    try:
        score = evaluate(load_scorer(finale, data), data, protocol)
    except ValueError as error:
        raise SearchError(f"The retrained model cannot be evaluated: {error}") from error
    seconds = round(time.perf_counter() - started, 3)
    baselines: dict[str, Any] = {}
    for name in applicable(data.spec.task):
        try:
            baselines[name] = evaluate(_fit_baseline(name, finale, data), data, protocol)
        except TooLargeError as error:
            baselines[name] = {"skipped": str(error)}
    return {
        "test": score,
        "model_seconds": seconds,
        "baselines": baselines,
        "protocol": protocol.description,
    }


def load_scorer(finale: Finale, data: PreparedData) -> ModelScorer:
    """Returns the finalist as a scorer: built anew, with the weights of best/model.keras.

    So a builder may use layers of its own that it has not registered with Keras.
    """
    winner = finale.winner
    model = finale.space.build(winner.space, winner.values, data.spec).recommender.model
    model.optimizer.build(model.trainable_variables)  # its state is in the file too
    model.load_weights(finale.best_dir / "model.keras")
    return ModelScorer(model, Feed(data.features), data.spec)


def _fit_baseline(name: str, finale: Finale, data: PreparedData) -> Scorer:
    l2 = _choose_l2(finale) if name == "ease" else None
    spec = data.spec
    return fit_baseline(name, data.train, spec.num_users, spec.num_items, spec.task, l2=l2)


def _choose_l2(finale: Finale) -> float:
    """Returns the L2 of EASE that is best on the validation part."""
    data = finale.search_data()
    protocol = make_protocol(data, [finale.objective.name])  # of all users: few would be noise
    sign = 1.0 if finale.objective.direction == "max" else -1.0
    return choose_ease_l2(
        data.train,
        data.spec.num_users,
        data.spec.num_items,
        lambda scorer: sign * evaluate(scorer, data, protocol)[finale.objective.name],
    )


def export(finale: Finale) -> dict[str, Any]:
    """Writes the SavedModel and proves in a fresh process that it answers as the model does."""
    data = _with_all_seen(finale.final_data())
    vocabularies = read_vocabularies(finale.directory / "data" / "final")
    scorer = load_scorer(finale, data)
    path = save_recommender(finale.best_dir, scorer, data, vocabularies)
    verification = verify_export(path, scorer, data, vocabularies)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return {"verified": True, "max_difference": verification.max_difference, "bytes": size}


def _with_all_seen(data: PreparedData) -> PreparedData:
    """Returns the data with the test part among what users have seen: that is not recommended."""
    known = (data.holdout.user > 0) & (data.holdout.item > 0)
    parts = zip(vars(data.train).values(), vars(data.holdout).values(), strict=True)
    everything = Encoded(*(np.concatenate([first, second[known]]) for first, second in parts))
    seen = SeenItems.of(everything, data.spec.num_users, data.spec.num_items)
    return replace(data, seen=seen)


Stage = Callable[[Finale], dict[str, Any]]

STAGES: dict[str, tuple[str, Stage]] = {
    "retrained": ("retraining trial {trial} ({space}) on train + validation", retrain),
    "tested": ("looking at the test part, beside the baselines", test),
    "exported": ("exporting, and checking the export in a fresh process", export),
}
"""Name in the journal -> what is announced, and the function; in the order in which they run."""


def _write_metrics(finale: Finale) -> None:
    """Writes metrics.json, hyperparameters.json and the model card from the journal."""
    winner, stages = finale.winner, finale.study.state.stages
    tested, retrained = stages["tested"], stages["retrained"]
    metrics = {
        "objective": {"name": finale.objective.name, "direction": finale.objective.direction},
        "winner": {
            "trial_id": winner.trial_id,
            "space": winner.space,
            "hyperparameters": dict(winner.values),
            "epochs": retrained["epochs"],
            "num_parameters": retrained["num_parameters"],
        },
        "validation": dict(winner.curve[(winner.best_epoch or 1) - 1].metrics),
        "test": tested["test"],
        "baselines": tested["baselines"],
        "protocol": _describe_protocol(finale, tested["protocol"]),
        "verdict": verdict(winner.space, finale.objective, tested["test"], tested["baselines"]),
        "test_looks": finale.study.state.test_looks,
        "seconds": {name: stages[name]["seconds"] for name in stages},
        "export": {k: v for k, v in stages["exported"].items() if k != "seconds"},
    }
    write_json(
        finale.best_dir / "hyperparameters.json",
        {"space": winner.space, "hyperparameters": dict(winner.values)},
    )
    write_card(finale.best_dir, metrics)
    write_json(finale.best_dir / "metrics.json", metrics)


def _describe_protocol(finale: Finale, test_protocol: str) -> dict[str, str]:
    data = finale.search_data()
    validation = trial_protocol(data, finale.metrics, finale.study.seed)
    return {
        "task": str(data.spec.task),
        "split": finale.split,
        "validation": validation.description,
        "test": test_protocol,
        "ties": "the positive loses ties",
        "retrained_on": "train + validation",
    }


def verdict(
    space: str, objective: Objective, test_metrics: dict[str, Any], baselines: dict[str, Any]
) -> str:
    """Returns in words whether the finalist beats the best baseline on the objective."""
    name = find_metric(objective.name).name
    known = {k: v[name] for k, v in baselines.items() if v.get(name) is not None}
    own = test_metrics[name]
    if own is None:
        return f"{space} has no finite {name} on the test part."
    if not known:
        return f"{space} reaches {name} {own:.4f} on the test part; no baseline could be fitted."
    best = min(known, key=lambda k: objective.sort_key(known[k]))
    beats = objective.better(own, known[best])
    words = "beats every baseline" if beats else f"does not beat {best}"
    return f"{space} {words} on {name}: {own:.4f} against {known[best]:.4f} ({best})."
