"""The loss of an optimizer step: cross-entropy, further losses of the network, and consistency over rewrites."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from zhenwei.models import Output
from zhenwei.tokens import Batch


def training_loss(output: Output, batch: Batch, total_weight: float, consistency: float = 0.0) -> Tensor:
    """Return a batch's part of the loss of one optimizer step.

    Args:
        output: The output of the network.
        batch: Its labels [B] and weights [B] (0 for rows that only pad a process's share).
        total_weight: Weight of the articles in the whole step: their number, if there are no rewrites. Cross-entropies
            are summed and divided by it; further losses of the network, which are means over the batch's articles, are
            weighted by the batch's share of it.
        consistency: Weight of `consistency_loss`, for batches with rewrites.
    """
    assert batch.labels is not None
    logits = (output.logits if output.train_logits is None else output.train_logits).float()  # [B]
    cross_entropies = binary_cross_entropy_with_logits(logits, batch.labels, reduction="none")  # [B]
    loss = (cross_entropies * batch.weights).sum() / total_weight
    share = batch.weights.sum() / total_weight
    for further in output.losses.values():
        loss = loss + further.float() * share
    if batch.contents is not None and consistency:
        deviations = consistency_loss(output.logits.float(), batch.contents, batch.weights)
        loss = loss + consistency * deviations / total_weight
    return loss


def consistency_loss(logits: Tensor, contents: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of the squared deviations of logits from the mean of their content.

    For article i with weight w_i and logit z_i, and the mean m_i of the logits of its content in the batch:
    sum_i w_i (z_i - m_i)^2. It is 0 if all rewrites of each content have one logit.

    Args:
        logits: [B].
        contents: [B] number of each article's content, within [0, B).
        weights: [B]; articles with weight 0 are left out.
    """
    counted = (weights > 0).float()
    sums, counts = (
        logits.new_zeros(len(logits)).index_add(0, contents, values) for values in (logits * counted, counted)
    )
    means = (sums / counts.clamp(min=1.0))[contents]  # [B]
    return (weights * (logits - means).square()).sum()
