import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from recsearch.system.resources import memory_gb, num_cores, peak_memory_mb


def test_cores_are_those_that_the_process_may_use() -> None:
    script = """
import os
from recsearch.system.resources import num_cores
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(num_cores())
"""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system binds no process to cores")
    printed = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert printed.stdout == "1\n"


def test_cores_are_counted_where_the_system_has_no_affinity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS
    assert num_cores() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert num_cores() == 1


@pytest.mark.parametrize(
    ("platform", "peak", "expected"), [("linux", 3 * 1024, 3.0), ("darwin", 3 * 1024**2, 3.0)]
)
def test_peak_memory_has_the_unit_of_the_platform(
    monkeypatch: pytest.MonkeyPatch, platform: str, peak: int, expected: float
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=peak))
    assert peak_memory_mb() == expected


def test_memory_that_the_system_does_not_report_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (memory_gb() or 0) > 0.1

    def unknown(name: str) -> int:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "sysconf", unknown)
    assert memory_gb() is None


@pytest.mark.slow
def test_whole_run_works_where_the_system_has_no_affinity(tmp_path: Path) -> None:
    script = f"""
import os, sys
del os.sched_getaffinity
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from small_run import run_settings
import recsearch
settings = run_settings(Path({str(tmp_path)!r}) / "files", tuner="random", max_trials=1)
run = recsearch.search(**settings, workers=1)
print(run.config["machine"]["cores"])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=180
    )
    assert done.stdout.split() == [str(os.cpu_count())], done.stderr
