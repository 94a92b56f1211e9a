"""Runs `zhenwei` commands, each in a fork of one process that has imported everything but has run nothing yet.

    python command_runner.py jobs.json

A job is {"argv": [...], "log": FILE, "at": MOMENT or null, "do": ACTION}. At its moment the action is carried out
inside the command's own process, by Python's own means (log lines and audit events), so that the code under test
knows nothing of it and the moment is the same each time. Prints one exit status per job: negative for a signal.
"""

import json
import logging
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch._dynamo  # noqa: F401  # the first optimizer imports it, for two seconds

import zhenwei.training.trainer  # noqa: F401  # so that each job has it already
from zhenwei.cli import main


def act(action: dict[str, Any]) -> None:
    """Carry out an action: a signal to this process, a limit to its files, or a full disk."""
    if "signal" in action:
        os.kill(os.getpid(), signal.Signals[action["signal"]])
    if "file_limit" in action:
        resource.setrlimit(resource.RLIMIT_FSIZE, (action["file_limit"], resource.RLIM_INFINITY))
    if "fill" in action:
        fill(Path(action["fill"]), action["leave"])


def fill(path: Path, leave: int) -> None:
    """Write a file until the disk is full, then give some room back."""
    with path.open("wb", buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(max(file.tell() - leave, 0))


def watch(moment: dict[str, Any], action: dict[str, Any]) -> None:
    """Carry out an action when a line is logged, or when the system is about to open or rename a file."""
    left = [moment.get("time", 1)]

    def count_down(is_it: bool) -> None:
        left[0] -= is_it
        if is_it and left[0] == 0:
            act(action)

    if moment["event"] == "log":
        handler = logging.Handler()
        handler.emit = lambda record: count_down(moment["text"] in record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("zhenwei").addHandler(handler)
    else:
        sys.addaudithook(
            lambda event, arguments: count_down(event == moment["event"] and str(arguments[0]).endswith(moment["text"]))
        )


def run(job: dict[str, Any]) -> None:
    """Be the command, and end."""
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["zhenwei", *job["argv"]]
    if job.get("at"):
        watch(job["at"], job["do"])
    try:
        main()
    finally:  # a limit is the command's alone: who measures coverage writes after it
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def status_of(job: dict[str, Any]) -> int:
    """Run a job in a process of its own and return how it ended."""
    child = os.fork()
    if child == 0:
        run(job)
        sys.exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    statuses = []
    for each in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        statuses.append(status_of(each))
    print(json.dumps(statuses))
