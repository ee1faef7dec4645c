"""The package as it is installed: what pyproject.toml says, against the tree and the wheel."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_package_list_equals_the_tree() -> None:
    folders = {path.parent for path in (ROOT / "recsearch").rglob("*.py")}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    listed = set(SETTINGS["tool"]["setuptools"]["packages"])
    assert listed == names | {"recsearch.search_spaces"}


def test_every_package_has_an_init() -> None:
    for name in SETTINGS["tool"]["setuptools"]["packages"]:
        folder = ROOT / (
            "search_spaces" if name.endswith("search_spaces") else name.replace(".", "/")
        )
        assert (folder / "__init__.py").is_file(), name


def test_every_dependency_says_who_needs_it() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    begin = lines.index("dependencies = [")
    end = lines.index("]", begin)
    dependencies = lines[begin + 1 : end]
    assert len(dependencies) == len(SETTINGS["project"]["dependencies"])
    for line in dependencies:
        assert "#" in line, f"no reason beside {line.strip()}"


def test_imported_libraries_are_declared() -> None:
    from import_graph import imports, modules

    declared = {
        name.partition(">")[0].partition("[")[0].replace("-", "_").lower()
        for name in SETTINGS["project"]["dependencies"]
    }
    declared = {"sklearn" if name == "scikit_learn" else name for name in declared}
    used = {name.partition(".")[0] for path in modules().values() for name in imports(path)}
    foreign = used - set(sys.stdlib_module_names) - {"recsearch"}
    assert len(foreign) >= 10
    extras = {"ray", "optuna", "mlflow"}  # imported by the one module that needs each
    assert foreign - extras <= declared
    assert declared - foreign == set()


@pytest.mark.slow
def test_built_wheel_works_elsewhere(tmp_path: Path) -> None:
    """The wheel, unpacked into an empty folder and imported from there alone."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    names = {path.relative_to(site).as_posix() for path in site.rglob("*")}
    assert {
        "recsearch/py.typed",
        "recsearch/report/page.html.jinja",
        "recsearch/search_spaces/neumf.py",
    } <= names
    assert not any(name.startswith(("search_spaces", "tests")) for name in names)
    code = (
        "import sys, recsearch; from recsearch.__main__ import main;"
        f"assert recsearch.__file__.startswith({str(site)!r}), recsearch.__file__;"
        "sys.exit(main(['spaces']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split()[0] for line in done.stdout.splitlines()[:5]] == [
        "autoencoder",
        "matrix_factorization",
        "neumf",
        "neural_cf",
        "wide_deep",
    ]
