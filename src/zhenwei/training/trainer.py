"""The trainer: from settings to a trained detector in a run's folder."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from zhenwei.config import Config
from zhenwei.errors import CheckpointError, ZhenweiError
from zhenwei.training.determinism import deterministic_algorithms
from zhenwei.training.device import build_accelerator
from zhenwei.training.run import Results, Run
from zhenwei.training.run_folder import RunFolder, open_run_folder
from zhenwei.training.run_log import logging_to

logger = logging.getLogger(__name__)


class Trainer:
    """Trains the detector that a configuration describes.

    ``results, model_path = Trainer(config).train()``
    """

    def __init__(
        self,
        config: Config | Mapping[str, Any] | str | os.PathLike[str],
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        """Check the settings.

        Args:
            config: A dict, a `Config` or the path of a JSON file, in canonical or in the original's flat form.
            resume: Go on with the run in the run folder, exactly; start it where there is none.
            overwrite: Replace the run in the run folder.

        Raises:
            ConfigError: If a setting is unknown, of a wrong type or range, or contradicts another.
        """
        self.config = Config.load(config)
        self.resume = resume
        self.overwrite = overwrite

    def train(self) -> tuple[Results, Path]:
        """Train, and judge the best weights.

        Returns:
            The scores on test (on val where there is no test; `split` says which), with those on val under `val`;
            and the path of the bundle that holds the best weights.

        Raises:
            CheckpointError: If the run folder is taken, cannot be written, or what it holds cannot be resumed.
            DataError: If the articles cannot be used.
            PretrainedModelError: If a pretrained model cannot be had.
            TrainingError: If the loss is no longer finite.
            KeyboardInterrupt: After Ctrl-C, once the checkpoint is saved.
        """
        config = self.config
        accelerator = build_accelerator(config.training, config.output.trackers, config.run_dir)
        folder = self._open_folder(accelerator)
        with (
            logging_to(folder.log, accelerator.is_main_process),
            deterministic_algorithms(config.training.deterministic),
        ):
            logger.info(
                "run '%s': %s on %s, precision '%s', %d process(es)",
                folder.path, config.model.name, accelerator.device, accelerator.mixed_precision,
                accelerator.num_processes,
            )  # fmt: skip
            return Run(config, folder, accelerator).carry_out()

    def _open_folder(self, accelerator: Accelerator) -> RunFolder:
        """Open the run's folder in one process, and let all others know whether that went well."""
        path = self.config.run_dir
        outcome: list[ZhenweiError | None] = [None]
        if accelerator.is_main_process:
            try:
                folder = open_run_folder(path, self.resume, self.overwrite)
                self.config.save(folder.config)
            except ZhenweiError as error:
                outcome = [error]
            except OSError as error:
                outcome = [CheckpointError(f"{path}: cannot be written: {error.strerror}")]
        if accelerator.num_processes > 1:
            broadcast_object_list(outcome)
        if outcome[0] is not None:
            raise outcome[0]
        return RunFolder(path)
