"""recsearch finds the best recommender model for a table of interactions, and exports it.

- `search(...)` runs a search and returns the finished `Run`.
- `load(directory)` opens a run: trials as a DataFrame, curves, plots, the best model.
- `compare(runs)` compares runs at equal time.

Names are imported when they are first used, so `import recsearch` is fast.
"""

import importlib
from typing import TYPE_CHECKING, Any

from recsearch.version import __version__

if TYPE_CHECKING:
    from recsearch.api.compare import compare
    from recsearch.api.run import Run, load
    from recsearch.api.search import search
    from recsearch.serving.recommend import ForeignModelWarning

__all__ = ["ForeignModelWarning", "Run", "__version__", "compare", "load", "search"]

_HOMES = {
    "search": ("recsearch.api.search", "search"),
    "compare": ("recsearch.api.compare", "compare"),
    "load": ("recsearch.api.run", "load"),
    "Run": ("recsearch.api.run", "Run"),
    "ForeignModelWarning": ("recsearch.serving.recommend", "ForeignModelWarning"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
