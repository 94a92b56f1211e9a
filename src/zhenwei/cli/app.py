"""The `zhenwei` command: its subcommands, and what becomes of errors."""

import logging
import os
import sys

import typer

from zhenwei.cli.data import data_app
from zhenwei.cli.demo import demo
from zhenwei.cli.evaluate import evaluate
from zhenwei.cli.init import init
from zhenwei.cli.predict import predict
from zhenwei.cli.train import train
from zhenwei.errors import ZhenweiError

EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="zhenwei",
    help="真伪: train, judge and use detectors of fake news in text, Chinese first.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, init, train, evaluate, predict):
    app.command()(command)
app.add_typer(data_app, name="data")


@app.callback()
def _settings(
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Say only what needs your attention."),
    version: bool = typer.Option(False, "--version", help="Print the version and end.", is_eager=True),
) -> None:
    if version:
        from zhenwei import __version__

        typer.echo(f"zhenwei {__version__}")
        raise typer.Exit
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO, format="%(message)s", stream=sys.stderr, force=True
    )
    for name in ("transformers", "accelerate", "httpx", "huggingface_hub", "torch"):
        logging.getLogger(name).setLevel(logging.ERROR)


def main() -> None:
    """Run the command line; a mistake that the user can mend ends it with one clear message and status 2."""
    try:
        app()
    except ZhenweiError as error:
        _end(f"error: {error}", EXIT_MISTAKE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read our output has gone
        sys.exit(EXIT_MISTAKE)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _end(f"error: {place}{error.strerror or error}", EXIT_MISTAKE)
    except KeyboardInterrupt:
        _end("interrupted", EXIT_INTERRUPTED)


def _end(message: str, status: int) -> None:
    """Print a message once, also where several processes run, and end."""
    if os.environ.get("RANK", "0") == "0":
        print(message, file=sys.stderr)
    sys.exit(status)
