"""The only private name of another package in recsearch, checked with Ray 2.60 (>=2.60,<3)."""

import logging
from typing import Any

logger = logging.getLogger(__name__)


def silence_worker_notices(ray: Any) -> None:
    """Keeps Ray from printing a notice of every dead worker to stdout, where the results go.

    `log_to_driver=False` does not stop these notices, and Ray has no public setting for them.

    Args:
        ray: The module.
    """
    worker = ray._private.worker
    if hasattr(worker, "_worker_logs_enabled"):
        worker._worker_logs_enabled = False
    else:
        logger.warning("Ray %s may print notices of workers to stdout.", ray.__version__)
