"""Arguments of commands that load a detector: RUN (a folder or a name on the hub) and the precision."""

from pathlib import Path

import typer

HUB = "hf://"

Run = typer.Argument(help="A run's folder, a bundle, an exported detector, hf://USER/NAME or hf://USER/NAME@REVISION.")
Precision = typer.Option(
    "float32", help="float32, or auto: the fastest of the device; probabilities differ by some thousandths."
)

Always = typer.Option(
    False, "--always", help="Give every text the verdict fake or real, also where there are reasons for unsure."
)


def folder_of(run: str) -> Path:
    """Return the folder of RUN; a detector on the hub is downloaded.

    Raises:
        CheckpointError: If the hub has no such detector or cannot be reached.
        ConfigError: If a name on the hub is malformed.
    """
    if not run.startswith(HUB):
        return Path(run)
    from zhenwei.inference.hub.hub import fetch_named

    return fetch_named(run)


def hub_name(run: str) -> str | None:
    """Return the hub name `USER/NAME[@REVISION]` of RUN; None for a folder."""
    return run.removeprefix(HUB) if run.startswith(HUB) else None
