"""What lies in the repository: sizes, line ends, nothing that belongs to one machine."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAX_BYTES = 200_000


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = [ROOT / line for line in listed.stdout.splitlines()]
    assert len(files) > 100
    return [path for path in files if path.is_file()]


def test_no_file_is_large() -> None:
    for path in tracked_files():
        assert path.stat().st_size < MAX_BYTES, path


def test_text_files_end_with_one_newline_and_have_no_trailing_blanks() -> None:
    for path in tracked_files():
        text = path.read_text(encoding="utf-8")
        if path.stat().st_size and path.suffix != ".ipynb":
            assert text.endswith("\n"), path
            assert not text.endswith("\n\n"), path
        assert not re.search(r"[ \t]+$", text, re.MULTILINE) or path.name == "LICENSE", path


def test_no_absolute_path_of_a_machine_is_written_down() -> None:
    home = re.compile(r"(?<![\w.])/(?:home|Users|work|root)/\w")
    for path in tracked_files():
        if path.name == Path(__file__).name:
            continue
        assert not home.search(path.read_text(encoding="utf-8")), path


def test_modules_stay_small() -> None:
    for folder in ("recsearch", "search_spaces"):
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 350, path
