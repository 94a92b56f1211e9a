"""Settings of a run's output and log."""

from typing import Literal

from zhenwei.config.section import AtLeastOne, Count, Section


class OutputConfig(Section):
    """The run folder, and the log."""

    dir: str | None = None
    """The run folder; `null`: `runs/<model.name>`, with the suffix `-endef` for a debiased model."""

    log_interval: AtLeastOne = 50
    """Optimizer steps between two log lines (loss, learning rate, gradient norm, texts per second)."""

    save_steps: Count = 500
    """Optimizer steps between two saves of `checkpoints/last`; 0: only after each epoch."""

    trackers: list[Literal["tensorboard", "wandb", "mlflow", "comet_ml", "aim"]] = ["tensorboard"]
    """Experiment trackers that receive every logged value; all but TensorBoard need their own package."""

    report: bool = True
    """Write `report.html`, the page about the run, at the end of `zhenwei train`; `zhenwei report` writes it later."""

    progress: bool = True
    """Show a progress bar."""
