"""How soon zhenwei is there: importing, the command line, a detector's first text, and each text after it.

    python benchmarks/startup.py                      # the demo's BiGRU
    python benchmarks/startup.py --run runs/mine --json figures.json

Programs are started anew for each figure, and the median of `--repeats` is shown, beside that of the same Python
that does nothing, and that imports torch and transformers, which peers do before anything else.
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
    parser.add_argument("--run", type=Path, help="the run or bundle; the demo's unless given")
    parser.add_argument("--repeats", type=int, default=5, help="starts of each program (5)")
    parser.add_argument("--json", help="write the figures here, too; -: to standard output, instead of the table")
    options = parser.parse_args()
    run = options.run or demo_run(Path("runs"))
    programs = {
        "Python that does nothing": ["-c", "pass"],
        "import torch, transformers": ["-c", "import torch, transformers"],
        "import zhenwei": ["-c", "import zhenwei"],
        "zhenwei --help": ["-m", "zhenwei", "--help"],
        "zhenwei predict RUN TEXT": ["-m", "zhenwei", "predict", str(run), TEXT],
    }
    found = {name: started(arguments, options.repeats) for name, arguments in programs.items()}
    found |= in_process(run)
    if options.json != "-":
        rows = [(name, f"{1000 * seconds:.1f}") for name, seconds in found.items()]
        print_rows(("", "ms"), rows, f"{run}, medians")
        print(describe())
    if options.json:
        write_json({"run": str(run), "machine": describe(), "seconds": found}, options.json)


def started(arguments: list[str], repeats: int) -> float:
    """Return the median seconds of a program, from its start to its end."""
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def in_process(run: Path) -> dict[str, float]:
    """Return the seconds of loading a detector (torch being there), of its first text, and of each after that."""
    begun = time.perf_counter()
    detector = Detector.load(run)
    loaded = time.perf_counter()
    detector.predict(TEXT)
    first = time.perf_counter()
    seconds = []
    for text in texts(100):
        begun_text = time.perf_counter()
        detector.predict(text)
        seconds.append(time.perf_counter() - begun_text)
    return {
        "Detector.load": loaded - begun,
        "predict, the first text": first - loaded,
        "predict, one text of 100 characters": statistics.median(seconds),
    }


if __name__ == "__main__":
    main()
