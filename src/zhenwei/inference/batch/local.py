"""Predict shards on this machine, in this process or in several processes with a detector each."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace

from zhenwei.inference.batch.shards import Shard
from zhenwei.inference.batch.worker import OnRows, ShardOutcome, ShardWorker
from zhenwei.parallel import map_in_processes, usable_cores


def predict_locally(
    worker: ShardWorker, shards: Sequence[Shard], processes: int | None, on_rows: OnRows
) -> Generator[ShardOutcome]:
    """Predict shards in order; when the iterator is closed, all processes have ended.

    Args:
        worker: Predicts a shard.
        shards: The shards.
        processes: Number of processes; with 1, the default, this one does the work.
        on_rows: Called with the number of new rows; with several processes, when their shard is complete.

    Yields:
        The outcome of each shard, in their order.

    Raises:
        CheckpointError: If there is no detector, or it is damaged.
        ConfigError: If the device is unknown.
        ZhenweiError: If a worker process died.
    """
    processes = min(processes or 1, len(shards))
    if processes == 1:
        _ = worker.detector  # an error of the detector is not an error of the first file
        yield from (worker(shard, on_rows) for shard in shards)
        return
    worker.check()
    worker = replace(worker, threads=max(1, usable_cores() // processes))
    with closing(map_in_processes(worker, ((None, shard) for shard in shards), processes)) as outcomes:
        for _, outcome in outcomes:
            on_rows(outcome.rows)
            yield outcome
