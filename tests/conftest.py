"""Planted data whose answer is known, and the way to the shared data sets."""

import fcntl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from small_run import run_settings

from recsearch.data.interactions import Interactions

if TYPE_CHECKING:
    from recsearch.api.run import Run
    from recsearch.study.study import Study


@dataclass(frozen=True)
class Planted:
    """Interactions to learn from, and those that a model of the right kind must find."""

    train: Interactions
    withheld: Interactions


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the shared data sets (../shared/data beside the project) are absent")
    return path


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The directory of a complete run on small data; tests read it, and change copies only.

    The first test process that needs the run makes it, and all others read the same one.
    """
    import recsearch

    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "finished"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            settings = run_settings(folder)
            recsearch.search(settings.pop("spaces"), **settings)
            (folder / "complete").touch()
    return folder / "run"


@pytest.fixture
def run(tmp_path: Path) -> "Run":
    """The run that `planted_run` writes by hand."""
    from planted_run import plant_run

    from recsearch.api.run import load

    return load(plant_run(tmp_path / "planted"))


@pytest.fixture
def open_study() -> Iterator[Callable[..., "Study"]]:
    """Opens studies whose drivers have a script."""
    from studies import opened_studies

    with opened_studies() as opened:
        yield opened


@pytest.fixture
def system(request: pytest.FixtureRequest) -> Iterator[type]:
    """One of `two_systems`, for the tests of defects."""
    yield request.param
    request.param.close_all()


@pytest.fixture
def checkerboard() -> Planted:
    """20 users, 20 items: user u has each item of the parity of u but item u, which is withheld."""
    user, item = (side.ravel() for side in np.meshgrid(np.arange(1, 21), np.arange(1, 21)))
    liked = (user + item) % 2 == 0
    return Planted(
        train=_interactions(user, item, np.ones(400), liked & (user != item)),
        withheld=_interactions(user, item, np.ones(400), user == item),
    )


@pytest.fixture
def low_rank_ratings(rng: np.random.Generator) -> Planted:
    """60 users, 40 items, ratings 3 + p_u . q_i of rank 2 without noise; a fifth is withheld."""
    user, item = (side.ravel() for side in np.meshgrid(np.arange(1, 61), np.arange(1, 41)))
    p, q = rng.normal(size=(61, 2)), rng.normal(size=(41, 2))
    rating = 3.0 + np.sum(p[user] * q[item], axis=1)
    withheld = rng.uniform(size=len(user)) < 0.2
    return Planted(
        train=_interactions(user, item, rating, ~withheld),
        withheld=_interactions(user, item, rating, withheld),
    )


def _interactions(
    user: NDArray[np.int64],
    item: NDArray[np.int64],
    label: NDArray[np.float64],
    rows: NDArray[np.bool_],
) -> Interactions:
    return Interactions(pa.array(user[rows]), pa.array(item[rows]), label[rows].astype(np.float32))
