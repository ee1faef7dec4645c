"""Kills a real Hyperband search with SIGKILL at random moments and resumes it after each kill.

    python benchmarks/kill_test.py --data ratings.csv --kills 10 --workers 2 --seed 0
    python benchmarks/kill_test.py --owner-only
    python benchmarks/kill_test.py --stages

By default, each kill ends the complete process group. Prints what happened before each kill, and at
the end whether exactly the planned configurations were tried, no finished rung was trained again
and no checkpoint was missing; with one worker, also whether the trials are bit for bit those of an
uninterrupted run. `--owner-only` kills only the process that owns the run and checks that no worker
survives it or writes after it. `--stages` kills during retraining, export and report and checks
that a resume continues there. Without --data, the built-in data set is used. Exits with 1 if a
check fails.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsearch.study.journal import read_events
from recsearch.study.replay import SearchState, replay
from recsearch.study.trial import TrialState
from recsearch.tuning.drivers.hyperband import hyperband_brackets

MAX_EPOCHS = 9
POLL_SECONDS = 0.005
OVER = frozenset({TrialState.COMPLETED, TrialState.STOPPED_EARLY})


@dataclass(frozen=True)
class Search:
    """A run that is started, killed and resumed.

    Attributes:
        directory: The run directory.
        flags: The flags of `recsearch run`.
    """

    directory: Path
    flags: tuple[str, ...]

    def start(self) -> subprocess.Popen[bytes]:
        """Starts the run in its own process group, or resumes it if it exists."""
        if (self.directory / "run.json").exists():
            arguments = ["resume", str(self.directory), "--quiet"]
        else:
            arguments = ["run", *self.flags, "--out", str(self.directory), "--quiet"]
        with self.directory.with_suffix(".log").open("ab") as log:
            command = [sys.executable, "-m", "recsearch", *arguments]
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def events(self) -> list[dict[str, Any]]:
        """Returns the events of the journal; nothing if it does not exist yet."""
        path = self.directory / "journal.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith(b"\n")]

    def state(self) -> SearchState:
        """Returns the state of the search, replayed from the journal."""
        path = self.directory / "journal.jsonl"
        return replay(read_events(path) if path.exists() else ())

    def missing_states(self) -> list[str]:
        """Returns the checkpoints that are needed but do not exist."""
        needed = [t.checkpoint for t in self.state().trials.values() if not t.state.is_over]
        return [path for path in needed if path and not (self.directory / path).is_file()]


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    """Waits for a condition; returns False if the process ends before it is true."""
    while not condition():
        if process.poll() is not None:
            return condition()
        time.sleep(POLL_SECONDS)
    return True


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kills a process and its children; does nothing if it has already ended."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def members(group: int) -> Iterator[int]:
    """Yields the running processes of a group, without zombies."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, found = entry.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it has ended in the meantime
            continue
        if int(found) == group and state != "Z":
            yield int(entry.parent.name)


def describe(events: list[dict[str, Any]]) -> str:
    """Returns the events between two kills, in words."""
    count = Counter(event["event"] for event in events)
    ended = count["trial_paused"] + count["trial_ended"]
    stages = [event["stage"] for event in events if event["event"] == "stage"]
    return (
        f"{count['trial_started']:3d} starts, {count['epoch']:3d} epochs, {ended:3d} ends"
        f"{', ' if stages else ''}{' '.join(stages)}"
    )


