"""Memory by the number of trials: 200 real trials on small data in one run.

    python benchmarks/memory.py

Runs `recsearch run matrix_factorization --tuner random` with one worker on 5,000 generated ratings
and reads the resident memory of its processes from /proc (Linux only): the owner, which proposes
and records trials; the fork server, which has only imported modules; the worker, which trains.
Prints one line per 20 trials, and the growth from the first line to the last. The run is then
stopped, without its final stages.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from recsearch.data.synthetic import generate

NUM_USERS, NUM_ITEMS, NUM_ROWS = 300, 200, 5000
STEP = 20  # trials between two lines
SAMPLE_SECONDS = 0.5
ROLES = ("owner", "fork server", "worker")


@dataclass
class Sample:
    """Resident memory in MiB of each process after a number of trials; id of the worker."""

    num_ended: int
    megabytes: dict[str, float]
    worker: int


def write_ratings(path: Path) -> Path:
    """Writes the generated ratings as CSV."""
    made = generate(NUM_USERS, NUM_ITEMS, NUM_ROWS).interactions
    columns = (made.user_id.to_pylist(), made.item_id.to_pylist(), made.label.tolist())
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id", "rating"])
        writer.writerows(zip(*columns, strict=True))
    return path


def children(pid: int) -> list[int]:
    """Returns the processes that a process has started."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, path.read_text().split())
    return found


def resident_megabytes(pid: int) -> float:
    """Returns the resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def take_sample(owner: int, journal: Path) -> Sample | None:
    """Returns the current memory of the processes, or None until all of them exist."""
    try:
        servers = [
            child
            for child in children(owner)
            if "forkserver" in Path(f"/proc/{child}/cmdline").read_text()
        ]
        workers = [worker for server in servers for worker in children(server)]
        if len(servers) != 1 or len(workers) != 1 or not journal.exists():
            return None
        pids = (owner, servers[0], workers[0])
        memory = dict(zip(ROLES, map(resident_megabytes, pids), strict=True))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Sample(journal.read_text().count('"event": "trial_ended"'), memory, workers[0])


def watch(process: "subprocess.Popen[bytes]", journal: Path, trials: int) -> list[Sample]:
    """Prints one line per 20 trials during a run; returns the values of these lines."""
    print("trials" + "".join(f"{role:>16s}" for role in ROLES), flush=True)
    shown: list[Sample] = []
    while process.poll() is None and len(shown) < trials // STEP:
        sample = take_sample(process.pid, journal)
        if sample is not None and sample.num_ended >= STEP * (len(shown) + 1):
            shown.append(sample)
            cells = "".join(f"{sample.megabytes[role]:12.0f} MiB" for role in ROLES)
            print(f"{sample.num_ended:6d}{cells}", flush=True)
        time.sleep(SAMPLE_SECONDS)
    return shown


def print_growth(samples: list[Sample]) -> None:
    """Prints the growth of each process from the first sample to the last."""
    growth = [samples[-1].megabytes[role] - samples[0].megabytes[role] for role in ROLES]
    print("growth" + "".join(f"{value:+12.0f} MiB" for value in growth))
    if len({sample.worker for sample in samples}) > 1:
        print("the worker was replaced: its growth says nothing")


def parse_arguments() -> argparse.Namespace:
    """Returns the parsed arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=200, help="number of trials, at least 40")
    parser.add_argument("--epochs", type=int, default=2, help="epochs per trial")
    parser.add_argument("--space", default="matrix_factorization", help="search space")
    return parser.parse_args()


def main() -> None:
    """Prints the table."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "run"
        data = write_ratings(Path(folder) / "ratings.csv")
        command = [sys.executable, "-m", "recsearch", "run", arguments.space]
        command += ["--data", str(data), "--tuner", "random", "--seed", "0"]
        # One more, so that the worker still exists when the last line is printed.
        command += ["--max-trials", str(arguments.trials + 1), "--out", str(directory)]
        command += ["--max-epochs", str(arguments.epochs)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            samples = watch(process, directory / "journal.jsonl", arguments.trials)
        finally:
            process.kill()  # the worker ends with it; the final stages are not measured
            process.wait()
    if len(samples) < 2:
        raise SystemExit("The run has ended too early to be measured. Run its command by hand.")
    print_growth(samples)


if __name__ == "__main__":
    main()
