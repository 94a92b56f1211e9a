"""Throughput and latency of `zhenwei serve`, also under overload.

    python benchmarks/serving.py                    # 4 x 60 seconds, the demo's BiGRU, texts of 100 characters
    python benchmarks/serving.py --seconds 10       # shorter
    python benchmarks/serving.py --run runs/mine    # another detector
    python benchmarks/serving.py --json figures.json

The service runs in a process of its own. wrk (https://github.com/wg/wrk) sends the requests if it is installed; else a
load generator in Python, which uses a core itself and so measures less. Each request has one text; the texts differ.
Four scenarios: one client; 64 connections without micro-batching; 64 with it; ten times as many, where the service
answers 503 to the requests that it cannot process.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zhenwei.cli.figures import print_rows, write_json
from zhenwei.news.sources.synthetic import SyntheticDataset

CHARACTERS = 100
CONNECTIONS = 64
OVERLOAD = 10
PREFIX = "answered "


@dataclass(frozen=True)
class Scenario:
    """A load: its name, options of the service, and number of connections."""

    name: str
    options: tuple[str, ...]
    connections: int


SCENARIOS = (
    Scenario("one client", (), 1),
    Scenario("64, no batching", ("--max-batch", "1"), CONNECTIONS),
    Scenario("64, batched", (), CONNECTIONS),
    Scenario("640, batched", (), CONNECTIONS * OVERLOAD),
)

# Each thread of wrk counts its responses by status; the sums are printed at the end.
WRK_SCRIPT = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local threads, turn = {}, 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function setup(thread) threads[#threads + 1] = thread end
function init() ok, busy, other = 0, 0, 0 end
function request() turn = turn %% #bodies + 1; return wrk.format(nil, nil, nil, bodies[turn]) end
function response(status)
  if status == 200 then ok = ok + 1 elseif status == 503 then busy = busy + 1 else other = other + 1 end
end
function done(summary, latency)
  local ok, busy, other = 0, 0, summary.errors.connect + summary.errors.read + summary.errors.write
  for _, t in ipairs(threads) do ok = ok + t:get("ok"); busy = busy + t:get("busy"); other = other + t:get("other") end
  print(string.format("answered %%d %%d %%d %%.3f %%.3f %%.3f", ok, busy, other, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


def main() -> None:
    options = parse_options()
    run = options.run or demo_run(Path("runs"))
    bodies = [json.dumps({"text": text}, ensure_ascii=False) for text in texts()]
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for scenario in SCENARIOS:
            with service(run, scenario.options, Path(folder)) as (url, process):
                load(url, bodies, scenario.connections, 2, Path(folder))  # warm-up
                figures[scenario.name] = load(url, bodies, scenario.connections, options.seconds, Path(folder))
                figures[scenario.name] |= {"memory_mb": memory_mb(process), "recovery_ms": one_request(url, bodies[0])}
    report(figures, options.seconds, run)
    if options.json:
        write_json(figures, options.json)


def report(figures: dict[str, Any], seconds: float, run: Path) -> None:
    header = ("load", "200s/s", "p50 ms", "p99 ms", "200", "503", "other", "peak MB", "next, ms")
    rows = [
        (
            name,
            f"{row['served_per_second']:.0f}", f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}",
            str(row["served"]), str(row["busy"]), str(row["other"]),
            f"{row['memory_mb']:.0f}", f"{row['recovery_ms']:.1f}",
        )
        for name, row in figures.items()
    ]  # fmt: skip
    print_rows(header, rows, f"{run}, texts of {CHARACTERS} characters, {seconds:g} s each, by {loader()}")
    without, batched = (figures[scenario.name]["served_per_second"] for scenario in SCENARIOS[1:3])
    print(f"micro-batching: {batched / without:.1f} times the requests a second")
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores{busy}"
    print(f"{machine}; Python {platform.python_version()}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="the run or bundle to serve (default: the demo's)")
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds of each scenario (60)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON")
    return parser.parse_args()


def demo_run(folder: Path) -> Path:
    """Return the demo's run; train it if there is none."""
    if not (folder / "demo" / "checkpoints" / "best").is_dir():
        command = [sys.executable, "-m", "zhenwei", "--quiet", "demo", "--folder", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "demo"


def texts(count: int = 500) -> list[str]:
    """Cut posts of the synthetic dataset into texts of equal length."""
    posts = SyntheticDataset(n_train=2 * count, n_val=0, n_test=0).generate()["train"]
    joined = "".join(article.content for article in posts)
    return [joined[start : start + CHARACTERS] for start in range(0, CHARACTERS * count, CHARACTERS)]


@contextmanager
def service(run: Path, options: tuple[str, ...], folder: Path) -> Iterator[tuple[str, int]]:
    """Start a service on a free port, yield its URL and process id, and shut it down."""
    command = [sys.executable, "-m", "zhenwei", "serve", str(run), "--port", "0", "--drain-seconds", "0", *options]
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        url = re.search(r"http://\S+", process.stdout.readline())
        if url is None:
            sys.exit((folder / "serve.log").read_text())
        wait_until_ready(url.group())
        yield url.group(), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def wait_until_ready(url: str) -> None:
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz"):
                return
        except OSError:
            time.sleep(0.05)


def loader() -> str:
    return "wrk" if shutil.which("wrk") else "Python"


def load(url: str, bodies: list[str], connections: int, seconds: float, folder: Path) -> dict[str, float]:
    """Send requests without pause over some connections; return counts and latencies."""
    if loader() != "wrk":
        return asyncio.run(python_load(url, bodies, connections, seconds))
    (folder / "bodies").write_text("\n".join(bodies), encoding="utf-8")
    (folder / "load.lua").write_text(WRK_SCRIPT % (folder / "bodies"))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    done = subprocess.run(
        [*command, "-s", str(folder / "load.lua"), f"{url}/v1/predict"], check=True, capture_output=True, text=True
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith(PREFIX))
    served, busy, other, seconds, p50, p99 = map(float, line.removeprefix(PREFIX).split())
    return figures_of(served, busy, other, seconds, p50, p99)


async def python_load(url: str, bodies: list[str], connections: int, seconds: float) -> dict[str, float]:
    """Generate the load in Python."""
    import httpx  # noqa: PLC0415

    outcomes: Counter[int] = Counter()
    times: list[float] = []
    start = time.perf_counter()

    async def send(client: httpx.AsyncClient, number: int) -> None:
        while time.perf_counter() - start < seconds:
            sent = time.perf_counter()
            body = bodies[number % len(bodies)].encode()
            headers = {"content-type": "application/json"}
            response = await client.post(f"{url}/v1/predict", content=body, headers=headers)
            times.append(time.perf_counter() - sent)
            outcomes[response.status_code] += 1
            number += connections

    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(limits=limits, timeout=30) as client:
        await asyncio.gather(*(send(client, number) for number in range(connections)))
    elapsed = time.perf_counter() - start
    times.sort()
    other = sum(count for status, count in outcomes.items() if status not in (200, 503))
    p50, p99 = (1000 * times[int(len(times) * share)] for share in (0.5, 0.99))
    return figures_of(outcomes[200], outcomes[503], other, elapsed, p50, p99)


def figures_of(served: float, busy: float, other: float, seconds: float, p50: float, p99: float) -> dict[str, float]:
    return {
        "served_per_second": served / seconds,
        "p50_ms": p50,
        "p99_ms": p99,
        "served": int(served),
        "busy": int(busy),
        "other": int(other),
    }


def one_request(url: str, body: str) -> float:
    """Return the milliseconds of one request right after the load."""
    request = urllib.request.Request(
        f"{url}/v1/predict", body.encode("utf-8"), {"content-type": "application/json"}, method="POST"
    )
    start = time.perf_counter()
    with urllib.request.urlopen(request) as response:
        assert response.status == 200
    return 1000 * (time.perf_counter() - start)


def memory_mb(process: int) -> float:
    """Return the peak memory of a process in MB; nan if the system does not report it."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return float("nan")
    match = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    return int(match.group(1)) / 1024 if match else float("nan")


if __name__ == "__main__":
    main()
