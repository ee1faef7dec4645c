"""Former names of hyperparameters: in run directories of earlier versions, and in flags."""

import json
from pathlib import Path

import keras_tuner
import pytest
from small_run import run_settings

import recsearch
from recsearch.cli.program import main
from recsearch.console.progress import Silent
from recsearch.errors import SpaceError
from recsearch.results import load_run
from recsearch.study.aliases import current_name, with_current_name
from recsearch.tuning.space.discovery import discover
from recsearch.tuning.space.enqueue import parse_configuration
from recsearch.tuning.space.overrides import Override
from recsearch.workflow.flow import resume

OLD, NEW = "users_a_batch", "users_per_batch"

BUILDER = """\
from keras import Input, Model, layers, losses


def build(hp, data):
    user = Input((), dtype="int32", name="user_id")
    item = Input((), dtype="int32", name="item_id")
    size = hp.Choice("users_per_batch", [2, 3, 4])
    with hp.conditional_scope("users_per_batch", [4]):
        hp.Float("rate", 0.1, 0.2)
    users, items = layers.Embedding(data.num_users, size), layers.Embedding(data.num_items, size)
    model = Model([user, item], layers.Dot(-1)([users(user), items(item)]))
    model.compile("sgd", losses.MeanSquaredError())
    return model
"""


def test_current_name_keeps_the_family_and_every_other_name() -> None:
    assert current_name(OLD) == NEW
    assert current_name(f"mine/{OLD}") == f"mine/{NEW}"
    assert current_name("mine/batch_size") == "mine/batch_size"


def test_description_and_its_conditions_get_the_current_name() -> None:
    conditions = [{"name": f"mine/{OLD}", "values": [4]}]
    described = with_current_name({"name": "mine/rate", "default": 1, "conditions": conditions})
    assert described["conditions"] == [{"name": f"mine/{NEW}", "values": [4]}]
    assert (described["name"], described["default"]) == ("mine/rate", 1)


def test_flags_accept_the_former_name(tmp_path: Path) -> None:
    assert Override.parse(f"{OLD}=64") == Override(NEW, "64")
    assert Override.parse(f"autoencoder/{OLD}=64:128") == Override(f"autoencoder/{NEW}", "64:128")
    space = keras_tuner.HyperParameters()
    space.Choice("space", ["mine"])
    with space.conditional_scope("space", ["mine"]), space.name_scope("mine"):
        space.Choice(NEW, [2, 4])
    assert parse_configuration(f"{OLD}=4", space) == ("mine", {NEW: 4})
    path = tmp_path / "hyperparameters.json"
    path.write_text(json.dumps({"space": "mine", "hyperparameters": {OLD: 4}}))
    assert parse_configuration(str(path), space) == ("mine", {NEW: 4})


def test_builder_must_not_define_a_former_name() -> None:
    def probe(family: str, values: dict) -> keras_tuner.HyperParameters:
        hp = keras_tuner.HyperParameters()
        with hp.name_scope(family):
            hp.Int(OLD, 1, 2)
        return hp

    with pytest.raises(SpaceError, match=f"Call it {NEW} in the builder"):
        discover(["mine"], (), probe)


def with_former_name(directory: Path) -> None:
    """Makes a run directory what the previous version wrote."""
    files = [directory / name for name in ("journal.jsonl", "run.json")]
    files += (directory / "best").glob("*.json")
    for path in files:
        path.write_text(path.read_text().replace(NEW, OLD))


@pytest.mark.slow
def test_run_of_the_previous_version_is_read_reported_and_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(BUILDER)
    settings = run_settings(tmp_path) | {"enqueue": [f"{NEW}=4"], "set": [f"{NEW}=2,3,4"]}
    settings["spaces"] = [f"{tmp_path / 'mine.py'}:build"]
    directory = recsearch.search(settings.pop("spaces"), **settings).directory
    expected = load_run(directory)
    with_former_name(directory)
    assert OLD in (directory / "journal.jsonl").read_text()

    run = load_run(directory)
    assert run.trials().equals(expected.trials())
    assert NEW in run.trials().columns
    assert run.description.space == expected.description.space
    assert run.metrics == expected.metrics
    assert main(["trials", str(directory)]) == 0
    assert NEW in capsys.readouterr().out
    assert main(["report", str(directory)]) == 0
    page = (directory / "report.html").read_text()
    assert NEW in page
    assert OLD not in page.replace(f"{OLD}=", "")  # except the user's own --set and --enqueue

    lines = (directory / "journal.jsonl").read_bytes().splitlines(keepends=True)
    ended = [n for n, line in enumerate(lines, 1) if b'"trial_ended"' in line]
    (directory / "journal.jsonl").write_bytes(b"".join(lines[: ended[0]]))
    (directory / "best" / "metrics.json").unlink()
    resumed = resume(directory, {}, Silent())
    kept = ["trial_id", "score", "best_epoch", NEW]
    assert resumed.trials()[kept].equals(expected.trials()[kept])
    assert resumed.metrics["test"] == expected.metrics["test"]
