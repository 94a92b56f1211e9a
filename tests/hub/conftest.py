"""A local hub, to which `huggingface_hub` is redirected, and a run whose model card is complete."""

import importlib.util
import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import constants

from zhenwei.bundle import load_bundle
from zhenwei.cli import main
from zhenwei.evaluation.model_card import complete_card

if TYPE_CHECKING:
    from local_hub import LocalHub


def _import_local_hub() -> ModuleType:
    spec = importlib.util.spec_from_file_location("local_hub", Path(__file__).with_name("local_hub.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["local_hub"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def hub_server() -> "Iterator[LocalHub]":
    """The server of the hub, shared by all tests."""
    with _import_local_hub().LocalHub() as running:
        yield running


@pytest.fixture
def hub(hub_server: "LocalHub", monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "LocalHub":
    """An empty hub with its owner logged in, and an empty cache. The library has already read its environment."""
    hub_server.reset()
    url = hub_server.url
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # this hub has no Xet storage
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setenv("HF_TOKEN", sys.modules["local_hub"].TOKEN)
    return hub_server


@pytest.fixture(scope="session")
def complete_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run with a complete model card, which a push does not evaluate again. Read only."""
    run = Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("runs") / "complete"))
    card = complete_card(load_bundle(run), device="cpu", rounds=100)
    (run / "checkpoints" / "best" / "README.md").write_text(card, encoding="utf-8")
    return run


@pytest.fixture
def own_run(complete_run: Path, tmp_path: Path) -> Path:
    """A copy of the run with a complete model card, for this test alone."""
    return Path(shutil.copytree(complete_run, tmp_path / "own_run"))


@pytest.fixture
def zhenwei(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `zhenwei ARGUMENTS` in this process: its exit status, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> tuple[int, Any, Any]:
        monkeypatch.setattr(sys, "argv", ["zhenwei", *map(str, arguments)])
        handlers, level = logging.root.handlers[:], logging.root.level
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main()
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
        assert isinstance(exit_info.value.code, int)
        return exit_info.value.code, *capsys.readouterr()

    return run
