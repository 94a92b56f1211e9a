"""Startup times: import, command line, the first text of a detector, and each later text.

    python benchmarks/startup.py                      # the demo's BiGRU
    python benchmarks/startup.py --run runs/mine --json figures.json

Each program is started `--repeats` times, and the median is printed. For comparison: Python without a program, and
Python that imports torch and transformers.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from machine import describe

from serving import demo_run, texts
from zhenwei import Detector
from zhenwei.cli.figures import print_rows, write_json

TEXT = "网传明天全市停水三天,请大家赶快储水!"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="run or bundle; default: that of the demo")
    parser.add_argument("--repeats", type=int, default=5, help="starts of each program (5)")
    parser.add_argument("--json", help="output JSON file; -: standard output, instead of the table")
    options = parser.parse_args()
    run = options.run or demo_run(Path("runs"))
    programs = {
        "empty Python program": ["-c", "pass"],
        "import torch, transformers": ["-c", "import torch, transformers"],
        "import zhenwei": ["-c", "import zhenwei"],
        "zhenwei --help": ["-m", "zhenwei", "--help"],
        "zhenwei predict RUN TEXT": ["-m", "zhenwei", "predict", str(run), TEXT],
    }
    seconds = {name: started(arguments, options.repeats) for name, arguments in programs.items()}
    seconds |= in_process(run)
    if options.json != "-":
        rows = [(name, f"{1000 * value:.1f}") for name, value in seconds.items()]
        print_rows(("", "ms"), rows, f"{run}, medians")
        print(describe())
    if options.json:
        write_json({"run": str(run), "machine": describe(), "seconds": seconds}, options.json)


def started(arguments: list[str], repeats: int) -> float:
    """Return the median duration of a program, in seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def in_process(run: Path) -> dict[str, float]:
    """Return the seconds of loading a detector after torch, of its first text, and of each later text."""
    start = time.perf_counter()
    detector = Detector.load(run)
    loaded = time.perf_counter()
    detector.predict(TEXT)
    first = time.perf_counter()
    seconds = []
    for text in texts(100):
        text_start = time.perf_counter()
        detector.predict(text)
        seconds.append(time.perf_counter() - text_start)
    return {
        "Detector.load": loaded - start,
        "predict, the first text": first - loaded,
        "predict, one text of 100 characters": statistics.median(seconds),
    }


if __name__ == "__main__":
    main()
