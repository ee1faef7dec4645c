"""Named metrics of recommended lists."""

from collections.abc import Sequence

from recsearch.metrics.lists import LIST_FAMILIES, Recommended
from recsearch.metrics.names import metrics_of_kind


def list_metrics(names: Sequence[str], recommended: Recommended) -> dict[str, float]:
    """Returns the named metrics of recommended lists.

    Args:
        names: Such as "coverage@10".
        recommended: Lists of at least the largest cutoff, padded where they are shorter.

    Raises:
        UsageError: If a name is not a metric of lists.
        ValueError: If the lists have fewer positions than a cutoff, or if diversity is requested
            without item vectors.
    """
    metrics = metrics_of_kind(names, "lists")
    places, depth = recommended.items.shape[1], max((m.cutoff or 0 for m in metrics), default=0)
    if depth > places:
        raise ValueError(
            f"Lists must have at least {depth} positions. Received {places}. Recommend longer "
            "lists, and pad shorter ones with -1."
        )
    return {
        metric.name: LIST_FAMILIES[metric.family].function(recommended.first(metric.cutoff or 0))
        for metric in metrics
    }
