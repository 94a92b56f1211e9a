"""The command line: one thin file per command over a plain function."""

from zhenwei.cli.app import main

__all__ = ["main"]
