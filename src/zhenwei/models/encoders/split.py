"""A pretrained encoder as two halves: what is frozen, and behind it the layers that train.

Each half is a shallow copy of transformers' own model in which single parts are exchanged. All weights are the model's
own, and nothing of it is changed. Whether a model can be cut so is not read off its kind: it is tried.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_PROBE = (7, 4)  # tokens of two texts, one of them padded
_TOLERANCE = 1e-5  # of the largest number in an encoder's output


class Reached(Exception):  # noqa: N818  # it ends a computation, and is no error
    """The last frozen layer is done; `states` is what it gave [B, T, D]."""

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.states = states


class Stop(nn.Module):
    """Stands where the first trained layer was, and ends the computation there."""

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        """Raise `Reached` with what came [B, T, D]."""
        raise Reached(hidden_states)


class Given(nn.Module):
    """Stands where the embeddings were, and gives back the vectors that it is given."""

    def forward(
        self, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None, *_: Any, **__: Any
    ) -> Tensor:
        """Return the vectors [B, T, D] as they are."""
        assert inputs_embeds is not None
        return inputs_embeds


def layer_stack(model: nn.Module, depth: int) -> tuple[str, nn.ModuleList] | None:
    """Return the name and the list of an encoder's layers; None where it has no `depth` layers of their own weights."""
    for name, part in model.named_modules():
        if isinstance(part, nn.ModuleList) and len(part) == depth:
            return name, part
    return None


def cut_in_two(model: nn.Module, trained_layers: int) -> tuple[nn.Module, nn.Module]:
    """Cut an encoder before its last layers.

    Args:
        model: An encoder of transformers, with `embeddings` and a list of layers.
        trained_layers: How many of its last layers the second half has; at least 1.

    Returns:
        The first half, which takes what the model takes and ends with `Reached`; and the second, which takes its states
        as `inputs_embeds` and gives what the model gives. Neither may be made a part of another module: their
        weights are the model's.

    Raises:
        ValueError: If it has no such parts.
    """
    depth = int(model.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
    found = layer_stack(model, depth)
    if found is None or "embeddings" not in model._modules:
        raise ValueError("it has no embeddings and layers of BERT's kind")
    name, layers = found
    first = _with_part(model, name, nn.ModuleList([*layers[: depth - trained_layers], Stop()]))
    second = _with_part(model, name, nn.ModuleList(layers[depth - trained_layers :]))
    second = _with_part(second, "embeddings", Given())
    if "embeddings_project" in second._modules:  # ELECTRA's kind widens its embeddings; the states are wide already
        second = _with_part(second, "embeddings_project", nn.Identity())
    return first, second


def states_before(first: nn.Module, tokens: Tensor, attended: Tensor) -> Tensor:
    """Return what comes out of a first half [B, T, D] for token ids [B, T] and attention mask [B, T].

    Raises:
        RuntimeError: If it went on to its end.
    """
    try:
        first(input_ids=tokens, attention_mask=attended)
    except Reached as reached:
        return reached.states
    raise RuntimeError("its layers were not gone through")


@torch.no_grad()
def why_not_equal(model: nn.Module, halves: tuple[nn.Module, nn.Module]) -> str | None:
    """Say why two halves are not the whole, tried on two texts; None where they are."""
    first, second = halves
    tokens, mask = _probe(model)
    try:
        with _evaluating(model):
            whole = model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state[mask]
            states = states_before(first, tokens, mask.long())
            states = states * mask.unsqueeze(-1)  # what is kept has zeros at padding, whatever came out there
            both = second(inputs_embeds=states, attention_mask=mask.long()).last_hidden_state[mask]
    except Exception as error:  # each kind of model has errors of its own
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:100]}"
    if whole.shape != both.shape:
        return "its halves do not give what it gives"
    furthest = float((whole - both).abs().max())
    if not furthest <= _TOLERANCE * float(whole.abs().max()):
        return f"its halves give other numbers than it does, by up to {furthest:.2g}"
    return None


@torch.no_grad()
def why_padding_matters(model: nn.Module, states_of: Callable[[Tensor, Tensor], Tensor]) -> str | None:
    """Say so if a text's states [1, T, D] hang on how far it is padded, as convolutions do; None where they do not."""
    tokens, mask = _probe(model)
    tokens, mask = tokens[1:], mask[1:]  # the one that is padded
    try:
        with _evaluating(model):
            padded = states_of(tokens, mask.long())[mask]
            alone = states_of(tokens[:, : _PROBE[1]], mask[:, : _PROBE[1]].long())[0]
    except Exception as error:  # each kind of model has errors of its own
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:100]}"
    furthest = float((padded - alone).abs().max())
    return None if furthest <= _TOLERANCE * float(alone.abs().max()) else "its numbers hang on the padding of a text"


def _probe(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the token ids [2, T] and the mask [2, T] of two texts."""
    device = next(model.parameters()).device
    entries = int(model.get_input_embeddings().num_embeddings)  # type: ignore[operator]
    tokens = torch.arange(2 * _PROBE[0], device=device).view(2, -1) * 7919 % max(entries - 1, 1) + 1
    return tokens, torch.arange(_PROBE[0], device=device) < torch.tensor(_PROBE, device=device)[:, None]


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Run no dropout for a while."""
    before = [(part, part.training) for part in model.modules()]
    model.eval()  # PyTorch's switch: halves and whole are compared without dropout
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


def _with_part(module: nn.Module, name: str, part: nn.Module) -> nn.Module:
    """Return a shallow copy of a module in which one part, however deep, is another; the module stays as it is."""
    head, _, rest = name.partition(".")
    changed = copy.copy(module)
    inner = module._modules[head]
    assert inner is not None
    changed.__dict__["_modules"] = {**module._modules, head: _with_part(inner, rest, part) if rest else part}
    return changed
