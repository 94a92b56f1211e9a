"""Measure time and memory from a file of posts to the first training step, for up to a million posts.

    python benchmarks/data_path.py                            # a doubling series to a million posts: about ten minutes
    python benchmarks/data_path.py --largest 80000            # fewer posts
    python benchmarks/data_path.py --json speed.json          # the figures as JSON, too

Each post joins the first half of one post of the synthetic dataset to the second half of another, with a unique number
at the end, like a link: about 90 characters, with id, label, time, domain and entities, in Parquet. Each size runs in
its own process, which reads and validates the file (`read`), trains a vocabulary on its contents (`learn`), and reads
it again and encodes it (`encode`). Then `zhenwei train bigru-scratch` runs from its start to its first step (as
recorded in metrics.jsonl), with 5% as many posts for validation. Memory is the peak of the training's processes, minus
their peak with a thousand posts: the bare model and the libraries.

Up to `--plain` posts, the table compares this with the approach of published code: the whole file as Python objects,
each post tokenized alone and padded to 170 int64 tokens, all in one tensor, up to the first batch of a loader. It
validates nothing and trains no vocabulary but uses ours, and a fast tokenizer instead of a slow one. Its time is given
as a multiple of `encode`.
"""

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from zhenwei.cli.figures import print_rows, write_json
from zhenwei.config import preset_path

CONFIG = preset_path("bigru-scratch")
BARE = 1000  # posts of the training whose memory counts as that of the bare model
SYNTHETIC_POSTS = 8000  # from which all posts are composed
PLAIN_LENGTH = 170
TIMES = ("load", "read", "learn", "encode", "first_step", "first_step_processor")
MIB = 2**20


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # like Ctrl-C, it ends the child processes, too
    options = parse_options()
    if options.stages:
        print(json.dumps(stages(Path(options.stages))))
        return
    if options.plain_way:
        print(json.dumps(plain_way(Path(options.plain_way))))
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), sizes_up_to(options.largest), options.plain)
    if options.json != "-":
        show(figures)
    if options.json:
        write_json(figures, options.json)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=1_000_000, help="posts of the largest file (1,000,000)")
    parser.add_argument(
        "--plain", type=int, default=20_000, help="largest file for the comparison with published code (20,000)"
    )
    parser.add_argument(
        "--json", help="write the figures to this file, too; -: to standard output, instead of the table"
    )
    parser.add_argument("--stages", help=argparse.SUPPRESS)  # this program calls itself with these
    parser.add_argument("--plain-way", help=argparse.SUPPRESS)
    return parser.parse_args()


def sizes_up_to(largest: int) -> list[int]:
    """Return 10,000 and its doubles below the largest size, and the largest."""
    sizes = [10_000 * 2**n for n in range(20) if 10_000 * 2**n < largest]
    return [*sizes, largest]


def measure(folder: Path, sizes: list[int], plain: int) -> dict[str, Any]:
    """Measure every size."""
    from zhenwei.news.sources.synthetic import SyntheticDataset  # noqa: PLC0415

    articles = SyntheticDataset(n_train=SYNTHETIC_POSTS, n_val=0, n_test=0).generate()["train"]
    bare = first_step(write_parts(folder, articles, BARE))
    rows = []
    for size in sizes:
        parts = write_parts(folder, articles, size)
        row: dict[str, Any] = {"posts": size, "load": os.getloadavg()[0]}
        row |= own_process("--stages", parts)
        step = first_step(parts)
        row |= {"first_step": step["seconds"], "first_step_processor": step["processor_seconds"]}
        row |= {"memory_mib": (step["bytes"] - bare["bytes"]) / MIB}
        if size <= plain:
            row |= {f"plain_{name}": value for name, value in own_process("--plain-way", parts).items()}
        print(json.dumps(row), file=sys.stderr, flush=True)
        rows.append(row)
        for file in parts.rglob("*.parquet"):
            file.unlink()
    bare_figures = {
        "first_step": bare["seconds"],
        "first_step_processor": bare["processor_seconds"],
        "memory_mib": bare["bytes"] / MIB,
    }
    return {"machine": machine(), "bare": bare_figures, "rows": rows}


