"""Shards on this machine: in this process, or in several that hold a detector each."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace

from zhenwei.inference.batch.shards import Shard
from zhenwei.inference.batch.worker import OnRows, ShardOutcome, ShardScorer
from zhenwei.parallel import map_in_processes, usable_cores


def score_locally(
    scorer: ShardScorer, shards: Sequence[Shard], workers: int, on_rows: OnRows
) -> Generator[ShardOutcome]:
    """Score shards one after another, or several at a time; when the iterator is closed, no process is left.

    Args:
        scorer: What turns an input file into its shard.
        shards: What to score.
        workers: How many processes; with 1, the work is done in this one.
        on_rows: Is told of rows as they are scored; with several processes, when their shard is whole.

    Yields:
        What became of each, in the order of the shards.

    Raises:
        CheckpointError: There is no detector, or it is damaged.
        ConfigError: No device is so called.
        ZhenweiError: A worker process died.
    """
    workers = min(workers, len(shards))
    if workers == 1:
        _ = scorer.detector  # one that cannot be used is no affair of the first file
        yield from (scorer(shard, on_rows) for shard in shards)
        return
    scorer.check()
    scorer = replace(scorer, threads=max(1, usable_cores() // workers))
    with closing(map_in_processes(scorer, ((None, shard) for shard in shards), workers)) as outcomes:
        for _, outcome in outcomes:
            on_rows(outcome.rows)
            yield outcome
