"""The trainer: trains the detector that a configuration describes, in a run folder."""

import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from zhenwei.atomic import reason_of
from zhenwei.bundle.device import is_main_process
from zhenwei.config import Config
from zhenwei.errors import CheckpointError
from zhenwei.training.accelerator import build_accelerator
from zhenwei.training.determinism import deterministic_algorithms
from zhenwei.training.epochs import OnEpoch
from zhenwei.training.run import Results, Run
from zhenwei.training.run_folder import RunFolder, check_run_folder, lock_run_folder
from zhenwei.training.run_log import logging_to

log = logging.getLogger(__name__)


class Trainer:
    """Trains the detector that a configuration describes.

    ``results, model_path = Trainer(config).train()``
    """

    def __init__(
        self,
        config: Config | Mapping[str, Any] | str | os.PathLike[str],
        logger: logging.Logger | None = None,
        *,
        resume: bool = False,
        overwrite: bool = False,
        on_epoch: OnEpoch | None = None,
    ) -> None:
        """Check the settings.

        Args:
            config: A dict, a `Config` or the path of a JSON file, in canonical or in the original's flat form.
            logger: Receives what the run logs, beside `train.log` and the handlers of the logger `zhenwei`.
            resume: Resume the run in the run folder bit-exactly; start one if there is none.
            overwrite: Replace the run in the run folder.
            on_epoch: Called after each epoch, once it is saved, with its record; see `OnEpoch`.

        Raises:
            ConfigError: If a setting is unknown, of a wrong type or range, or contradicts another.
        """
        self.config = Config.load(config)
        self.logger = logger
        self.resume = resume
        self.overwrite = overwrite
        self.on_epoch = on_epoch

    def train(self) -> tuple[Results, Path]:
        """Train, and evaluate the best weights.

        Returns:
            The metrics on test (on val if there is no test; `split` says which), with those on val under `val`;
            and the path of the bundle with the best weights.

        Raises:
            CheckpointError: If the run folder is taken, another process writes to it, it cannot be written, or its
                run cannot be resumed.
            ConfigError: If an experiment tracker is not installed.
            DataError: If the articles cannot be used.
            PretrainedModelError: If a pretrained model cannot be loaded.
            TrainingError: If the loss is not finite.
            KeyboardInterrupt: After Ctrl-C, once the checkpoint is saved; with several processes it is raised at
                once, and the last checkpoint remains.
        """
        config, path = self.config, self.config.run_dir
        main = is_main_process()
        # If the folder is refused, the main process ends before it joins the others; the launcher then ends them.
        folder = check_run_folder(path, self.resume, self.overwrite) if main else RunFolder(path)
        try:
            with (
                ExitStack() as stack,
                logging_to(folder.log, main, self.logger) as begin_log,
                deterministic_algorithms(config.training.deterministic),
            ):

                def prepare_folder() -> None:
                    stack.enter_context(lock_run_folder(folder, self.resume, self.overwrite))
                    begin_log()

                accelerator = build_accelerator(config, folder.tensorboard)
                log.info(
                    "run '%s': %s on %s, precision '%s', %d process(es)",
                    path, config.model.title, accelerator.device, accelerator.mixed_precision,
                    accelerator.num_processes,
                )  # fmt: skip
                return Run(config, folder, accelerator, prepare_folder, train_bundle, self.on_epoch).run()
        except OSError as error:
            file = f"'{error.filename}': " if error.filename else ""
            raise CheckpointError(
                f"the run in '{path}' cannot continue: {file}{reason_of(error)}; fix this, then rerun with --resume"
            ) from None


def train_bundle(config: Config) -> Path:
    """Train a detector, or finish its training, and return the path of its bundle."""
    return Trainer(config, resume=True).train()[1]
