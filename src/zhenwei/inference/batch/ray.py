"""Predict shards by Ray Data, on this machine or on a cluster with a shared file system.

Ray Data assigns the input files, one per task, to actors with a detector each. If an actor dies, Ray restarts it and
assigns its file again; because a shard is written atomically, this is safe.
"""

import json
import logging
import math
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from zhenwei.errors import ConfigError, ZhenweiError
from zhenwei.inference.batch.shards import Shard
from zhenwei.inference.batch.worker import OnRows, ShardOutcome, ShardWorker

LOCAL = "local"  # starts Ray on this machine
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # its future default; otherwise it warns
}


class _Actor:
    """A Ray actor that predicts shards."""

    def __init__(self, worker: ShardWorker) -> None:
        self._worker = worker

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Predict the files of a batch, and return their outcomes as JSON."""
        shards = [Shard(Path(source), Path(path)) for source, path in zip(batch["source"], batch["path"], strict=True)]
        return {"outcome": [json.dumps(asdict(self._worker(shard))) for shard in shards]}


def predict_on_ray(
    worker: ShardWorker, shards: Sequence[Shard], actors: int | None, on_rows: OnRows, address: str = LOCAL
) -> Generator[ShardOutcome]:
    """Predict shards by Ray Data; a Ray that was started here is shut down when the iterator is closed.

    Args:
        worker: Predicts a shard.
        shards: The shards.
        actors: Number of actors; None: one for each GPU of Ray, or else for each CPU.
        on_rows: Called with the number of rows of each complete shard.
        address: Of a cluster, `auto` for the one of this machine, or `local` to start Ray on this machine. If this
            process is connected to Ray already, that connection is used.

    Yields:
        The outcome of each shard when it is complete.

    Raises:
        CheckpointError: If there is no detector, or it is damaged.
        ConfigError: If Ray is not installed or not reachable, or the device is unknown or a numbered GPU.
        ZhenweiError: If Ray fails.
    """
    worker.check()
    if worker.device.startswith("cuda:"):
        raise ConfigError(f"device: found {worker.device}; expected cuda: Ray assigns a GPU to each worker")
    with _ray(address, actors, len(shards)) as ray:
        import ray.data as ray_data  # noqa: PLC0415 - heavy; only this engine needs it

        gpus, actors = gpus_and_actors(worker.device, actors, ray.cluster_resources())
        worker = replace(worker, run=worker.run.absolute(), device="cuda" if gpus else worker.device)
        # Actors may have another working folder.
        rows = [{"source": str(each.source.absolute()), "path": str(each.path.absolute())} for each in shards]
        pool = ray_data.ActorPoolStrategy(size=min(actors, len(shards)), max_tasks_in_flight_per_actor=2)
        with _quiet(ray_data.DataContext.get_current()):
            outcomes = ray_data.from_items(rows, override_num_blocks=len(rows)).map_batches(
                _Actor, batch_size=1, compute=pool, num_cpus=1, num_gpus=gpus, fn_constructor_args=(worker,)
            )
            try:
                for row in outcomes.iter_rows():
                    outcome = ShardOutcome(**json.loads(row["outcome"]))
                    on_rows(outcome.rows)
                    yield outcome
            except ray.exceptions.RayError as error:
                raise ZhenweiError(f"Ray failed ({_first_line(error)}); {_REQUIREMENTS}") from None


_REQUIREMENTS = "all its machines need zhenwei, the bundle, the input and the folder of the shards"


@contextmanager
def _ray(address: str, actors: int | None, shards: int) -> Iterator[Any]:
    """Connect to Ray, or start one."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray  # noqa: PLC0415 - an optional dependency
        import ray.exceptions  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            "the engine 'ray' needs Ray Data, which is not installed; install it with: pip install 'zhenwei[ray]'"
        ) from None
    if ray.is_initialized():
        yield ray
        return
    settings: dict[str, Any] = {"num_cpus": actors and min(actors, shards), "include_dashboard": False}
    try:
        with _without_stderr():  # its C++ part always logs its start there
            ray.init(
                address, log_to_driver=False, logging_level=logging.ERROR, **(settings if address == LOCAL else {})
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"--address: cannot reach Ray at {address!r} ({_first_line(error)}); expected auto or the address of a "
            "cluster; without --address, Ray starts on this machine"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Discard standard error of this process, including that of C++ libraries."""
    stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)


def gpus_and_actors(device: str, actors: int | None, resources: Mapping[str, float]) -> tuple[float, int]:
    """Return the share of a GPU of each actor, from 0 to 1, and the number of actors.

    Args:
        device: As `Detector` takes it; `auto` and `cuda` use all GPUs.
        actors: The requested number; None: one for each GPU, or else for each CPU.
        resources: Of the Ray cluster.
    """
    gpus = int(resources.get("GPU", 0)) if device in ("auto", "cuda") else 0
    actors = actors or gpus or max(1, int(resources.get("CPU", 1)))
    return min(1.0, math.floor(gpus / actors * 1e4) / 1e4), actors  # Ray counts in ten-thousandths


@contextmanager
def _quiet(context: Any) -> Iterator[None]:
    """Suppress progress bars and logs of Ray Data."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    settings = context.enable_progress_bars, context.print_on_execution_start
    context.enable_progress_bars = context.print_on_execution_start = False
    try:
        yield
    finally:
        context.enable_progress_bars, context.print_on_execution_start = settings


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
