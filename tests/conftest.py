"""Fixtures of all tests: tiny posts, a tiny BERT, one tiny trained run; and a limit on the time of unmarked tests."""

import gc
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # tests need no network
os.environ["OMP_NUM_THREADS"] = "1"  # tiny networks gain nothing from threads; bit-equal weights need equal threads
# A shell makes its background jobs ignore Ctrl-C; without this, so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

MAX_CPU_SECONDS = 3.0  # of a test without the slow mark; CPU time, because wall time depends on the machine's load
MANY_IMPORTS = 100  # modules; the first test that imports PyTorch and the like is not charged for it
START = pytest.StashKey[tuple[float, int]]()

Rows = list[dict[str, Any]]

PLACES = ["云溪", "东河", "南岭", "西塘", "北川", "临江"]
THINGS = ["自来水", "大蒜", "食盐", "面粉", "地铁", "学校", "医院", "大桥"]
FAKE = "听说{place}的{thing}出大事了，内部消息，赶紧转给家人{tail}"
REAL = "据{place}通报，{thing}检测合格，供应恢复正常{tail}"
TAILS = ["！", "。", "，详情见下文。", "，请大家注意安全，互相提醒。"]


def posts(count: int, seed: int = 0) -> Rows:
    """Return distinct labelled posts whose wording determines the label."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        label = "fake" if number % 2 else "real"
        words = {"place": chance.choice(PLACES), "thing": chance.choice(THINGS), "tail": chance.choice(TAILS)}
        content = f"{(FAKE if label == 'fake' else REAL).format(**words)}第{number}号"
        time = f"2020-01-{1 + number % 28:02}"
        rows.append({"id": f"{seed}-{number}", "content": content, "label": label, "time": time})
    return rows


def pytest_collection_finish() -> None:
    """Exempt modules and collected tests from garbage collection, which would visit them again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that takes longer than `MAX_CPU_SECONDS` without the slow mark."""
    report = yield
    if call.when == "setup":
        item.stash[START] = cpu_seconds(), len(sys.modules)
    elif call.when == "call" and report.passed and not any(map(item.get_closest_marker, ("slow", "nightly"))):
        start, modules = item.stash[START]
        seconds = cpu_seconds() - start
        traced = sys.gettrace() is not None  # by coverage, which multiplies the time of pure Python
        if seconds > MAX_CPU_SECONDS and not traced and len(sys.modules) - modules < MANY_IMPORTS:
            report.outcome = "failed"
            report.longrepr = f"took {seconds:.1f} s of CPU time; mark tests over {MAX_CPU_SECONDS:g} s as slow"
    return report


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Use a temporary cache folder instead of the user's; parallel workers share it, and so the compiled kernels."""
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "zhenwei-cache"
    cache.mkdir(exist_ok=True)
    os.environ["ZHENWEI_CACHE"] = str(cache)


@pytest.fixture(scope="session")
def make_posts() -> Callable[..., Rows]:
    """The function `posts(count, seed)`."""
    return posts


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.json (64 posts), val.json and test.json (24 each)."""
    folder = tmp_path_factory.mktemp("data")
    for seed, (part, count) in enumerate({"train": 64, "val": 24, "test": 24}.items()):
        (folder / f"{part}.json").write_text(json.dumps(posts(count, seed), ensure_ascii=False), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def tiny_settings(data_folder: Path) -> Callable[..., dict[str, Any]]:
    """A function (run folder, **sections to change) -> settings of a training that takes a second."""

    def settings(run: Path, **sections: dict[str, Any]) -> dict[str, Any]:
        tiny: dict[str, dict[str, Any]] = {
            "data": {"root_path": str(data_folder), "max_len": 40, "min_frequency": 1},
            "model": {"name": "bigru", "emb_dim": 16, "hidden_dim": 8, "mlp_dims": [8], "dropout": 0.1},
            "training": {"epochs": 4, "lr": 0.02, "batch_size": 16, "precision": "no", "device": "cpu"},
            "output": {"dir": str(run), "log_interval": 2, "progress": False, "report": False, "trackers": []},
        }
        return {name: {**values, **sections.get(name, {})} for name, values in tiny.items()}

    return settings


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_settings: Callable[..., dict[str, Any]]) -> Path:
    """The folder of a finished run, read-only; tests that change a run use `own_run`."""
    from zhenwei import Trainer  # noqa: PLC0415  # heavy; most tests do not need it

    run = tmp_path_factory.mktemp("runs") / "tiny"
    Trainer(tiny_settings(run)).train()
    return run


@pytest.fixture
def own_run(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run for one test."""
    return Path(shutil.copytree(tiny_run, tmp_path / "own_run"))


@pytest.fixture
def own_bundle(own_run: Path) -> Path:
    """The bundle of a copy of the finished run."""
    return own_run / "checkpoints" / "best"


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a BERT with random weights: 2 layers of size 16, 64 positions, the characters of the posts."""
    import torch  # noqa: PLC0415
    from transformers import BertConfig, BertModel  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    characters = sorted({character for row in posts(64) for character in row["content"]})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **sizes)
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    return folder
