"""Running the command line within the test's own process."""

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from zhenwei.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit status, and what it wrote."""

    status: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """The one message of a mistake: status 2, nothing on standard output, no traceback."""
        assert self.status == 2, self
        assert self.stdout == ""
        assert "Traceback" not in self.stderr
        assert self.stderr.count("error: ") == 1
        return self.stderr[self.stderr.index("error: ") :].strip()


@pytest.fixture
def zhenwei(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `zhenwei ARGUMENTS`, as `zhenwei.cli.main` would run them."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["zhenwei", *map(str, arguments)])
        handlers, level = logging.root.handlers[:], logging.root.level
        capsys.readouterr()
        try:
            main()
        except SystemExit as end:
            status = end.code
        finally:
            logging.root.handlers[:] = handlers
            logging.root.setLevel(level)
        assert isinstance(status, int)
        return Outcome(status, *capsys.readouterr())

    return run
