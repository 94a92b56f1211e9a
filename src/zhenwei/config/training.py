"""Settings of the training: rates, steps, precision, devices, and when to stop."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from zhenwei.config.section import Section
from zhenwei.config.threshold_objective import ThresholdObjective, check_threshold_objective, parse_threshold_objective

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]

Monitor = Literal[
    "metric", "macro_f1", "auc", "spauc", "acc", "f1_real", "f1_fake",
    "recall", "recall_real", "recall_fake", "precision", "precision_real", "precision_fake",
    "loss", "ece", "brier",
]  # fmt: skip
CalibrationSource = Literal["none", "val", "train", "train+val"]
CalibrationMethod = Literal["temperature", "platt", "isotonic"]
LOWER_IS_BETTER = frozenset({"loss", "ece", "brier"})


def _steps_or_share(value: Any) -> Any:
    """Admit a whole number of steps, or a share of all steps below 1."""
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    share = isinstance(value, float) and 0.0 <= value < 1.0
    if not (whole or share):
        raise ValueError(f"found {value!r}; expected a number of steps (0 or more) or a share of all steps (below 1)")
    return value


def check_device(name: str) -> str:
    """Return the name of a device as it is.

    Raises:
        ValueError: If no device is so called.
    """
    if re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]+)?", name) is None:
        raise ValueError(f"found {name!r}; expected auto, cpu, cuda, cuda:N or mps")
    return name


class TrainingConfig(Section):
    """How a network is trained."""

    lr: Positive = 9e-4
    """Peak learning rate of everything that starts untrained. Unless set, it is the published one: for `eann` 1e-4, for
    `bert`, `bert_emo` and `mdfend` 7e-5, for the others 9e-4."""

    pretrained_lr: Positive = 2e-5
    """Peak learning rate of pretrained layers that are finetuned. Unless set, it is 7e-5 for `bert`, `bert_emo` and
    `mdfend`, as published."""

    weight_decay: NotNegative = 5e-5
    """AdamW's decay; biases, norms and embeddings are spared."""

    epochs: AtLeastOne = 50
    """Most passes over the training articles."""

    batch_size: AtLeastOne = 64
    """Articles per optimiser step and accumulation step, over all processes together."""

    accumulation_steps: AtLeastOne = 1
    """Batches whose gradients are averaged into one optimiser step."""

    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the rate falls from its peak to 0 over the epochs after the warm-up."""

    warmup_steps: Annotated[int | float, BeforeValidator(_steps_or_share)] = 0.1
    """Optimiser steps over which the rate rises from 0: a number of steps, or a share of all (below 1)."""

    grad_clip: NotNegative = 1.0
    """Largest norm of the gradient; 0: no clipping."""

    precision: Literal["no", "fp16", "bf16", "auto"] = "auto"
    """Mixed precision; `auto`: the best that the device has (bf16, else fp16 on a GPU, else none)."""

    compile: bool = False
    """Compile the network with `torch.compile`; where that cannot work, a warning, and on without."""

    cuda_graphs: bool = True
    """On one NVIDIA card, record the steps of `bigru` and `textcnn` once for each width of batch, and repeat them. A
    step that cannot be recorded ends the training, which goes on from its checkpoint without."""

    frozen_cache_gib: NotNegative = 8.0
    """What the frozen layers of an encoder make of each article is computed once and kept on the disk: the most that is
    kept so, of all trainings together, in GiB; 0: it is computed in each epoch."""

    frozen_cache_dir: str | None = None
    """Where that is kept; `null`: `frozen` in the folder that the environment's `ZHENWEI_CACHE` names, else in
    `zhenwei` in the user's cache folder."""

    device: Annotated[str, AfterValidator(check_device)] = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:N` or `mps`; one that is not there: a warning, and on with the CPU."""

    deterministic: bool = False
    """Allow only deterministic algorithms (on a GPU slower; on a CPU runs repeat exactly anyway)."""

    monitor: Monitor = "metric"
    """What the best epoch is chosen by, measured on val; `metric` is macro-F1."""

    keep: Literal["best", "last"] = "best"
    """Which weights become the detector: those of the `best` epoch on val, or of the `last` one, so that val has no
    say in them; `last` needs `early_stop` 0."""

    early_stop: Count = 5
    """Epochs without a better `monitor` after which training stops; 0: never."""

    calibrate_on: CalibrationSource = "val"
    """Judgements from which probabilities are calibrated and the threshold is chosen, when training has ended: `val`;
    `train`: cross-fitted, that is, parts of the training articles by detectors that were trained on the others (in
    order of time on the earlier ones alone, where all articles have a time), which takes some two to five times as
    long; `train+val`: both; `none`: neither, and the threshold is 0.5. What is too little to calibrate on is said, and
    the detector left as it is."""

    calibration: CalibrationMethod = "platt"
    """How probabilities are calibrated: `platt` (a slope and an intercept), `temperature` (a slope alone) or `isotonic`
    (any rising curve; wants 500 articles and more)."""

    calibration_folds: Annotated[int, Field(ge=2, le=50)] = 5
    """Detectors that are trained for a cross-fitted calibration; and parts of the training articles that are held back
    where the settings of a linear model are `auto`."""

    threshold_objective: Annotated[str, AfterValidator(check_threshold_objective)] = "macro_f1"
    """What the threshold is chosen for: `macro_f1`; `precision=0.9`: the highest recall of fakes at this precision or
    better; `recall=0.9`: the highest precision at this recall of fakes or better; `cost=5`: a fake that is missed costs
    five times as much as a false alarm."""

    @model_validator(mode="after")
    def _check_keep(self) -> Self:
        if self.keep == "last" and self.early_stop:
            raise ValueError(
                f"keep is 'last' and early_stop is {self.early_stop}, by which val decides what the last epoch is; "
                "set early_stop to 0, or keep to 'best'"
            )
        return self

    @property
    def objective(self) -> ThresholdObjective:
        """What the threshold is chosen for, read."""
        return parse_threshold_objective(self.threshold_objective)

    @property
    def monitor_direction(self) -> Literal["max", "min"]:
        """Whether more or less of the monitored score is better."""
        return "min" if self.monitor in LOWER_IS_BETTER else "max"
