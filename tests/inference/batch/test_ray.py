"""Batch prediction by Ray Data: equal to the local engine, also after crashes."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from zhenwei import Article
from zhenwei.errors import ConfigError
from zhenwei.inference.batch.predict_files import predict_files
from zhenwei.inference.batch.ray import gpus_and_actors, predict_on_ray
from zhenwei.inference.batch.shards import bundle_version, lock_folder, plan_shards
from zhenwei.inference.batch.worker import ShardWorker
from zhenwei.news import write_articles

INSTALLED = importlib.util.find_spec("ray") is not None
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not INSTALLED and not os.environ.get("ZHENWEI_REQUIRE_SERVICES"), reason="Ray is not installed: zhenwei[ray]"
    ),
]
FILES = 8


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory, make_posts: Callable[..., list[dict[str, Any]]]) -> Path:
    """A folder of eight files of two hundred posts each; each file has a bad row, its last."""
    folder = tmp_path_factory.mktemp("posts")
    for seed in range(FILES):
        path = folder / f"part-{seed}.jsonl"
        posts = [Article(**row) for row in make_posts(198, seed=seed)]
        write_articles(path, [*posts, Article(content="@小明"), Article(content="網傳停水三天 http://t.cn/abc")])
        with path.open("a", encoding="utf-8") as file:
            file.write('{"content": 7}\n')
    return folder


@pytest.fixture(scope="module")
def expected(tiny_run: Path, posts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shards of the local engine."""
    folder = tmp_path_factory.mktemp("expected")
    predict_files(tiny_run, [posts / "*.jsonl"], folder, device="cpu", progress=False)
    return folder


@pytest.fixture(scope="class")
def ray() -> Iterator[Any]:
    """Ray with two CPUs, connected to this process."""
    import ray as started  # noqa: PLC0415  # heavy, and an extra

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        started.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield started
        started.shutdown()


def assert_equal_shards(found: Path, expected: Path) -> None:
    """Check that two folders have the same rows, with probabilities equal up to 1e-6."""
    assert sorted(path.name for path in found.glob("*.*")) == sorted(path.name for path in expected.glob("*.*"))
    for path in expected.glob("*.jsonl"):
        ours, theirs = (
            [json.loads(line) for line in (folder / path.name).read_text(encoding="utf-8").splitlines()]
            for folder in (found, expected)
        )
        assert len(ours) == 200
        for row, other in zip(ours, theirs, strict=True):
            assert row.pop("probability") == pytest.approx(other.pop("probability"), abs=1e-6)
            assert row == other
    for path in (expected / "_records").glob("*.errors.jsonl"):
        assert (found / "_records" / path.name).read_bytes() == path.read_bytes()


