"""Runs `zhenwei` commands, each in a fork of one process that has imported everything but has run nothing yet.

Reads one line of JSON per list of jobs from standard input, and answers with one line: the exit status of each job,
negative for a signal. A job is {"argv": [...], "out": FILE, "err": FILE, "env": {...}, "at": MOMENT, "do": ACTION}; the
last three are optional. The action is carried out at the moment inside the command's own process, by means of Python
(log lines and audit events), so that the tested code does not know about it and the moment is the same each time.
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

# So that no job has to import them: together they take as long as a tiny training.
import huggingface_hub.repocard  # noqa: F401
import sklearn.metrics  # noqa: F401
import torch._dynamo  # noqa: F401  # by the first optimizer

import zhenwei.training.trainer  # noqa: F401
from zhenwei.cli import main


def act(action: dict[str, Any]) -> None:
    """Send a signal to this process, limit its files, or fill a disk."""
    if "signal" in action:
        os.kill(os.getpid(), signal.Signals[action["signal"]])
    if "file_limit" in action:
        resource.setrlimit(resource.RLIMIT_FSIZE, (action["file_limit"], resource.RLIM_INFINITY))
    if "fill" in action:
        fill(Path(action["fill"]), action["leave"])


def fill(path: Path, leave: int) -> None:
    """Write a file until the disk is full, then free some bytes."""
    with path.open("wb", buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(max(file.tell() - leave, 0))


def watch(moment: dict[str, Any], action: dict[str, Any]) -> None:
    """Act when a line is logged, or when a file is about to be opened or renamed."""
    left = [moment.get("time", 1)]

    def count_down(matches: bool) -> None:
        left[0] -= matches
        if matches and left[0] == 0:
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
    """Run the command of a job in this process."""
    for number, name in ((0, os.devnull), (1, job["out"]), (2, job["err"])):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
    os.environ |= job.get("env", {})
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = ["zhenwei", *job["argv"]]
    if job.get("at"):
        watch(job["at"], job["do"])
    try:
        main()
    finally:  # the limit is that of the command alone
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def start(job: dict[str, Any]) -> int:
    """Start a job in a process of its own, and return its id."""
    child = os.fork()
    if child == 0:
        run(job)
        sys.exit(0)
    return child


def wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        if request["together"]:
            statuses = [wait(child) for child in [start(job) for job in request["jobs"]]]
        else:
            statuses = [wait(start(job)) for job in request["jobs"]]
        print(json.dumps(statuses), flush=True)
