"""A detector from another installed package: one file, and an entry point that names it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
MISTAKE = 2

NETWORK = '''
"""The mean of the embeddings under an MLP."""

from typing import Literal

from zhenwei.config import NetworkConfig
from zhenwei.models import DetectorNetwork, Output, TokenEncoder, Vocabulary, register_detector
from zhenwei.models.encoders.embeddings import ScratchEmbedding
from zhenwei.models.layers import MLP, masked_mean


class MeanPoolConfig(NetworkConfig):
    """Settings of the mean-pooling detector."""

    name: Literal["mean_pool"] = "mean_pool"
    """Which detector."""

    emb_dim: int = 16
    """Size of an embedding."""


class MeanPool(DetectorNetwork):
    """The mean of the embeddings -> MLP."""

    def __init__(self, config, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.embedding = ScratchEmbedding(vocabulary.size, config.emb_dim, vocabulary.pad_id, config.dropout)
        self.mlp = MLP(config.emb_dim, config.mlp_hidden_dims, config.dropout)

    def forward(self, batch, progress: float = 1.0) -> Output:
        features = masked_mean(self.embedding(batch.tokens, batch.mask), batch.mask)
        return Output(logits=self.mlp(features), features=features)
'''
TOKEN_ENCODER = """
    def token_encoder(self) -> TokenEncoder:
        return self.embedding
"""
REGISTRATION = """

register_detector(MeanPoolConfig, MeanPool)
"""

Command = Callable[..., "Finished"]


def install(folder: Path, code: str) -> None:
    """Write a package as an installer does: its module, and its metadata."""
    (folder / "mean_pool_detector.py").write_text(code, encoding="utf-8")
    metadata = folder / "mean_pool-1.0.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mean-pool\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(
        "[zhenwei.detectors]\nmean_pool = mean_pool_detector\n", encoding="utf-8"
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An empty folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def zhenwei(site: Path, tmp_path: Path, run_jobs: Callable[..., Any]) -> Command:
    """A function that runs a command with the packages of `site` installed."""

    def run(*arguments: object) -> Finished:
        out, err = (tmp_path / name for name in ("out", "err"))
        for file in (out, err):
            file.write_text("")
        job = {"argv": [*map(str, arguments)], "out": str(out), "err": str(err), "env": {"PYTHONPATH": str(site)}}
        [(status, _)] = run_jobs([job])
        return Finished(status, out.read_text(), err.read_text())

    return run


@pytest.fixture
def settings(tmp_path: Path, make_posts: Callable[..., list[dict[str, Any]]]) -> Path:
    """Settings of a training of a second, on posts with their entities."""
    for seed, (part, count) in enumerate({"train": 64, "val": 24, "test": 24}.items()):
        rows = [{**row, "entity_list": [{"entity": "大蒜"}]} for row in make_posts(count, seed)]
        (tmp_path / f"{part}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    path = tmp_path / "config.json"
    values = {
        "data": {"root_path": str(tmp_path), "max_len": 40, "min_frequency": 1},
        "model": {"name": "mean_pool", "emb_dim": 16, "mlp_dims": [8]},
        "training": {"epochs": 6, "lr": 0.05, "batch_size": 16, "device": "cpu"},
        "output": {"dir": str(tmp_path / "run"), "progress": False, "report": False, "trackers": []},
    }
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="plain"),
        pytest.param(("--set", "model.debias=endef"), id="debiased", marks=pytest.mark.nightly),
    ],
)
def test_it_is_trained_and_used_like_a_built_in_one(
    options: tuple[str, ...], site: Path, zhenwei: Command, settings: Path
) -> None:
    install(site, NETWORK + TOKEN_ENCODER + REGISTRATION)
    run = settings.parent / "run"
    trained = zhenwei("train", settings, *options)
    assert trained.returncode == 0, trained.stderr
    assert json.loads((run / "results.json").read_text())["model"] == ("mean_pool-endef" if options else "mean_pool")
    predicted = zhenwei(
        "-q", "predict", run, "听说食盐出大事了，内部消息，赶紧转给家人！", "据云溪通报，食盐检测合格。", "--json", "-"
    )
    assert predicted.returncode == 0, predicted.stderr
    assert [prediction["verdict"] for prediction in json.loads(predicted.stdout)] == ["fake", "real"]


@pytest.mark.nightly
def test_debiasing_needs_a_token_encoder(site: Path, zhenwei: Command, settings: Path) -> None:
    install(site, NETWORK + REGISTRATION)
    refused = zhenwei("-q", "train", settings, "--set", "model.debias=endef")
    assert refused.returncode == MISTAKE
    assert refused.stderr == (
        "error: model.debias: found 'endef', but 'mean_pool' offers no token encoder for the entity branch to share; "
        "leave it out, or return one from the network's token_encoder()\n"
    )
    assert not (settings.parent / "run").exists()


@pytest.mark.nightly
def test_a_misspelled_setting_is_suggested(site: Path, zhenwei: Command, settings: Path) -> None:
    install(site, NETWORK + REGISTRATION)
    refused = zhenwei("train", settings, "--set", "model.emb_dm=3")
    assert refused.returncode == MISTAKE
    assert "unknown setting 'model.emb_dm'; did you mean 'model.emb_dim'?" in refused.stderr


def test_a_misspelled_name_is_suggested(site: Path, zhenwei: Command, settings: Path) -> None:
    install(site, NETWORK + REGISTRATION)
    refused = zhenwei("train", settings, "--set", "model.name=mean_pol")
    assert "model.name: found 'mean_pol'; did you mean 'mean_pool'?" in refused.stderr


BROKEN = "found 'mean_pool', which the package 'mean-pool' declares, but its module 'mean_pool_detector'"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param(
            "import no_such_library\n",
            "cannot be imported (ModuleNotFoundError: No module named 'no_such_library')",
            id="import",
            marks=pytest.mark.nightly,
        ),
        pytest.param("def broken(:\n", "cannot be imported (SyntaxError: ", id="syntax", marks=pytest.mark.nightly),
        pytest.param(
            NETWORK,
            "registers no detector of this name; expected register_detector(...) with settings whose default ",
            id="nothing",
        ),
        pytest.param(
            NETWORK + "register_detector(NetworkConfig, MeanPool)\n",
            "cannot be imported (ConfigError: NetworkConfig declares no default for 'name'",
            id="nameless",
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_a_broken_package_is_named_in_one_sentence(
    code: str, reason: str, site: Path, zhenwei: Command, settings: Path
) -> None:
    install(site, code)
    refused = zhenwei("train", settings)
    assert refused.returncode == MISTAKE
    [sentence] = refused.stderr.splitlines()
    assert sentence.startswith(f"error: {settings}: model.name: {BROKEN} {reason}")


@pytest.mark.nightly
def test_a_bundle_without_its_package_names_the_missing_detector(site: Path, zhenwei: Command, settings: Path) -> None:
    install(site, NETWORK + REGISTRATION)
    assert zhenwei("train", settings, "--set", "training.epochs=1").returncode == 0
    for file in (site / "mean_pool_detector.py", *(site / "mean_pool-1.0.dist-info").iterdir()):
        file.unlink()
    refused = zhenwei("predict", settings.parent / "run", "食盐")
    assert refused.returncode == MISTAKE
    assert "model.name: found 'mean_pool'; expected one of: bert, " in refused.stderr
    assert "Traceback" not in refused.stderr
