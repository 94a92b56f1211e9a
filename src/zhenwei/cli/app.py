"""The `zhenwei` command: its subcommands, global options and error handling."""

import io
import logging
import os
import sys
import time

import typer

from zhenwei import __version__
from zhenwei.cli.calibrate import calibrate
from zhenwei.cli.compare import compare
from zhenwei.cli.data.data import data_app
from zhenwei.cli.data.feedback import feedback_app
from zhenwei.cli.data.index import index
from zhenwei.cli.demo import demo
from zhenwei.cli.deploy.export import export
from zhenwei.cli.deploy.push import push
from zhenwei.cli.deploy.serve import serve
from zhenwei.cli.evaluate import evaluate
from zhenwei.cli.explain import explain
from zhenwei.cli.init import init
from zhenwei.cli.predict import TextsCommand, predict
from zhenwei.cli.report import report
from zhenwei.cli.stress import stress
from zhenwei.cli.train import train
from zhenwei.cli.tune import tune
from zhenwei.errors import ZhenweiError

EXIT_USER_ERROR = 2
LAUNCHER_GRACE = 2.0  # seconds for rank 0 to print its message: a launcher kills all ranks once one has exited

app = typer.Typer(
    name="zhenwei",
    help="真伪: train, evaluate and use detectors of fake news in text, Chinese first.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, init, train, evaluate, stress, calibrate, compare, tune, report, export, push, index, serve):
    app.command()(command)
app.command(cls=TextsCommand)(predict)
app.command(cls=TextsCommand)(explain)
app.add_typer(data_app, name="data")
app.add_typer(feedback_app, name="feedback")


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"zhenwei {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Print warnings and errors only."),
    _version: bool = typer.Option(
        False, "--version", help="Print the version and exit.", is_eager=True, callback=_print_version
    ),
) -> None:
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO, format="%(message)s", stream=sys.stderr, force=True
    )
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # its import resets the level of its logger
    for name in ("transformers", "accelerate", "httpx", "httpx2", "huggingface_hub", "torch"):
        logging.getLogger(name).setLevel(logging.ERROR)


def main() -> None:
    """Run the command line; an error that the user can fix exits with status 2 and one message."""
    for stream in (sys.stdout, sys.stderr):  # a terminal without our characters shows "?"
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="zhenwei")
    except ZhenweiError as error:
        _exit_with(f"error: {error}", EXIT_USER_ERROR)
    except OSError as error:
        path = f"{error.filename}: " if error.filename else ""
        _exit_with(f"error: {path}{error.strerror or error}", EXIT_USER_ERROR)


def _exit_with(message: str, status: int) -> None:
    """Print a message on rank 0 only, and exit."""
    if os.environ.get("RANK", "0") == "0":
        print(message, file=sys.stderr)
    else:
        time.sleep(LAUNCHER_GRACE)
    sys.exit(status)
