import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import os, sys
from recsearch.system.tensorflow_import import import_tensorflow
import_tensorflow()
assert "tensorflow" in sys.modules and "keras" in sys.modules
import tensorflow as tf
print(float(tf.constant(2.0) + 1.0))
import_tensorflow()
{last}
"""


def ask(last: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROBE.format(last=last)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_tensorflow_says_nothing_and_later_errors_are_shown() -> None:
    done = ask("os.write(2, b'still open\\n')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "3.0\n", "still open\n")


LEAN = """
import sys
from recsearch.system.tensorflow_import import import_tensorflow
import_tensorflow(lean=True)
assert "keras_tuner" in sys.modules
print("sklearn" in sys.modules)
import sklearn.metrics
print(sklearn.metrics.mean_absolute_error([1.0], [3.0]))
"""


def test_lean_import_leaves_scikit_learn_to_those_who_use_it() -> None:
    done = subprocess.run([sys.executable, "-c", LEAN], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False", "2.0"]


def command(
    *arguments: str, backend: str, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KERAS_BACKEND": backend}
    if home is not None:
        environment["KERAS_HOME"] = str(home)
    line = [sys.executable, "-m", "recsearch", *arguments]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [("run", "--out"), ("check", "matrix_factorization")])
def test_other_backend_is_refused_in_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    out = [str(tmp_path / "run")] if "--out" in arguments else []
    done = command(*arguments, *out, backend="jax")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        "recsearch works with the TensorFlow backend of Keras only. "
        "Received: the backend jax. Set KERAS_BACKEND=tensorflow."
    )
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_settings_file_of_keras_does_not_choose_the_backend(tmp_path: Path) -> None:
    (tmp_path / "keras.json").write_text('{"backend": "numpy"}')
    done = command("check", "matrix_factorization", backend="", home=tmp_path)
    assert done.returncode == 0, done.stderr


IMPORTED_BEFORE = """
import os, sys, types
from recsearch.errors import UsageError
from recsearch.system.tensorflow_import import import_tensorflow
sys.modules["keras"] = types.SimpleNamespace(config=types.SimpleNamespace(backend=lambda: "torch"))
try:
    import_tensorflow()
except UsageError as error:
    print(error)
"""


def test_keras_that_was_imported_with_another_backend_is_refused() -> None:
    line = [sys.executable, "-c", IMPORTED_BEFORE]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert "Received: the backend torch." in done.stdout
