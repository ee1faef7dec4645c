"""`recsearch.testing.check_space` in the test suite of a user."""

import sys
from pathlib import Path

import pytest
from test_check import OWN_LAYER, SUBCLASSED, model

from recsearch.errors import SpaceError, UsageError
from recsearch.testing import check_space


def write(folder: Path, text: str) -> str:
    (folder / "mine.py").write_text(text)
    return f"{folder / 'mine.py'}:build"


@pytest.mark.slow
def test_sound_space_passes_for_several_tasks(tmp_path: Path) -> None:
    steps: list[str] = []
    check_space(write(tmp_path, model()), tasks=["rating", "implicit"], report=steps.append)
    exported = [step for step in steps if "in a process without recsearch" in step]
    assert len(exported) == 2


@pytest.mark.slow
def test_steps_are_printed_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_space(write(tmp_path, OWN_LAYER))
    assert "builds and trains with defaults" in capsys.readouterr().out


def test_builder_function_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "space_of_a_user.py").write_text(SUBCLASSED)
    monkeypatch.syspath_prepend(tmp_path)
    import space_of_a_user  # type: ignore[import-not-found]

    with pytest.raises(SpaceError, match="functional"):
        check_space(space_of_a_user.build)
    del sys.modules["space_of_a_user"]


def test_unusable_space_is_a_space_error(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="not compiled"):
        check_space(write(tmp_path, model(compiled=False)))


@pytest.mark.parametrize("tasks", [[], "ratings", ["rating", 5]])
def test_unknown_tasks_are_refused_before_anything_is_imported(tasks: object) -> None:
    with pytest.raises(UsageError, match="expected some of rating, implicit, click"):
        check_space("neumf", tasks=tasks)  # type: ignore[arg-type]
