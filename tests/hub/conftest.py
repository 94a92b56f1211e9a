"""A hub on this machine, and the library set to it instead of the world's."""

import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import constants

from zhenwei.cli import main

if TYPE_CHECKING:
    from local_hub import LocalHub


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("local_hub", Path(__file__).with_name("local_hub.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["local_hub"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "Iterator[LocalHub]":
    """A hub that is empty, whose owner is logged in, and a cache of its own. The library read its settings long ago."""
    module = _load()
    with module.LocalHub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # its storage is not part of this hub
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setenv("HF_TOKEN", module.TOKEN)
        yield running


@pytest.fixture
def zhenwei(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `zhenwei ARGUMENTS` in this process: its exit status, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> tuple[int, Any, Any]:
        monkeypatch.setattr(sys, "argv", ["zhenwei", *map(str, arguments)])
        handlers, level = logging.root.handlers[:], logging.root.level
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
        assert isinstance(end.value.code, int)
        return end.value.code, *capsys.readouterr()

    return run
