"""How many requests a second `zhenwei serve` answers, how fast, and what too many of them do to it.

    python benchmarks/serving.py                    # 4 x 60 seconds, the demo's BiGRU, texts of 100 characters
    python benchmarks/serving.py --seconds 10       # shorter
    python benchmarks/serving.py --run runs/mine    # another detector
    python benchmarks/serving.py --json figures.json

The service runs in a process of its own; wrk (https://github.com/wg/wrk) sends the requests, or a loader in Python
where there is none, which takes a core for itself and so measures less. Each request brings one text; the texts differ.
Four scenes: one client alone; 64 connections without micro-batching; 64 with it; ten times as many, of which the
service refuses what it cannot do with 503.
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
MARK = "answered "


@dataclass(frozen=True)
class Scene:
    """A load: its name, options of the service, and connections."""

    name: str
    options: tuple[str, ...]
    connections: int


SCENES = (
    Scene("one client", (), 1),
    Scene("64, each alone", ("--max-batch", "1"), CONNECTIONS),
    Scene("64, batched", (), CONNECTIONS),
    Scene("640, batched", (), CONNECTIONS * OVERLOAD),
)

# Each thread of wrk counts its answers by status; the threads' counts are printed at the end.
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
        for scene in SCENES:
            with service(run, scene.options, Path(folder)) as (url, process):
                load(url, bodies, scene.connections, 2, Path(folder))  # warm-up
                figures[scene.name] = load(url, bodies, scene.connections, options.seconds, Path(folder))
                figures[scene.name] |= {"memory_mb": memory_mb(process), "recovery_ms": one_request(url, bodies[0])}
    report(figures, options.seconds, run)
    if options.json:
        write_json(figures, options.json)


def report(figures: dict[str, Any], seconds: float, run: Path) -> None:
    header = ("load", "200s/s", "p50 ms", "p99 ms", "200", "503", "other", "peak MB", "next, ms")
    rows = [
        (
            name,
            f"{found['served_per_second']:.0f}", f"{found['p50_ms']:.1f}", f"{found['p99_ms']:.1f}",
            str(found["served"]), str(found["busy"]), str(found["other"]),
            f"{found['memory_mb']:.0f}", f"{found['recovery_ms']:.1f}",
        )
        for name, found in figures.items()
    ]  # fmt: skip
    print_rows(header, rows, f"{run}, texts of {CHARACTERS} characters, {seconds:g} s each, by {loader()}")
    without, batched = (figures[scene.name]["served_per_second"] for scene in SCENES[1:3])
    print(f"micro-batching: {batched / without:.1f} times the requests a second")
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores{busy}"
    print(f"{machine}; Python {platform.python_version()}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="the run or bundle to serve; the demo's unless given")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each load lasts (60)")
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON, too")
    return parser.parse_args()


def demo_run(folder: Path) -> Path:
    """Return the demo's run; it is trained first where there is none."""
    if not (folder / "demo" / "checkpoints" / "best").is_dir():
        command = [sys.executable, "-m", "zhenwei", "--quiet", "demo", "--folder", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "demo"


def texts(count: int = 500) -> list[str]:
    """Cut the synthetic world's posts into texts of equal length."""
    posts = SyntheticDataset(n_train=2 * count, n_val=0, n_test=0).generate()["train"]
    whole = "".join(article.content for article in posts)
    return [whole[start : start + CHARACTERS] for start in range(0, CHARACTERS * count, CHARACTERS)]


@contextmanager
def service(run: Path, options: tuple[str, ...], folder: Path) -> Iterator[tuple[str, int]]:
    """Start a service on a free port; give its address and process id, and end it well."""
    command = [sys.executable, "-m", "zhenwei", "serve", str(run), "--port", "0", "--drain-seconds", "0", *options]
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            sys.exit((folder / "serve.log").read_text())
        wait_until_ready(found.group())
        yield found.group(), process.pid
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
    return "wrk" if shutil.which("wrk") else "a loader in Python"


def load(url: str, bodies: list[str], connections: int, seconds: float, folder: Path) -> dict[str, float]:
    """Send requests without pause over so many connections; count the answers, and take the time."""
    if loader() != "wrk":
        return asyncio.run(python_load(url, bodies, connections, seconds))
    (folder / "bodies").write_text("\n".join(bodies), encoding="utf-8")
    (folder / "load.lua").write_text(WRK_SCRIPT % (folder / "bodies"))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    done = subprocess.run(
        [*command, "-s", str(folder / "load.lua"), f"{url}/v1/predict"], check=True, capture_output=True, text=True
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith(MARK))
    served, busy, other, took, p50, p99 = map(float, line.removeprefix(MARK).split())
    return figures_of(served, busy, other, took, p50, p99)


async def python_load(url: str, bodies: list[str], connections: int, seconds: float) -> dict[str, float]:
    """Do what wrk does, in Python."""
    import httpx  # noqa: PLC0415

    outcomes: Counter[int] = Counter()
    times: list[float] = []
    begun = time.perf_counter()

    async def ask(client: httpx.AsyncClient, number: int) -> None:
        while time.perf_counter() - begun < seconds:
            sent = time.perf_counter()
            body = bodies[number % len(bodies)].encode()
            answer = await client.post(f"{url}/v1/predict", content=body, headers={"content-type": "application/json"})
            times.append(time.perf_counter() - sent)
            outcomes[answer.status_code] += 1
            number += connections

    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(limits=limits, timeout=30) as client:
        await asyncio.gather(*(ask(client, number) for number in range(connections)))
    took = time.perf_counter() - begun
    times.sort()
    other = sum(count for status, count in outcomes.items() if status not in (200, 503))
    p50, p99 = (1000 * times[int(len(times) * share)] for share in (0.5, 0.99))
    return figures_of(outcomes[200], outcomes[503], other, took, p50, p99)


def figures_of(served: float, busy: float, other: float, took: float, p50: float, p99: float) -> dict[str, float]:
    return {
        "served_per_second": served / took,
        "p50_ms": p50,
        "p99_ms": p99,
        "served": int(served),
        "busy": int(busy),
        "other": int(other),
    }


def one_request(url: str, body: str) -> float:
    """Return the milliseconds of one request, sent when the load has just ended."""
    request = urllib.request.Request(
        f"{url}/v1/predict", body.encode("utf-8"), {"content-type": "application/json"}, method="POST"
    )
    begun = time.perf_counter()
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    return 1000 * (time.perf_counter() - begun)


def memory_mb(process: int) -> float:
    """Return the most memory that a process has had, in MB; nan where the system does not tell."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return float("nan")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    return int(found.group(1)) / 1024 if found else float("nan")


if __name__ == "__main__":
    main()
