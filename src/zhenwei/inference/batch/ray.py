"""Shards on Ray Data: on this machine, or on a cluster whose machines see the same files.

Ray Data hands out the input files, one a task, to actors that hold a detector each. An actor that dies is started
anew and its file handed out again; as a shard comes into place whole or not at all, that does no harm.
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
from zhenwei.inference.batch.worker import OnRows, ShardOutcome, ShardScorer

LOCAL = "local"  # a Ray of our own, on this machine
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # what is to become its default: else it warns
}


class _Worker:
    """What an actor does with the files that it is given."""

    def __init__(self, scorer: ShardScorer) -> None:
        self._scorer = scorer

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Score the files of a batch, and return their outcomes as JSON."""
        shards = [Shard(Path(source), Path(path)) for source, path in zip(batch["source"], batch["path"], strict=True)]
        return {"outcome": [json.dumps(asdict(self._scorer(shard))) for shard in shards]}


def score_on_ray(
    scorer: ShardScorer, shards: Sequence[Shard], workers: int | None, on_rows: OnRows, address: str = LOCAL
) -> Generator[ShardOutcome]:
    """Score shards by Ray Data; a Ray that this starts has ended when the iterator is closed.

    Args:
        scorer: What turns an input file into its shard.
        shards: What to score.
        workers: How many actors; None: one for each GPU that Ray has, or else for each CPU.
        on_rows: Is told of rows when their shard is whole.
        address: Of a cluster, `auto` for the one that this machine belongs to, or `local` for a Ray of our own. A Ray
            that this process is connected to already is used whatever is said here.

    Yields:
        What became of each, as they become whole.

    Raises:
        ConfigError: Ray is not installed, there is none at the address, or the device is one of several GPUs.
        ZhenweiError: Ray itself fails.
    """
    if scorer.device.startswith("cuda:"):
        raise ConfigError(f"device: found {scorer.device}; expected cuda: Ray gives each worker a GPU of its own")
    with _ray(address, workers, len(shards)) as ray:
        import ray.data as ray_data  # noqa: PLC0415 - heavy, and only this engine needs it

        gpus, workers = gpus_and_workers(scorer.device, workers, ray.cluster_resources())
        scorer = replace(scorer, run=scorer.run.absolute(), device="cuda" if gpus else scorer.device)
        rows = [{"source": str(shard.source), "path": str(shard.path)} for shard in map(Shard.absolute, shards)]
        pool = ray_data.ActorPoolStrategy(size=min(workers, len(shards)), max_tasks_in_flight_per_actor=2)
        with _quiet(ray_data.DataContext.get_current()):
            scored = ray_data.from_items(rows, override_num_blocks=len(rows)).map_batches(
                _Worker, batch_size=1, compute=pool, num_cpus=1, num_gpus=gpus, fn_constructor_args=(scorer,)
            )
            try:
                for row in scored.iter_rows():
                    outcome = ShardOutcome(**json.loads(row["outcome"]))
                    on_rows(outcome.rows)
                    yield outcome
            except ray.exceptions.RayError as error:
                raise ZhenweiError(f"Ray could not go on ({_first_line(error)}); {_VISIBLE}") from None


_VISIBLE = "all its machines must have zhenwei installed and see the bundle, the input and the folder of the shards"


@contextmanager
def _ray(address: str, workers: int | None, shards: int) -> Iterator[Any]:
    """Connect to Ray, or start one."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray  # noqa: PLC0415 - an extra
        import ray.exceptions  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            "the engine 'ray' needs Ray Data, which is not installed; install it with: pip install 'zhenwei[ray]'"
        ) from None
    if ray.is_initialized():
        yield ray
        return
    own: dict[str, Any] = {"num_cpus": workers and min(workers, shards), "include_dashboard": False}
    try:
        with _without_stderr():  # its C++ part announces itself there, whatever it is told
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **(own if address == LOCAL else {}))
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"--address: no Ray to be reached at {address!r} ({_first_line(error)}); expected auto, the address of a "
            "cluster, or nothing, for a Ray on this machine alone"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Keep everything in this process, libraries in C++ included, from writing to standard error."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def gpus_and_workers(device: str, workers: int | None, resources: Mapping[str, float]) -> tuple[float, int]:
    """Return which share of a GPU each worker holds, from 0 to 1, and how many workers there are.

    Args:
        device: As `Detector` takes it; `auto` and `cuda` take the GPUs that there are.
        workers: How many are wanted; None: one for each GPU, or else for each CPU.
        resources: What Ray has.
    """
    gpus = int(resources.get("GPU", 0)) if device in ("auto", "cuda") else 0
    workers = workers or gpus or max(1, int(resources.get("CPU", 1)))
    return min(1.0, math.floor(gpus / workers * 1e4) / 1e4), workers  # Ray counts in ten-thousandths


@contextmanager
def _quiet(context: Any) -> Iterator[None]:
    """Keep Ray Data from printing: what there is to say, the outcomes say."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    before = context.enable_progress_bars, context.print_on_execution_start
    context.enable_progress_bars = context.print_on_execution_start = False
    try:
        yield
    finally:
        context.enable_progress_bars, context.print_on_execution_start = before


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
