"""Work in several processes: in order, and never more of it at hand than needed.

What is worked on are functions of Python's own: a worker has to find them by their names.
"""

import itertools
import multiprocessing
import operator
import os
from collections.abc import Iterator
from functools import partial

import pytest

from zhenwei.errors import ZhenweiError
from zhenwei.parallel import AHEAD, map_in_processes, usable_cores


def numbers(taken: list[int]) -> Iterator[tuple[str, int]]:
    for number in itertools.count():
        taken.append(number)
        yield str(number), number


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order_beside_what_stayed(processes: int) -> None:
    chunks = ((str(number), number) for number in range(40))
    found = list(map_in_processes(operator.neg, chunks, processes))
    assert found == [(str(number), -number) for number in range(40)]


def test_of_an_endless_stream_little_is_taken_and_closing_it_ends_the_workers() -> None:
    taken: list[int] = []
    results = map_in_processes(operator.neg, numbers(taken), 2)
    assert [result for _, result in itertools.islice(results, 20)] == [-number for number in range(20)]
    assert len(taken) <= 20 + 2 * AHEAD
    workers = multiprocessing.active_children()
    assert workers
    results.close()
    assert not any(worker.is_alive() for worker in workers)


def test_an_error_in_the_work_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_in_processes(partial(operator.truediv, 1), ((None, 3 - number) for number in range(9)), 2))
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_is_told() -> None:
    with pytest.raises(ZhenweiError, match="one of 2 worker processes died; where memory ran out, fewer of them"):
        list(map_in_processes(os._exit, [(None, 1)], 2))


def test_there_is_a_core_to_use() -> None:
    assert usable_cores() >= 1
