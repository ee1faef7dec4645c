"""The Ray that the workers run on: one on this machine only, or a cluster at an address."""

import logging
import math
import os
import signal
import socket
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from recsearch.errors import UsageError
from recsearch.tuning.engines.private_ray import silence_worker_notices

CONNECT_SECONDS = 10.0
OBJECT_STORE_BYTES = 100 * 2**20  # for a Ray on this machine, which only sends small messages


@dataclass(frozen=True)
class Cluster:
    """Where the workers run, and the resources that Ray reserves for each.

    Attributes:
        address: HOST:PORT of a cluster, or "auto" for the one that this machine belongs to; None
            starts a Ray on this machine, which ends with the engine.
        cpus_per_trial: CPUs, above 0; a trial always uses one thread.
        gpus_per_trial: GPUs; with a fraction, workers share one. With 0, a worker sees no GPU.
    """

    address: str | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0


def import_ray(cluster: Cluster) -> Any:
    """Returns the module `ray`, with its usage reports switched off.

    Raises:
        UsageError: If it cannot be imported.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if cluster.address is None or cluster.address.startswith(("127.", "localhost:")):
        # Despite its name, this variable makes a Ray of one machine listen only on the loopback
        # interface, also on Linux. Ray reads it when it is imported.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise UsageError(
            f"--engine ray needs the package ray, which cannot be imported ({error}). "
            "Install it: pip install 'recsearch[ray]'"
        ) from None
    return ray


def connect(ray: Any, cluster: Cluster, num_workers: int, closing: ExitStack) -> None:
    """Starts a Ray on this machine or joins a cluster.

    Args:
        ray: The module.
        cluster: Which Ray, and the resources per worker.
        num_workers: The number of workers that a Ray on this machine must have room for.
        closing: Receives the callbacks that disconnect and clean up.

    Raises:
        UsageError: If no cluster can be joined at the address, or this machine has too few GPUs.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    if threading.current_thread() is threading.main_thread():  # `ray.init` sets a handler there
        closing.callback(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    settings = {"configure_logging": False, "log_to_driver": False}
    closing.callback(ray.shutdown)
    if cluster.address is None:
        ray.init(
            address="local",  # without an address Ray would look for a cluster
            num_cpus=math.ceil(num_workers * cluster.cpus_per_trial),
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            **settings,
        )
        _require_gpus(num_workers * cluster.gpus_per_trial, ray.cluster_resources().get("GPU", 0))
    else:
        require_answer(cluster.address)
        try:
            ray.init(address=cluster.address, **settings)
        except (ConnectionError, RuntimeError, ray.exceptions.AuthenticationError) as error:
            raise UsageError(_no_cluster(cluster.address, error)) from error
    silence_worker_notices(ray)


def _require_gpus(asked: float, present: float) -> None:
    """Refuses workers that would never start."""
    if asked > present:
        raise UsageError(
            f"The workers need {asked:g} GPUs in total, but this machine has {present:g}. "
            "Lower --workers or --gpus-per-trial, or give the --address of a cluster."
        )


def require_answer(address: str) -> None:
    """Refuses an address where nothing listens; Ray itself would keep trying for minutes.

    Raises:
        UsageError: If the address is not HOST:PORT, or nothing answers there.
    """
    if address == "auto":
        return  # Ray knows at once
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError, ValueError) as error:
        raise UsageError(_no_cluster(address, error)) from None


def _no_cluster(address: str, error: Exception) -> str:
    return (
        f"No Ray cluster can be joined at --address {address} ({error}). Expected HOST:PORT or "
        "auto. Start one with `ray start --head`, or omit --address to use only this machine. "
        "A cluster with token authentication needs RAY_AUTH_MODE=token here too."
    )