class TestConnected:
    def test_shards_are_equal_to_those_of_the_local_engine(
        self, ray: Any, tiny_run: Path, posts: Path, expected: Path, tmp_path: Path
    ) -> None:
        summary = predict_files(
            tiny_run, [posts / "*.jsonl"], tmp_path / "predicted", engine="ray", workers=2, device="cpu", progress=False
        )
        assert (summary.count("predicted"), summary.to_dict()["bad_rows"]) == (FILES, FILES)
        assert_equal_shards(tmp_path / "predicted", expected)
        assert ray.is_initialized(), "a connection that existed before is not closed"

    @pytest.mark.nightly
    def test_killed_worker_is_replaced(
        self, ray: Any, tiny_run: Path, posts: Path, expected: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "predicted"
        shards = plan_shards(sorted(posts.glob("*.jsonl")), folder, None)
        worker = ShardWorker(tiny_run, bundle_version(tiny_run), "cpu")
        row_counts: list[int] = []
        with lock_folder(folder), closing(predict_on_ray(worker, shards, 1, row_counts.append)) as outcomes:
            first = next(outcomes)
            os.kill(first.process, signal.SIGKILL)  # the only worker, which has shards left
            others = list(outcomes)
        assert {first.stem, *(outcome.stem for outcome in others)} == {shard.path.stem for shard in shards}
        assert len(others) == FILES - 1
        assert {outcome.problem for outcome in others} == {None}
        assert first.process not in {outcome.process for outcome in others[-2:]}
        assert row_counts == [200] * FILES
        assert_equal_shards(folder, expected)


def signal_after_a_shard(command: list[str], number: signal.Signals) -> tuple[int, str, str]:
    """Send a signal after one more complete shard; return the status and the output from then on."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "of 8 files)" in line:
                break
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=120)
    return process.returncode, stdout, stderr


@pytest.mark.nightly
def test_interrupted_prediction_resumes_without_repeating_shards(
    tiny_run: Path, posts: Path, expected: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "predicted"
    command = [
        *(sys.executable, "-m", "zhenwei", "predict", str(tiny_run), "--file", f"{posts}/*.jsonl"),
        *("--out", str(folder), "--engine", "ray", "--workers", "1", "--device", "cpu", "--json", "-"),
    ]

    def mtimes() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*.jsonl")}

    status, stdout, stderr = signal_after_a_shard(command, signal.SIGINT)
    assert (status, stdout) == (130, ""), stderr
    assert f"of 8 shards in {folder} are complete; run the same command again for the others" in stderr
    assert not list(folder.rglob("*.tmp"))
    after_ctrl_c = mtimes()
    assert after_ctrl_c

    status, _, stderr = signal_after_a_shard(command, signal.SIGKILL)
    assert status == -signal.SIGKILL, stderr
    after_kill = mtimes()
    assert len(after_ctrl_c) < len(after_kill)

    outcome = subprocess.run(command, capture_output=True, check=False, timeout=300)
    assert outcome.returncode == 0, outcome.stderr
    figures = json.loads(outcome.stdout)
    assert figures["predicted"] + figures["reused"] == FILES
    assert figures["reused"] >= len(after_kill)
    assert after_ctrl_c.items() <= after_kill.items() <= mtimes().items(), "complete shards are not written again"
    assert_equal_shards(folder, expected)
    assert not list(folder.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("device", "workers", "resources", "expected_shares"),
    [
        ("auto", None, {"CPU": 8.0}, (0, 8)),
        ("auto", None, {"CPU": 8.0, "GPU": 2.0}, (1, 2)),
        ("cuda", 3, {"CPU": 8.0, "GPU": 2.0}, (0.6666, 3)),
        ("auto", 1, {"CPU": 8.0, "GPU": 2.0}, (1, 1)),
        ("cpu", None, {"CPU": 8.0, "GPU": 2.0}, (0, 8)),
        ("cuda", None, {}, (0, 1)),
    ],
)
def test_actors_share_gpus(
    device: str, workers: int | None, resources: dict[str, float], expected_shares: tuple[float, int]
) -> None:
    assert gpus_and_actors(device, workers, resources) == expected_shares


class TestRefusals:
    def test_unreachable_address(self, tiny_run: Path, posts: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"--address: cannot reach Ray at '.*'"):
            predict_files(
                tiny_run, [posts / "*"], tmp_path / "s", engine="ray", address="nonsense", device="cpu", progress=False
            )

    def test_numbered_gpu(self, tiny_run: Path, posts: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="device: found cuda:1; expected cuda: Ray assigns a GPU to each worker"):
            predict_files(tiny_run, [posts / "*"], tmp_path / "s", engine="ray", device="cuda:1", progress=False)


@pytest.mark.nightly
def test_missing_ray_is_reported(tiny_run: Path, posts: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from zhenwei.cli import main\n"
        f"sys.argv = ['zhenwei', 'predict', {str(tiny_run)!r}, '--file', {str(posts / '*')!r}, "
        f"'--out', {str(tmp_path / 's')!r}, '--engine', 'ray']\n"
        "main()"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True, timeout=120)
    assert outcome.returncode == 2
    assert outcome.stderr == (
        "error: the engine 'ray' needs Ray Data, which is not installed; install it with: pip install 'zhenwei[ray]'\n"
    )
