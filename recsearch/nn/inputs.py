"""The names of model inputs, and what they tell of them.

`user_id`, `item_id`, `user_<column>` and `item_<column>` are of the data's columns. `bag` [B, N]
float32 is 1 at each item that the user has in training, and `bag_labels` [B, N] holds the labels of
those interactions, else 0 (N items, with the unknown 0). `bag_age` [B, N] float32, for implicit
data with timestamps, tells how many of his items the user met later than this one: 0 at his latest
item, and at all that are not in the bag. While `Bags` with a half-life are trained, both tell what
was before a cut, as if the history ended there. Bags are for models that are trained on
bags: a model of pairs would be fed a row of N numbers with each pair, and `bag_labels` would tell
it the label that it is to predict.
"""

from typing import Literal

BAG = "bag"
BAG_LABELS = "bag_labels"
BAG_AGE = "bag_age"

Side = Literal["user", "item"]


def side_of(name: str) -> Side:
    """Returns whose input this is; a bag belongs to its user."""
    return "item" if name.startswith("item_") else "user"
