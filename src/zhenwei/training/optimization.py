"""The optimizer, AdamW with its parameter groups, and the learning rate schedule."""

import logging
from typing import Any

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers.optimization import get_scheduler

from zhenwei.config import TrainingConfig
from zhenwei.models import DetectorNetwork

logger = logging.getLogger(__name__)

NO_DECAY = (nn.LayerNorm, nn.BatchNorm1d, nn.GroupNorm, nn.RMSNorm, nn.Embedding)
SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


def build_optimizer(network: DetectorNetwork, config: TrainingConfig) -> AdamW:
    """Build AdamW (Loshchilov & Hutter, ICLR 2019) over the weights that train.

    Biases, norms and embeddings have no weight decay; pretrained layers have `pretrained_lr`.
    """
    groups = parameter_groups(network, config)
    return AdamW(groups, lr=config.lr, fused=next(network.parameters()).device.type in ("cpu", "cuda"))


def parameter_groups(network: DetectorNetwork, config: TrainingConfig) -> list[dict[str, Any]]:
    """Return the parameter groups {pretrained, new} x {decay, no decay}, without empty ones."""
    pretrained = {id(weight) for module in network.pretrained_modules() for weight in module.parameters()}
    no_decay = {
        id(weight)
        for module in network.modules()
        for name, weight in module.named_parameters(recurse=False)
        if isinstance(module, NO_DECAY) or "bias" in name
    }
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for weight in network.parameters():
        if weight.requires_grad:
            groups.setdefault((id(weight) in pretrained, id(weight) in no_decay), []).append(weight)
    return [
        {
            "params": weights,
            "lr": config.pretrained_lr if is_pretrained else config.lr,
            "weight_decay": 0.0 if is_no_decay else config.weight_decay,
        }
        for (is_pretrained, is_no_decay), weights in sorted(groups.items(), key=lambda item: item[0])
    ]


def warmup_steps(config: TrainingConfig, total_steps: int) -> int:
    """Return the length of the warm-up in steps, at most all of them."""
    steps = config.warmup_steps
    return min(int(steps * total_steps) if isinstance(steps, float) else steps, total_steps)


def build_schedule(optimizer: AdamW, config: TrainingConfig, total_steps: int) -> LambdaLR:
    """Build the learning rate schedule: a linear warm-up, then `config.schedule` over the remaining steps.

    Args:
        optimizer: The optimizer.
        config: The settings.
        total_steps: Optimizer steps in all epochs.
    """
    warmup = warmup_steps(config, total_steps)
    if warmup >= total_steps:
        logger.warning(
            "training.warmup_steps is %s, and the whole training takes %d steps: the learning rate rises to the end "
            "and never decays",
            config.warmup_steps, total_steps,
        )  # fmt: skip
    schedule: LambdaLR = get_scheduler(SCHEDULES[config.schedule], optimizer, warmup, total_steps)
    return schedule
