"""What commands that only read a detector are told: RUN, a folder or a name on the hub, and the precision."""

from pathlib import Path

import typer

HUB = "hf://"

Run = typer.Argument(help="A run's folder, a bundle, an exported detector, hf://USER/NAME or hf://USER/NAME@REVISION.")
Precision = typer.Option(
    "float32", help="float32; auto: the fastest that the device has, with probabilities some thousandths off."
)


def folder_of(run: str) -> Path:
    """Return the folder of RUN; one on the hub is downloaded.

    Raises:
        CheckpointError: If the hub has no such detector, or cannot be reached.
        ConfigError: If it is a name on the hub, and not of the right form.
    """
    if not run.startswith(HUB):
        return Path(run)
    from zhenwei.inference.hub.hub import fetch_named

    return fetch_named(run)


def hub_name(run: str) -> str | None:
    """Return what a detector from the hub is called, `USER/NAME[@REVISION]`; None for a folder."""
    return run.removeprefix(HUB) if run.startswith(HUB) else None
