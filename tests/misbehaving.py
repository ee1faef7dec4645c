"""A builder that misbehaves in one configuration, in build or in training, as users' code may."""

from pathlib import Path

FAULTS = (
    "segfault",
    "exit",
    "hard_exit",
    "interrupt",
    "fork",
    "exec",
    "output",
    "descriptors",
    "surroundings",
    "signals",
    "memory",
    "surrogate",
    "hang",
)

BUILDER = r"""
import faulthandler, os, resource, signal, sys, time
import keras


def note_process():
    with open(PIDS, "a") as file:
        file.write(f"{os.getpid()}\n")


def misbehave(fault):
    note_process()
    if fault == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault == "exit":
        sys.exit(0)
    if fault == "hard_exit":
        os._exit(3)
    if fault == "interrupt":
        raise KeyboardInterrupt
    if fault == "fork" and os.fork() == 0:  # the child keeps every descriptor of its parent
        note_process()
        time.sleep(600)
    if fault == "fork":
        os._exit(0)
    if fault == "exec":
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)"])
    if fault == "output":
        for stream in (sys.stdout, sys.stderr):
            for _ in range(10):
                stream.write("x" * 1_000_000 + "\n")
    if fault == "descriptors":
        os.closerange(3, 4096)
    if fault == "surroundings":
        os.chdir("/")
        os.environ.clear()
    if fault == "signals":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        raise ValueError("all signals are blocked")
    if fault == "memory":
        resource.setrlimit(resource.RLIMIT_AS, (2**26, resource.RLIM_INFINITY))
        bytearray(2**28)
    if fault == "surrogate":
        raise ValueError("no file \udcff\x1b[2J")
    if fault == "hang":
        time.sleep(600)


class Misbehaving(keras.callbacks.Callback):
    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def on_epoch_end(self, epoch, logs=None):
        misbehave(self.fault)


def build(hp, data):
    from recsearch.nn import Embedding, Pairs, Recommender

    fault = hp.Choice("fault", ["none", "FAULT"])
    if fault != "none" and WHERE == "build":
        misbehave(fault)
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    sides = [Embedding(data.num_users, 1)(user), Embedding(data.num_items, 1)(item)]
    model = keras.Model([user, item], keras.layers.Add()(sides))
    model.compile(keras.optimizers.SGD(hp.Float("rate", 0.01, 0.1)), "mse")
    callbacks = (Misbehaving(fault),) if fault != "none" and WHERE == "training" else ()
    return Recommender(model, Pairs(), 128, callbacks=callbacks)
"""


def write_builder(path: Path, fault: str, where: str) -> str:
    """Writes a builder that misbehaves where its choice `fault` is taken; returns its reference."""
    text = BUILDER.replace("FAULT", fault).replace("WHERE", repr(where))
    path.write_text(text.replace("PIDS", repr(str(path.with_name("pids")))))
    return f"{path}:build"