def write_parts(root: Path, articles: list[Any], size: int) -> Path:
    """Write train.parquet with `size` posts, and val.parquet with 5% as many; return their folder."""
    folder = root / str(size)
    folder.mkdir()
    for part, count in {"train": size, "val": max(size // 20, 100)}.items():
        write_posts(folder / f"{part}.parquet", articles, count, random.Random(f"{part} {size}"))
    return folder


def write_posts(path: Path, articles: list[Any], count: int, chance: random.Random) -> None:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    texts, times = pa.string(), pa.timestamp("us")
    entities = pa.list_(pa.struct([("entity", texts)]))
    schema = pa.schema({"label": texts, "time": times, "domain": texts, "entity_list": entities})
    rows = [{name: getattr(article, name) for name in ("label", "time", "domain")} for article in articles]
    for row, article in zip(rows, articles, strict=True):
        row["entity_list"] = [{"entity": entity} for entity in article.entity_list]
    table = pa.Table.from_pylist(rows, schema)
    openings = [article.content[: len(article.content) // 2] for article in articles]
    endings = [article.content[len(article.content) // 2 :] for article in articles]
    with pq.ParquetWriter(path, pa.schema([("id", texts), ("content", texts), *schema])) as writer:
        for start in range(0, count, 10_000):
            numbers = range(start, min(start + 10_000, count))
            firsts = [chance.randrange(len(articles)) for _ in numbers]
            seconds = [chance.randrange(len(articles)) for _ in numbers]
            joined = [
                f"{openings[first]}{endings[second]}{number}"
                for number, first, second in zip(numbers, firsts, seconds, strict=True)
            ]
            posts = table.take(firsts).add_column(0, "content", pa.array(joined))
            writer.write_table(posts.add_column(0, "id", pa.array([f"post-{number}" for number in numbers])))


def own_process(option: str, folder: Path) -> dict[str, Any]:
    """Run a part of this program in its own process, and return the figures that it prints."""
    command = [sys.executable, __file__, option, str(folder)]
    figures: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return figures


def stages(folder: Path) -> dict[str, float]:
    """Time each stage of the preparation of the training posts."""
    from zhenwei.bundle.featurizer import Featurizer  # noqa: PLC0415
    from zhenwei.config import Config  # noqa: PLC0415
    from zhenwei.news import iter_articles  # noqa: PLC0415
    from zhenwei.tokens import train_tokenizer  # noqa: PLC0415

    settings, train = Config.load(CONFIG).data, folder / "train.parquet"
    start = time.perf_counter()
    contents = [article.content for article in iter_articles(train, require_label=True)]
    read = time.perf_counter()
    tokenizer = train_tokenizer(contents, settings.vocab_size, settings.min_frequency)
    learned = time.perf_counter()
    del contents
    begun = time.perf_counter()
    encoded = Featurizer(tokenizer, settings.max_len).encode_file(train)
    done = time.perf_counter()
    tokens = float(encoded.lengths.mean())
    return {
        "read": read - start,
        "learn": learned - read,
        "encode": done - begun,
        "tokens_per_post": tokens,
    }


def first_step(folder: Path) -> dict[str, float]:
    """Train until the first step; return the seconds from the start, the processor seconds, and the peak memory."""
    run = folder / "run"
    settings = [f"data.root_path={folder}", f"output.dir={run}", "output.log_interval=1", "output.progress=false"]
    command = [sys.executable, "-m", "zhenwei", "train", str(CONFIG)]
    command += [part for setting in settings for part in ("--set", setting)]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            peak = 0
            while not has_stepped(run / "metrics.jsonl"):
                if process.poll() is not None:
                    assert process.stderr is not None
                    sys.exit(f"the training ended before its first step: {process.stderr.read().decode()[-1000:]}")
                peak = max(peak, memory_of(process.pid))
                time.sleep(0.05)
            seconds = time.perf_counter() - start
            busy = processor_seconds(process.pid)
            return {"seconds": seconds, "processor_seconds": busy, "bytes": max(peak, memory_of(process.pid))}
        finally:
            process.kill()


def has_stepped(log: Path) -> bool:
    return log.exists() and b'"step"' in log.read_bytes()


def memory_of(pid: int) -> int:
    """Return the peak resident memory of a process and its children, in bytes."""
    total = 0
    waiting = [pid]
    while waiting:
        process = waiting.pop()
        try:
            status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
            children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8")
        except OSError:  # the process has just ended
            continue
        total += sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
        waiting += map(int, children.split())
    return total


def processor_seconds(pid: int) -> float:
    """Return the processor seconds of a process, which other programs on the machine hardly change."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # its own, and those of its ended children


def plain_way(folder: Path) -> dict[str, float]:
    """Read and encode like published code, with our vocabulary."""
    import pandas as pd  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from torch.utils.data import DataLoader, TensorDataset  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    from zhenwei.tokens import train_tokenizer  # noqa: PLC0415

    frame = pd.read_parquet(folder / "train.parquet")
    backend = train_tokenizer(frame["content"], 8000).backend
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]")
    before = memory_of(os.getpid())
    start = time.perf_counter()
    rows = pd.read_parquet(folder / "train.parquet").to_dict("records")
    encoded = [
        tokenizer(row["content"], max_length=PLAIN_LENGTH, padding="max_length", truncation=True)["input_ids"]
        for row in rows
    ]
    tokens = torch.tensor(encoded)
    masks = (tokens != tokenizer.pad_token_id).long()
    labels = torch.tensor([row["label"] == "fake" for row in rows])
    next(iter(DataLoader(TensorDataset(tokens, masks, labels), batch_size=32, shuffle=True)))
    return {"seconds": time.perf_counter() - start, "memory_mib": (memory_of(os.getpid()) - before) / MIB}


def machine() -> dict[str, Any]:
    import pyarrow  # noqa: PLC0415
    import tokenizers  # noqa: PLC0415
    import torch  # noqa: PLC0415

    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    versions = {"python": platform.python_version(), "torch": torch.__version__, "tokenizers": tokenizers.__version__}
    cores = len(os.sched_getaffinity(0))
    return {"cpu": names[0] if names else "", "cores": cores, **versions, "pyarrow": pyarrow.__version__}


def show(figures: dict[str, Any]) -> None:
    """Print the table: seconds (`cpu`: processor seconds up to the first step), and MiB."""
    header = ("posts", "load", "read", "learn", "encode", "first step", "cpu", "MiB", "plain", "its MiB")
    rows = []
    for row in figures["rows"]:
        plain = ("", "")
        if "plain_seconds" in row:
            plain = (f"{row['plain_seconds'] / row['encode']:.1f} x", f"{row['plain_memory_mib']:,.0f}")
        times = [f"{row[name]:.1f}" for name in TIMES]
        rows.append([f"{row['posts']:,}", *times, f"{row['memory_mib']:,.0f}", *plain])
    bare = figures["bare"]
    print_rows(header, rows, ", ".join(f"{name} {value}" for name, value in figures["machine"].items()))
    times = f"first step after {bare['first_step']:.1f} s, {bare['first_step_processor']:.1f} s of processors"
    print(f"bare model ({BARE:,} posts): {times}, {bare['memory_mib']:,.0f} MiB")


if __name__ == "__main__":
    main()
