"""The `zhenwei` command: its subcommands, and what becomes of errors."""

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
from zhenwei.cli.train import train
from zhenwei.cli.tune import tune
from zhenwei.errors import ZhenweiError

EXIT_MISTAKE = 2
LAUNCHER_GRACE = 2.0  # seconds for the first process to speak: a launcher kills all once one has ended

app = typer.Typer(
    name="zhenwei",
    help="真伪: train, judge and use detectors of fake news in text, Chinese first.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, init, train, evaluate, calibrate, compare, tune, report, export, push, index, serve):
    app.command()(command)
app.command(cls=TextsCommand)(predict)
app.command(cls=TextsCommand)(explain)
app.add_typer(data_app, name="data")
app.add_typer(feedback_app, name="feedback")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"zhenwei {__version__}")
        raise typer.Exit


@app.callback()
def _settings(
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Say only what needs your attention."),
    _version: bool = typer.Option(
        False, "--version", help="Print the version and end.", is_eager=True, callback=_print_version
    ),
) -> None:
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO, format="%(message)s", stream=sys.stderr, force=True
    )
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # its logger's level is set anew when it is imported
    for name in ("transformers", "accelerate", "httpx", "httpx2", "huggingface_hub", "torch"):
        logging.getLogger(name).setLevel(logging.ERROR)


def main() -> None:
    """Run the command line; a mistake that the user can mend ends it with one clear message and status 2."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks our characters shows "?" in their place
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="zhenwei")
    except ZhenweiError as error:
        _end(f"error: {error}", EXIT_MISTAKE)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _end(f"error: {place}{error.strerror or error}", EXIT_MISTAKE)


def _end(message: str, status: int) -> None:
    """Print a message once, also where several processes run, and end."""
    if os.environ.get("RANK", "0") == "0":
        print(message, file=sys.stderr)
    else:
        time.sleep(LAUNCHER_GRACE)
    sys.exit(status)
