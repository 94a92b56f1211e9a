"""The command as a process of its own: what it imports, and what goes down its pipes."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import zhenwei

pytestmark = pytest.mark.slow  # several processes

HEAVY = {"torch", "transformers", "tokenizers", "accelerate", "pydantic", "numpy", "sklearn", "pyarrow", "safetensors"}
FAKE = "听说云溪的大蒜出大事了，内部消息，赶紧转给家人！"


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, env={**os.environ, **variables}, check=False, timeout=120
    )


def imported_by(code: str) -> set[str]:
    """Give the heavy packages that a program imports."""
    outcome = python("-c", f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)")
    modules = {name.partition(".")[0] for name in outcome.stderr.decode().split()}
    assert "zhenwei" in modules
    return modules & HEAVY


class TestImports:
    """Start-up stays short as long as nothing heavy is imported; times themselves depend on the machine."""

    def test_the_package(self) -> None:
        assert imported_by("import zhenwei") == set()

    @pytest.mark.parametrize(
        ("arguments", "admitted"),
        [
            (["--help"], set()),
            (["train", "--help"], {"pydantic"}),  # Typer itself brings it, to read a command's options
            (["data", "import", "--help"], {"pydantic"}),
        ],
    )
    def test_help(self, arguments: list[str], admitted: set[str]) -> None:
        run = f"sys.argv = ['zhenwei', *{arguments}]\nfrom zhenwei.cli import main\n"
        assert imported_by(run + "try: main()\nexcept SystemExit as end: assert end.code == 0") <= admitted

    def test_settings_need_no_torch(self) -> None:
        assert imported_by("zhenwei = __import__('zhenwei'); zhenwei.Config.load({})") == {"pydantic"}


class TestPublicNames:
    def test_each_is_there_when_first_used(self) -> None:
        assert {getattr(zhenwei, name) for name in zhenwei.__all__}
        assert dir(zhenwei) == sorted(zhenwei.__all__)

    def test_a_name_that_is_not_there(self) -> None:
        with pytest.raises(AttributeError, match="module 'zhenwei' has no attribute 'Detecter'"):
            _ = zhenwei.Detecter

    def test_the_version_is_that_of_the_installed_package(self) -> None:
        assert zhenwei.__version__ == version("zhenwei")


class TestPipes:
    def test_json_is_all_that_goes_to_standard_output(self, tiny_run: Path) -> None:
        outcome = python("-m", "zhenwei", "predict", str(tiny_run), FAKE, "--json", "-")
        assert outcome.returncode == 0
        assert json.loads(outcome.stdout)[0]["text"] == FAKE
        assert outcome.stderr == b""

    def test_json_is_utf8_and_tables_are_shown_whatever_the_terminal_can_show(
        self, tiny_run: Path, data_folder: Path
    ) -> None:
        found = python("-m", "zhenwei", "predict", str(tiny_run), FAKE, "--json", "-", PYTHONIOENCODING="ascii")
        assert json.loads(found.stdout.decode("utf-8"))[0]["text"] == FAKE
        assert python("-m", "zhenwei", "--help", PYTHONIOENCODING="ascii").returncode == 0

    def test_a_mistake_ends_with_status_2_and_one_line(self, tmp_path: Path) -> None:
        outcome = python("-m", "zhenwei", "train", str(tmp_path / "none.json"))
        assert (outcome.returncode, outcome.stdout) == (2, b"")
        assert outcome.stderr.decode().startswith("error: ")
        assert outcome.stderr.count(b"\n") == 1

    @pytest.mark.nightly
    def test_it_is_said_by_one_of_several_processes(self, tmp_path: Path) -> None:
        outcome = python("-m", "zhenwei", "train", str(tmp_path / "none.json"), RANK="1")
        assert (outcome.returncode, outcome.stderr) == (2, b"")
