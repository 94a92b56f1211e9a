"""Settings of training: learning rates, steps, precision, device, early stopping, calibration."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from zhenwei.config.section import AtLeastOne, Count, NotNegative, Positive, Section
from zhenwei.config.threshold_objective import ThresholdObjective, check_threshold_objective, parse_threshold_objective

Monitor = Literal[
    "metric", "macro_f1", "auc", "spauc", "acc", "f1_real", "f1_fake",
    "recall", "recall_real", "recall_fake", "precision", "precision_real", "precision_fake",
    "loss", "ece", "brier",
]  # fmt: skip
CalibrationSource = Literal["none", "val", "train", "train+val"]
CalibrationMethod = Literal["temperature", "platt", "isotonic"]
LOWER_IS_BETTER = frozenset({"loss", "ece", "brier"})


def _steps_or_share(value: Any) -> Any:
    """Accept a whole number of steps, or a share of all steps below 1."""
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    share = isinstance(value, float) and 0.0 <= value < 1.0
    if not (whole or share):
        raise ValueError(f"found {value!r}; expected a number of steps (0 or more) or a share of all steps (below 1)")
    return value


def check_device(name: str) -> str:
    """Return the name of a device unchanged.

    Raises:
        ValueError: If the name is not a device.
    """
    if re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]+)?", name) is None:
        raise ValueError(f"found {name!r}; expected auto, cpu, cuda, cuda:N or mps")
    return name


class TrainingConfig(Section):
    """Training of a network."""

    lr: Positive = 9e-4
    """Peak learning rate of layers that start untrained. By default the published one: 1e-4 for `eann`, 7e-5 for
    `bert`, `bert_emo` and `mdfend`, 9e-4 for the others."""

    pretrained_lr: Positive = 2e-5
    """Peak learning rate of finetuned pretrained layers. By default the published 7e-5 for `bert`, `bert_emo` and
    `mdfend`, 2e-5 for the others."""

    weight_decay: NotNegative = 5e-5
    """AdamW's weight decay; not applied to biases, norms and embeddings."""

    epochs: AtLeastOne = 50
    """Maximum number of epochs."""

    batch_size: AtLeastOne = 64
    """Articles per batch, over all processes together."""

    accumulation_steps: AtLeastOne = 1
    """Batches per optimizer step, whose gradients are averaged."""

    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Decay of the learning rate from its peak to 0 after the warm-up."""

    warmup_steps: Annotated[int | float, BeforeValidator(_steps_or_share)] = 0.1
    """Warm-up of the learning rate from 0: a number of optimizer steps, or a share of all steps (below 1)."""

    grad_clip: NotNegative = 1.0
    """Maximum gradient norm; 0: no clipping."""

    consistency: NotNegative = 1.0
    """Weight of the consistency loss of an original and its rewrites: the mean squared deviation of their logits from
    the mean of their content. No effect without rewrites, or on linear models, which average features instead."""

    precision: Literal["no", "fp16", "bf16", "auto"] = "auto"
    """Mixed precision; `auto`: the best of the device (bf16, else fp16 on a GPU, else none)."""

    compile: bool = False
    """Compile the network with `torch.compile`; if that fails, a warning, and training continues without."""

    cuda_graphs: bool = True
    """On one NVIDIA GPU, capture the training steps of `bigru` and `textcnn` as CUDA graphs, one per batch width. A
    step that cannot be captured ends the training; rerun it with `--resume` and `false`."""

    frozen_cache_gib: NotNegative = 8.0
    """Maximum size in GiB of the disk cache of frozen encoder states, over all trainings; they are computed once per
    article. 0: compute them in each epoch."""

    frozen_cache_dir: str | None = None
    """Folder of that cache; `null`: `frozen` in the folder of the environment variable `ZHENWEI_CACHE`, or in `zhenwei`
    in the user's cache folder."""

    device: Annotated[str, AfterValidator(check_device)] = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:N` or `mps`; an absent device: a warning, and the CPU."""

    deterministic: bool = False
    """Use only deterministic algorithms (slower on a GPU; runs on a CPU are always repeatable)."""

    monitor: Monitor = "metric"
    """Score on val that selects the best epoch; `metric` is macro-F1."""

    keep: Literal["best", "last"] = "best"
    """Weights of the detector: those of the `best` epoch on val, or of the `last` epoch, which val does not select;
    `last` needs `early_stop` 0."""

    early_stop: Count = 5
    """Epochs without a better `monitor` before training stops; 0: never."""

    calibrate_on: CalibrationSource = "val"
    """Predictions that the probabilities are calibrated on and the threshold is chosen on, after training: `val`;
    `train`: cross-fitting, where each fold of the training articles is predicted by a detector trained on the others
    (on the earlier ones alone, if all articles have a time), which takes two to five times as long; `train+val`: both;
    `none`: no calibration, and a threshold of 0.5. With too few articles the detector stays uncalibrated, with a
    warning."""

    calibration: CalibrationMethod = "platt"
    """Calibration method: `platt` (a slope and an intercept), `temperature` (a slope) or `isotonic` (any monotonic
    curve; needs 500 articles or more)."""

    calibration_folds: Annotated[int, Field(ge=2, le=50)] = 5
    """Folds of the cross-fitted calibration, and of the choice of a linear model's `auto` settings."""

    threshold_objective: Annotated[str, AfterValidator(check_threshold_objective)] = "macro_f1"
    """Objective of the threshold: `macro_f1`; `precision=0.9`: the highest recall of fakes at this precision or more;
    `recall=0.9`: the highest precision at this recall of fakes or more; `cost=5`: the lowest cost, where a missed fake
    costs five times a false alarm."""

    @model_validator(mode="after")
    def _check_keep(self) -> Self:
        if self.keep == "last" and self.early_stop:
            raise ValueError(
                f"keep is 'last' but early_stop is {self.early_stop}, so val selects the last epoch; "
                "set early_stop to 0, or keep to 'best'"
            )
        return self

    @property
    def objective(self) -> ThresholdObjective:
        """The parsed objective of the threshold."""
        return parse_threshold_objective(self.threshold_objective)

    @property
    def monitor_direction(self) -> Literal["max", "min"]:
        """Whether a higher or a lower monitored score is better."""
        return "min" if self.monitor in LOWER_IS_BETTER else "max"
