import subprocess
import sys

PROBE = """
import logging, os
import tensorflow as tf
from recsearch.tuning.engines.threads import use_one_thread
logging.basicConfig(level=logging.INFO)
threading = tf.config.threading
for has_run in (False, True):  # each in a process of its own: nothing has run before the fork
    if os.fork() == 0:
        if has_run:
            tf.constant(1) + 1
        use_one_thread()
        counts = (threading.get_intra_op_parallelism_threads(),
                  threading.get_inter_op_parallelism_threads())
        print(has_run, *counts, flush=True)
        os._exit(0)
    os.wait()
"""
SAID = "TensorFlow already runs in this process, so its threads cannot be limited."


def test_one_thread_is_set_unless_tensorflow_runs_already() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False 1 1", "True 0 0"]  # 0: TensorFlow's own choice
    assert done.stderr.count(SAID) == 1
