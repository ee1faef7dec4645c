"""Half precision, float64 and a policy that a module sets for all its layers."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from prepared import pipeline, prepared_with_ids

from recsearch.contract.recommender import Recommender
from recsearch.data.task import Task
from recsearch.nn import Pairs
from recsearch.nn.embedding import Embedding
from recsearch.scoring.model_scorer import ModelScorer
from recsearch.serving.saved_model import save_recommender
from recsearch.serving.verify import verify_export
from recsearch.training.fit import Fitter
from recsearch.tuning.space.precision import Precision
from recsearch.tuning.space.search_space import load_space

DATA, VOCABULARIES = prepared_with_ids(Task.RATING)
SPEC = DATA.spec


def model(policy: str, last: str | None = None, table: Any = keras.layers.Embedding) -> Any:
    """Dot product and a layer over both vectors; `last` is the policy of what joins them."""
    user = keras.Input((), dtype="int32", name="user_id")
    item = keras.Input((), dtype="int32", name="item_id")
    p = table(SPEC.num_users, 4, dtype=policy)(user)
    q = table(SPEC.num_items, 4, dtype=policy)(item)
    dot = keras.layers.Dot(1, dtype=last or policy)([p, q])
    both = keras.layers.Concatenate(dtype=last or policy)(
        [p, q, keras.layers.Multiply(dtype=policy)([p, q])]
    )
    hidden = keras.layers.Dense(4, activation="relu", dtype=policy)(both)
    score = keras.layers.Dense(1, dtype=last or policy, bias_initializer="ones")(hidden)
    made = keras.Model([user, item], keras.layers.Add(dtype=last or policy)([score, dot]))
    made.compile(keras.optimizers.Adam(0.05), "mse")
    return made


def trained(made: Any, path: Path | None = None) -> ModelScorer:
    """Trains an epoch, or loads the state at a path."""
    fitter = Fitter(Recommender(made, Pairs(), 256), pipeline(Task.RATING), seed=0)
    fitter.callbacks.begin(1)
    if path is None:
        fitter.run_epoch(0)
    else:
        fitter.load(path)
    return ModelScorer(made, pipeline(Task.RATING).feed, SPEC)


@pytest.mark.parametrize(
    ("policy", "last", "table"),
    [
        ("mixed_float16", None, keras.layers.Embedding),
        pytest.param("mixed_float16", "float32", keras.layers.Embedding, marks=pytest.mark.slow),
        ("mixed_bfloat16", "float32", Embedding),
        pytest.param("bfloat16", None, keras.layers.Embedding, marks=pytest.mark.slow),
        pytest.param("float64", None, keras.layers.Embedding, marks=pytest.mark.slow),
    ],
)
def test_model_is_trained_scored_kept_and_exported(policy, last, table, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    made = model(policy, last, table)
    scorer = trained(made)
    pairs = DATA.holdout.user, DATA.holdout.item
    score = scorer.score_pairs(*pairs)
    assert score.dtype == np.float32
    assert np.isfinite(score).all()
    assert np.ptp(score) > 0

    catalogue = scorer.score_catalogue(np.array([3], np.int32))[0]
    by_pairs = made([np.full(SPEC.num_items, 3), np.arange(SPEC.num_items)])
    np.testing.assert_allclose(
        catalogue, np.ravel(by_pairs).astype(np.float32), rtol=2e-2, atol=scorer.tolerance
    )

    checkpoint = tmp_path / "state.npz"
    Fitter(Recommender(made, Pairs(), 256), pipeline(Task.RATING), seed=0).save(checkpoint)
    again = trained(model(policy, last, table), checkpoint)
    np.testing.assert_array_equal(again.score_pairs(*pairs), score)

    made.save(tmp_path / "model.keras")
    rebuilt = model(policy, last, table)
    rebuilt.optimizer.build(rebuilt.trainable_variables)
    rebuilt.load_weights(tmp_path / "model.keras")
    reloaded = ModelScorer(rebuilt, pipeline(Task.RATING).feed, SPEC)
    np.testing.assert_array_equal(reloaded.score_pairs(*pairs), score)

    path = save_recommender(tmp_path, reloaded, DATA, VOCABULARIES)
    verify_export(path, reloaded, DATA, VOCABULARIES)


def test_bfloat16_is_kept_exactly_in_a_checkpoint(tmp_path: Path) -> None:
    made = model("bfloat16")
    fitter = Fitter(Recommender(made, Pairs(), 256), pipeline(Task.RATING), seed=0)
    fitter.save(tmp_path / "state.npz")
    weights = [np.asarray(variable) for variable in made.variables]
    assert any(weight.dtype.name == "bfloat16" for weight in weights)
    other = model("bfloat16")
    trained(other, tmp_path / "state.npz")
    for one, variable in zip(weights, other.variables, strict=True):
        assert np.asarray(variable).tobytes() == one.tobytes()


SOURCE = """
import keras
{before}

def build(hp, data):
    {inside}
    item = keras.Input((), dtype="int32", name="item_id")
    table = keras.layers.Embedding(data.num_items, 2)(item)
    model = keras.Model(item, keras.layers.Dense(1)(table))
    model.compile("adam", "mse")
    return model
"""
GLOBAL = 'keras.mixed_precision.set_global_policy("mixed_float16")'


def policies(space: Any, family: str) -> tuple[str, str]:
    """Returns the policy of the layers, and the class of the optimizer."""
    made = space.build(family, {}, SPEC).recommender.model
    return made.layers[-1].dtype_policy.name, type(made.optimizer).__name__


@pytest.mark.parametrize("place", ["before", "inside"])
def test_policy_acts_on_its_own_family_alone(place: str, tmp_path: Path) -> None:
    half, plain = tmp_path / "half.py", tmp_path / "plain.py"
    half.write_text(SOURCE.format(**{"before": "", "inside": "", place: GLOBAL}))
    plain.write_text(SOURCE.format(before="", inside=""))
    before = Precision.current()
    space = load_space([str(half), str(plain)])
    for _ in range(2):
        assert policies(space, "half") == ("mixed_float16", "LossScaleOptimizer")
        assert policies(space, "plain") == ("float32", "Adam")
        keras.utils.clear_session(free_memory=False)  # as before each trial
    space.discover(SPEC)
    assert not Precision.current().differs(before)


def test_policy_of_a_module_that_is_imported_already_acts(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "halved_module.py").write_text(SOURCE.format(before=GLOBAL, inside=""))
    monkeypatch.syspath_prepend(str(tmp_path))
    for _ in range(2):
        space = load_space(["halved_module:build"])
        assert policies(space, "halved_module")[0] == "mixed_float16"


def test_default_float_type_of_a_module_acts_on_it_alone(tmp_path: Path) -> None:
    double, plain = tmp_path / "double.py", tmp_path / "plain.py"
    double.write_text(SOURCE.format(before='keras.config.set_floatx("float64")', inside=""))
    plain.write_text(SOURCE.format(before="", inside=""))
    space = load_space([str(double), str(plain)])
    types = {
        family: space.build(family, {}, SPEC).recommender.model.layers[-1].kernel.dtype
        for family in space.families
    }
    assert types == {"double": "float64", "plain": "float32"}
    assert keras.config.floatx() == "float32"


def test_builder_that_fails_leaves_the_defaults_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "failing.py"
    path.write_text(SOURCE.format(before="", inside=f"{GLOBAL}; raise ValueError"))
    before = Precision.current()
    with pytest.raises(ValueError):  # noqa: PT011
        load_space([str(path)]).build("failing", {}, SPEC)
    assert not Precision.current().differs(before)
