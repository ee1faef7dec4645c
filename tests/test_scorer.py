import numpy as np
from numpy.typing import NDArray

from recsearch.evaluation.scorer import KnownOnly, for_held_out


class Echo:
    """Scores a pair as 10 * user + item, and a catalogue of 3 items likewise."""

    def score_pairs(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        return (10 * user + item).astype(np.float32)

    def score_catalogue(self, user: NDArray[np.int32]) -> NDArray[np.float32]:
        return (10 * user[:, np.newaxis] + np.arange(3)).astype(np.float32)


class ColumnReader(Echo):
    reads_columns = True


def test_known_only_turns_ids_unknown_in_training_to_0() -> None:
    scorer = KnownOnly(Echo(), num_users=2, num_items=3)
    user, item = np.array([1, 2, 5, 0], np.int32), np.array([2, 1, 3, 4], np.int32)
    assert scorer.score_pairs(user, item).tolist() == [12, 1, 0, 0]
    assert scorer.score_catalogue(user).tolist() == [[10, 11, 12]] + [[0, 1, 2]] * 3
    assert user.tolist() == [1, 2, 5, 0]


def test_scorer_that_reads_columns_gets_every_index() -> None:
    reader = ColumnReader()
    assert for_held_out(reader, 2, 3) is reader
    assert isinstance(for_held_out(Echo(), 2, 3), KnownOnly)
