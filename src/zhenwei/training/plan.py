"""The training plan: which articles are trained on, in which batches, and how many steps that takes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from zhenwei.bundle.predict_logits import PrecomputedStates
from zhenwei.config import Config
from zhenwei.tokens import Augmentation, Batch, EncodedArticles, batch_order
from zhenwei.tokens.content_batches import ContentBatches

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingPlan:
    """The training articles, and how they are batched.

    Attributes:
        articles: The training articles.
        config: The settings.
        pad_id: Id of the padding token.
        augmentation: Changes words or entities of each batch; None: no augmentation.
        widths: Widths that batches are padded to, if the network is compiled; None: each to its longest row.
        frozen: Precomputed states of the network's frozen layers; None: the network computes them.
    """

    articles: EncodedArticles
    config: Config
    pad_id: int
    augmentation: Augmentation | None = None
    widths: Sequence[int] | None = None
    frozen: PrecomputedStates | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one pass over the articles."""
        training, contents = self.config.training, self.content_batches
        n_batches = math.ceil(len(self.articles) / training.batch_size) if contents is None else len(contents)
        return math.ceil(n_batches / training.accumulation_steps)

    @cached_property
    def content_batches(self) -> ContentBatches | None:
        """Batches that keep an original and its rewrites together; None without rewrites."""
        contents = self.articles.contents
        return None if contents is None else ContentBatches.build(contents, self.config.training.batch_size)

    @cached_property
    def weights(self) -> NDArray[np.float32] | None:
        """Weight of each article [N]; None if all are 1, without rewrites."""
        return self.articles.weights

    def total_weight(self, group: Sequence[Rows]) -> float:
        """Return the weight of the articles of an optimizer step: their number, without rewrites."""
        if self.weights is None:
            return sum(map(len, group))
        return float(sum(self.weights[rows].sum(dtype=np.float64) for rows in group))

    @property
    def total_steps(self) -> int:
        """Optimizer steps in all epochs."""
        return self.steps_per_epoch * self.config.training.epochs

    def must_read(self, step: int) -> bool:
        """Return whether a step, counted from 1, is logged, saved, or the last of an epoch."""
        output = self.config.output
        saved = output.save_steps and step % output.save_steps == 0
        return bool(saved) or step % output.log_interval == 0 or step % self.steps_per_epoch == 0

    def step_rows(self, epoch: int) -> list[list[Rows]]:
        """Return the batches of each optimizer step of an epoch; a pure function of seed and epoch."""
        training, lengths, seed = self.config.training, self.articles.lengths, self.config.seed
        if self.content_batches is not None:
            order = self.content_batches.order(lengths, seed=seed, epoch=epoch)
        else:
            order = batch_order(lengths, training.batch_size, seed=seed, epoch=epoch, shuffle=True)
        size = training.accumulation_steps
        return [order[start : start + size] for start in range(0, len(order), size)]

    def on_device(self, batch: Batch, device: torch.device | str) -> Batch:
        """Return a batch on a device, with the states of frozen layers if they are precomputed."""
        if self.frozen is not None:
            return self.frozen.attach(batch, device)
        return batch.to(device, non_blocking=True)
