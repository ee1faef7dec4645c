"""What user code may do in the end stages, and what it leaves for them, in whole runs."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from small_run import write_ratings

import recsearch
import recsearch.workflow.flow
from recsearch.api.run import Run
from recsearch.cli.program import main
from recsearch.console.progress import Silent
from recsearch.errors import RecsearchError, SearchError, SpaceError
from recsearch.results import load_run
from recsearch.study.trial import TrialState
from recsearch.workflow.flow import resume

SPACE = """
import os, random, resource, signal, sys
import keras

HERE = {here!r}


class Odd(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def is_final():
    return os.path.exists(HERE + "/final")


def build(hp, data):
    from recsearch.nn import Embedding, Pairs, Recommender

    hp.Choice("fault", ["none", "bad"])
    callbacks, layer = (), None
    {code}
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    sides = [Embedding(data.num_users, 1)(user), Embedding(data.num_items, 1)(item)]
    output = keras.layers.Add()(sides)
    model = keras.Model([user, item], output if layer is None else layer(output))
    model.compile(keras.optimizers.SGD(hp.Float("rate", 0.01, 0.1)), "mse")
    return Recommender(model, Pairs(), 128, callbacks=callbacks)
"""
BAD = 'if hp.get("fault") == "bad": '


def write_space(folder: Path, code: str) -> Path:
    path = folder / "space.py"
    path.write_text(SPACE.format(here=str(folder), code=code))
    return path


def search(folder: Path, code: str, **changes: Any) -> Run:
    settings = {
        "data": str(write_ratings(folder / "ratings.csv")),
        "task": "rating",
        "tuner": "random",
        "max_trials": 2,
        "max_epochs": 1,
        "enqueue": ["fault=bad", "fault=none"],
        "out": str(folder / "run"),
        **changes,
    }
    return recsearch.search(f"{write_space(folder, code)}:build", **settings)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("if is_final(): raise OSError('no table')", r"OSError: no table\."),
        pytest.param(
            "if is_final(): open(HERE + '/no')",
            r"FileNotFoundError: .*No such file or directory",
            marks=pytest.mark.slow,
        ),
        ("if is_final(): os.kill(os.getpid(), signal.SIGSEGV)", "signal 11, SIGSEGV"),
        pytest.param("if is_final(): sys.exit(0)", "SystemExit: 0", marks=pytest.mark.slow),
    ],
)
def test_fault_in_an_end_stage_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    finish = recsearch.workflow.flow._finish

    def finish_badly(*args: Any) -> None:
        (tmp_path / "final").touch()
        finish(*args)

    with monkeypatch.context() as patch:
        patch.setattr(recsearch.workflow.flow, "_finish", finish_badly)
        with pytest.raises(SearchError, match=rf"'retrained' of trial 000\d .*{message}") as raised:
            search(tmp_path, code)
    assert "\n" not in str(raised.value)
    if "SIGSEGV" in message:
        (tmp_path / "final").unlink()
        assert resume(tmp_path / "run", {}, Silent()).metrics is not None


LEFT_BEHIND = {
    "limit": BAD + "resource.setrlimit(resource.RLIMIT_AS, (2**26, -1)); bytearray(2**28)",
    "directory": "os.chdir('/'); os.environ.clear()",
    "fork": BAD + "os.fork()",
    "rate": "callbacks = (keras.callbacks.LearningRateScheduler(lambda e, rate: rate / 2),)",
    "seed": "layer = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform("
    "seed=random.SystemRandom().randrange(10**6)))",
    "text": BAD + "raise Odd()",
}


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(name, marks=[] if name in ("limit", "fork", "rate") else pytest.mark.slow)
        for name in LEFT_BEHIND
    ],
)
@pytest.mark.slow
def test_what_a_configuration_leaves_behind_does_not_reach_the_end_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    monkeypatch.chdir(tmp_path)
    run = search(tmp_path, LEFT_BEHIND[left], out="run", max_epochs=2)
    assert run.metrics is not None
    trials = {trial.values["fault"]: trial for trial in run.state.history}
    assert trials["none"].state is TrialState.COMPLETED
    failed = left in ("limit", "text")
    assert (trials["bad"].state is TrialState.FAILED) == failed
    if left == "text":
        assert "Odd: (its message cannot be read)" in trials["bad"].message


@pytest.mark.parametrize("code", ["sys.exit(0)", "raise Odd()", "raise BaseException('any')"])
def test_inline_engine_survives_any_exception_of_a_builder(tmp_path: Path, code: str) -> None:
    run = search(tmp_path, BAD + code, engine="inline", search_only=True)
    assert [trial.state.value for trial in run.state.history] == ["FAILED", "COMPLETED"]


def test_value_that_no_file_can_hold_is_refused_before_the_search(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"space/file has a value .* valid Unicode \('a\\udcff'\)"):
        search(tmp_path, r"hp.Choice('file', ['a\udcff', 'b'])", enqueue=[])
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_edited_builder_is_refused_before_the_winner_is_retrained(tmp_path: Path) -> None:
    directory = search(tmp_path, "layer = keras.layers.Dense(1)", search_only=True).directory
    write_space(tmp_path, "layer = keras.layers.Dense(1, use_bias=False)")
    with pytest.raises(RecsearchError, match="now builds a different model for trial"):
        resume(directory, {}, Silent())
    write_space(tmp_path, "layer = keras.layers.Dense(1)")
    assert resume(directory, {}, Silent()).metrics is not None


@pytest.fixture(scope="module")
def run_of_a_deadly_builder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose builder has since become a file that ends whoever imports it."""
    folder = tmp_path_factory.mktemp("deadly")
    directory = search(folder, "pass", engine="inline").directory
    (folder / "space.py").write_text("import os\n\nos._exit(99)\n")
    return directory


@pytest.mark.parametrize("command", ["trials", "report", "compare"])
def test_reading_commands_never_import_a_builder(
    run_of_a_deadly_builder: Path,
    tmp_path: Path,
    command: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = shutil.copytree(run_of_a_deadly_builder, tmp_path / "copy")
    others = [str(other)] if command == "compare" else []
    assert main([command, str(run_of_a_deadly_builder), *others]) == 0
    assert capsys.readouterr().out


def test_resume_imports_a_builder_in_another_process_and_after_all_other_checks(
    run_of_a_deadly_builder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(run_of_a_deadly_builder, tmp_path / "copy"))
    settings = load_run(copy).config
    text = (copy / "run.json").read_text()
    (copy / "run.json").write_text(text.replace('"engine": "inline"', '"engine": "local"'))
    assert settings["config"]["engine"] == "inline"
    assert main(["resume", str(copy), "--max-trials", "0"]) == 2
    assert "max_trials" in capsys.readouterr().err.replace("-", "_")
    assert main(["resume", str(copy), "--max-trials", "3"]) == 2
    assert "exit code 99" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "spaces"])
def test_commands_that_look_at_a_space_survive_it(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_space(tmp_path, "os.kill(os.getpid(), signal.SIGSEGV)")
    assert main([command, f"{path}:build"]) == 2
    said = capsys.readouterr().err
    assert "signal 11, SIGSEGV" in said
    assert said.strip().count("\n") == 0


UNSAVED = """
class Unsaved(keras.layers.Layer):
        def call(self, inputs):
            return inputs

        def get_config(self):
            raise TypeError("no description")

    layer = Unsaved()
"""


def test_model_that_cannot_be_saved_is_refused_before_the_search(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"A model of space cannot be saved .*no description"):
        search(tmp_path, UNSAVED.strip())
    assert not (tmp_path / "run").exists()


def test_resume_warns_of_an_edited_file_and_not_of_an_unchanged_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = search(tmp_path, "pass", search_only=True).directory
    capsys.readouterr()
    for edit, warned in (("pass", False), ("pass  # edited", True)):
        write_space(tmp_path, edit)
        assert main(["resume", str(directory), "--max-trials", "2"]) == 0
        assert ("was edited since the run started" in capsys.readouterr().err) == warned
