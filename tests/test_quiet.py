import subprocess
import sys

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