def trained_again(events: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Returns (trial, target epochs) of each start of a rung that had already ended."""
    epochs: dict[str, int] = {}
    ended, again = set(), []
    for event in events:
        trial_id = event.get("trial_id", "")
        if event["event"] == "trial_started":
            epochs[trial_id] = event["epochs"]
            again += [rung for rung in [(trial_id, event["epochs"])] if rung in ended]
        elif event["event"] in ("trial_paused", "trial_ended"):
            ended.add((trial_id, epochs[trial_id]))
    return again


def table(state: SearchState) -> list[tuple[Any, ...]]:
    """Returns the results that must not depend on kills: values, scores and curves."""
    return [
        (
            (trial.trial_id, trial.space, dict(trial.values), trial.state),
            (trial.score, trial.best_epoch, trial.epochs),
            [(point.epoch, repr(dict(point.metrics))) for point in trial.curve],
        )
        for trial in state.trials.values()
    ]


def verify(checks: dict[str, bool]) -> int:
    """Prints each check; returns the exit code."""
    for text, holds in checks.items():
        print(f"{'yes' if holds else 'NO':>3}  {text}")
    return 0 if all(checks.values()) else 1


def wait_for_moment(
    search: Search, process: subprocess.Popen[bytes], before: int, most: int, rng: random.Random
) -> None:
    """Waits for a random moment: during the start, or soon after up to `most` epochs.

    The random delay is counted in epochs, not seconds: on a busy machine the process would
    otherwise be killed before it trained.
    """
    wait_until((search.directory / "run.json").exists, process)
    epochs = rng.randint(0, most)

    def trained() -> bool:
        return sum(event["event"] == "epoch" for event in search.events()[before:]) >= epochs

    wait_until(trained, process)
    time.sleep(rng.uniform(0, 1 if epochs else 8))


def kill_at_random(search: Search, given: argparse.Namespace) -> int:
    """Kills the group at random moments; then resumes to the end."""
    rng = random.Random(given.seed)
    missing: list[str] = []
    most = max(2, 100 // given.kills)  # of 75 epochs, plus the epochs repeated after kills
    for number in range(1, given.kills + 1):
        before = len(search.events())
        process = search.start()
        wait_for_moment(search, process, before, most, rng)
        ended = "" if process.poll() is None else "  ended before it could be killed"
        kill_group(process)
        missing += search.missing_states()
        print(f"life {number:2d}:   {describe(search.events()[before:])}{ended}", flush=True)
    before = len(search.events())
    code = search.start().wait()
    print(f"last life: {describe(search.events()[before:])}")
    state = search.state()
    for trial in state.trials.values():
        if trial.state not in OVER:
            print(f"trial {trial.trial_id}: {trial.state} {trial.message}")
    planned = sum(b.rungs[0].size for b in hyperband_brackets(MAX_EPOCHS, 3))
    checks = {
        "the last resume ends with exit code 0": code == 0,
        f"exactly the {planned} planned configurations": len(state.trials) == planned,
        "all of them over, none failed": all(t.state in OVER for t in state.trials.values()),
        "no finished rung trained again": not trained_again(search.events()),
        "no state missing after any kill": not missing,
        "each end stage once": set(stages(search).values()) == {1},
    }
    if given.workers == 1:
        alone = Search(search.directory.with_name("alone"), search.flags)
        alone.start().wait()
        checks["trials equal those of a run left alone"] = table(alone.state()) == table(state)
    return verify(checks)


def stages(search: Search) -> Counter[str]:
    """Returns how often each final stage was recorded."""
    return Counter(event["stage"] for event in search.events() if event["event"] == "stage")


def kill_owner(search: Search, given: argparse.Namespace) -> int:
    """Kills only the owner while all workers train; observes the other processes for 5 s."""
    process = search.start()

    def all_train() -> bool:
        trained = {event["trial_id"] for event in search.events() if event["event"] == "epoch"}
        return len(trained) >= given.workers

    reached = wait_until(all_train, process)
    time.sleep(random.Random(given.seed).uniform(0, 0.5))
    before = len(list(members(process.pid)))
    killed, wall = time.monotonic(), time.time()
    process.kill()
    process.wait()
    gone = None
    while time.monotonic() - killed < 5:
        if gone is None and not list(members(process.pid)):
            gone = time.monotonic() - killed
        time.sleep(POLL_SECONDS)
    left = list(members(process.pid))
    written = max(path.stat().st_mtime for path in search.directory.rglob("*")) - wall
    print(
        f"{before} processes before; the last was gone after " + (f"{gone:.3f} s" if gone else "?")
    )
    print(f"the last write was {written:+.3f} s from the kill")
    code = search.start().wait()
    return verify(
        {
            "the owner was killed while it searched": reached,
            "no process left 5 s after the owner": not left,
            "nothing written later than 0.2 s after it": written < 0.2,
            "a resume ends with exit code 0": code == 0,
        }
    )


def kill_in_stages(search: Search, given: argparse.Namespace) -> int:
    """Kills once during retraining, export and report; each resume must continue there."""
    rng = random.Random(given.seed)
    checks = {}
    moments = {"retraining": "searched", "export": "tested", "the report": "exported"}
    for name, stage in moments.items():
        before = len(search.events())
        process = search.start()
        reached = wait_until(lambda: stages(search)[stage] == 1, process)  # noqa: B023
        time.sleep(rng.uniform(0, 0.02 if stage == "exported" else 0.3))
        unfinished = process.poll() is None
        kill_group(process)
        print(f"killed in {name}: {describe(search.events()[before:])}")
        checks[f"it was killed in {name}"] = (
            reached and unfinished and next(reversed(stages(search))) == stage
        )
    before = len(search.events())
    code = search.start().wait()
    print(f"last life: {describe(search.events()[before:])}")
    checks["the last resume ends with exit code 0"] = code == 0
    checks["each end stage once"] = set(stages(search).values()) == {1}
    checks["the report is there"] = (search.directory / "report.html").is_file()
    return verify(checks)


def main() -> int:
    """Runs the requested test; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="interactions; default: the built-in data set")
    parser.add_argument("--space", default="matrix_factorization", help="the search space")
    parser.add_argument("--kills", type=int, default=10, help="number of kills (default: 10)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments (default: 0)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--owner-only", action="store_true", help="kill only the owner, once")
    mode.add_argument("--stages", action="store_true", help="kill in each of the final stages")
    given = parser.parse_args()
    flags = [given.space, "--tuner", "hyperband", "--max-epochs", str(MAX_EPOCHS)]
    flags += ["--workers", str(given.workers), "--seed", "1"]
    flags += ["--data", given.data] if given.data else []
    with tempfile.TemporaryDirectory() as folder:
        search = Search(Path(folder) / "run", tuple(flags))
        if given.owner_only:
            return kill_owner(search, given)
        if given.stages:
            return kill_in_stages(search, given)
        return kill_at_random(search, given)


if __name__ == "__main__":
    sys.exit(main())
