"""A pretrained encoder split into a frozen half and a half with the trained layers.

Each half is a shallow copy of transformers' model in which single modules are replaced. All weights are shared with the
model, which does not change. Whether a model can be split is not looked up by type, but tested.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zhenwei.errors import first_line

_PROBE = (7, 4)  # lengths of two texts, one of them padded
_TOLERANCE = 1e-5  # relative to the largest value in an encoder's output


class EarlyExit(Exception):  # noqa: N818  # not an error: it ends a computation
    """Raised after the last frozen layer, with its output `states` [B, T, D]."""

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.states = states


class EarlyExitLayer(nn.Module):
    """Replaces the first trained layer, and ends the computation there."""

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        """Raise `EarlyExit` with its input [B, T, D]."""
        raise EarlyExit(hidden_states)


class IdentityEmbeddings(nn.Module):
    """Replaces the embeddings, and returns the vectors that it receives."""

    def forward(
        self, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None, *_: Any, **__: Any
    ) -> Tensor:
        """Return `inputs_embeds` [B, T, D]."""
        assert inputs_embeds is not None
        return inputs_embeds


def find_layers(model: nn.Module, depth: int) -> tuple[str, nn.ModuleList] | None:
    """Return the name and the list of an encoder's layers; None without `depth` layers with weights of their own."""
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return name, module
    return None


def split_encoder(model: nn.Module, trained_layers: int) -> tuple[nn.Module, nn.Module]:
    """Split an encoder before its last layers.

    Args:
        model: An encoder of transformers, with `embeddings` and a list of layers.
        trained_layers: How many of its last layers belong to the second half; at least 1.

    Returns:
        The first half, which has the inputs of the model and raises `EarlyExit`; and the second, whose `inputs_embeds`
        are the states of the first, and whose output is that of the model. Neither may become a submodule of another
        module: their weights belong to the model.

    Raises:
        ValueError: If it has no such modules.
    """
    depth = int(model.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
    stack = find_layers(model, depth)
    if stack is None or "embeddings" not in model._modules:
        raise ValueError("it has no embeddings and layers like BERT's")
    name, layers = stack
    first = _with_module(model, name, nn.ModuleList([*layers[: depth - trained_layers], EarlyExitLayer()]))
    second = _with_module(model, name, nn.ModuleList(layers[depth - trained_layers :]))
    second = _with_module(second, "embeddings", IdentityEmbeddings())
    if "embeddings_project" in second._modules:  # ELECTRA projects its embeddings to the hidden size
        second = _with_module(second, "embeddings_project", nn.Identity())
    return first, second


def run_frozen_half(first: nn.Module, tokens: Tensor, attention_mask: Tensor) -> Tensor:
    """Return the states of the first half [B, T, D] for token ids [B, T] and attention mask [B, T].

    Raises:
        RuntimeError: If the model did not call its layers.
    """
    try:
        first(input_ids=tokens, attention_mask=attention_mask)
    except EarlyExit as early_exit:
        return early_exit.states
    raise RuntimeError("it does not call its layers")


def check_split(model: nn.Module, halves: tuple[nn.Module, nn.Module]) -> str | None:
    """Compare two halves with the model on two texts; return the reason if they differ, otherwise None."""
    first, second = halves

    def run_both(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        expected = model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state[mask]
        states = run_frozen_half(first, tokens, mask.long())
        states = states * mask.unsqueeze(-1)  # cached states have zeros at padding
        return expected, second(inputs_embeds=states, attention_mask=mask.long()).last_hidden_state[mask]

    return _compare(model, run_both, "the output of its halves differs by up to {:.2g}")


def check_padding(model: nn.Module, run: Callable[[Tensor, Tensor], Tensor]) -> str | None:
    """Return a reason if the states [1, T, D] of a text depend on its padding, as in convolutions; otherwise None."""

    def run_padded(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        tokens, mask, length = tokens[1:], mask[1:], _PROBE[1]  # the padded text
        return run(tokens[:, :length], mask[:, :length].long())[0], run(tokens, mask.long())[mask]

    return _compare(model, run_padded, "its output depends on padding")


@torch.no_grad()
def _compare(model: nn.Module, run: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], differ: str) -> str | None:
    """Run a model in two ways on two texts; return the error, or the message `differ` where the outputs differ."""
    try:
        expected, actual = run(*_probe(model))
    except Exception as error:  # any type: each model raises its own
        return f"{type(error).__name__}: {first_line(error)}"
    if expected.shape != actual.shape:
        return "its output has another shape"
    largest = float((expected - actual).abs().max())
    return None if largest <= _TOLERANCE * float(expected.abs().max()) else differ.format(largest)


def _probe(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the token ids [2, T] and the mask [2, T] of two texts."""
    device = next(model.parameters()).device
    entries = int(model.get_input_embeddings().num_embeddings)  # type: ignore[operator]
    tokens = torch.arange(2 * _PROBE[0], device=device).view(2, -1) * 7919 % max(entries - 1, 1) + 1
    return tokens, torch.arange(_PROBE[0], device=device) < torch.tensor(_PROBE, device=device)[:, None]


def _with_module(module: nn.Module, name: str, replacement: nn.Module) -> nn.Module:
    """Return a shallow copy of a module with one submodule, at any depth, replaced; the module does not change."""
    head, _, rest = name.partition(".")
    changed = copy.copy(module)
    inner = module._modules[head]
    assert inner is not None
    submodule = _with_module(inner, rest, replacement) if rest else replacement
    changed.__dict__["_modules"] = {**module._modules, head: submodule}
    return changed
