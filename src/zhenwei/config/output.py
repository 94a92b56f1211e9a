"""Settings of what a run leaves behind and what it shows while it runs."""

from typing import Annotated, Literal

from pydantic import Field

from zhenwei.config.section import Section


class OutputConfig(Section):
    """Where a run is kept and how it is logged."""

    dir: str | None = None
    """The run folder; `null`: `runs/<model.name>`, with `-endef` behind it where the model is debiased."""

    log_interval: Annotated[int, Field(ge=1)] = 50
    """Optimiser steps between two lines of the log (loss, rate, gradient norm, texts per second)."""

    save_steps: Annotated[int, Field(ge=0)] = 500
    """Optimiser steps between two saves of `checkpoints/last`, beside the one after each epoch; 0: that alone."""

    trackers: list[Literal["tensorboard", "wandb", "mlflow", "comet_ml", "aim"]] = ["tensorboard"]
    """Experiment trackers that get every logged figure; all but TensorBoard must be installed by you."""

    report: bool = True
    """Let `zhenwei train` write `report.html`, the page about the run, when training has ended; `zhenwei report` writes
    it at any time."""

    progress: bool = True
    """Show a progress bar."""
