"""A pretrained encoder split into halves, and encoders that cannot be split."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from zhenwei.config import BertConfig
from zhenwei.models import Vocabulary, build_network
from zhenwei.models.encoders.encoder import PretrainedEncoder
from zhenwei.models.encoders.split import check_split, split_encoder

pytestmark = pytest.mark.slow  # many encoders

SIZES = {
    "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 34,
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "Bert": SIZES,
    "Roberta": SIZES,
    "Electra": {**SIZES, "embedding_size": 8},
    "DistilBert": {
        "vocab_size": 40, "dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 34
    },
    "Ernie": SIZES,
    "MegatronBert": SIZES,
    "RoFormer": SIZES,
}  # fmt: skip
TOKENS = torch.tensor([[2, 6, 7, 8, 3], [2, 9, 3, 0, 0], [0, 0, 0, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]]).bool()

MakeEncoder = Callable[..., PretrainedEncoder]


@pytest.fixture(scope="module")
def make_encoder(tmp_path_factory: pytest.TempPathFactory) -> MakeEncoder:
    """Return a function that builds a tiny encoder from its type and its number of trained layers."""
    folder = tmp_path_factory.mktemp("kinds")

    def encoder(kind: str = "Bert", layers: Any = 1) -> PretrainedEncoder:
        if not (folder / kind).exists():
            torch.manual_seed(0)
            config = getattr(transformers, f"{kind}Config")(**KINDS.get(kind, {**SIZES, "embedding_size": 8}))
            getattr(transformers, f"{kind}Model")(config).save_pretrained(folder / kind)
        settings = BertConfig(bert_model_name=str(folder / kind), finetune_layers=layers, mlp_dims=[4])
        result = build_network(settings, Vocabulary(40, 0, 32)).token_encoder()
        assert isinstance(result, PretrainedEncoder)
        return result

    return encoder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_both_halves_together_equal_the_encoder(kind: str, layers: int, make_encoder: MakeEncoder) -> None:
    encoder = make_encoder(kind, layers).eval()
    assert encoder.split() is None
    expected, states = encoder(TOKENS, MASK), encoder.frozen_states(TOKENS, MASK)
    assert not states.requires_grad
    torch.testing.assert_close(encoder.from_frozen(states, MASK), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_half_gives_the_gradients_of_the_encoder(kind: str, make_encoder: MakeEncoder) -> None:
    encoder = make_encoder(kind).eval()
    encoder.split()

    def gradients(compute: Callable[[], Tensor]) -> dict[str, Tensor]:
        encoder.zero_grad(set_to_none=True)
        compute()[MASK].square().sum().backward()
        return {name: weight.grad for name, weight in encoder.named_parameters() if weight.grad is not None}

    expected = gradients(lambda: encoder(TOKENS, MASK))
    result = gradients(lambda: encoder.from_frozen(encoder.frozen_states(TOKENS, MASK), MASK))
    trained = {name for name, weight in encoder.named_parameters() if weight.requires_grad}
    assert result.keys() == expected.keys() == trained
    for name, gradient in expected.items():
        torch.testing.assert_close(result[name], gradient, atol=1e-5, rtol=1e-4)


def test_splitting_registers_no_weights_and_changes_no_mode(make_encoder: MakeEncoder) -> None:
    encoder = make_encoder().train()
    names, modes = list(encoder.state_dict()), [part.training for part in encoder.modules()]
    assert encoder.split() is None
    assert list(encoder.state_dict()) == names
    assert [part.training for part in encoder.modules()] == modes


def test_the_halves_follow_the_encoder_to_another_precision(make_encoder: MakeEncoder) -> None:
    encoder = make_encoder("RoFormer").eval()
    encoder.split()
    encoder.double()
    states = encoder.frozen_states(TOKENS, MASK)
    assert states.dtype == torch.float64
    torch.testing.assert_close(encoder.from_frozen(states, MASK), encoder(TOKENS, MASK), atol=1e-12, rtol=0)


def test_dropout_is_active_in_trained_layers_only(make_encoder: MakeEncoder) -> None:
    encoder = make_encoder().train()
    encoder.split()
    states = encoder.frozen_states(TOKENS, MASK)
    assert torch.equal(encoder.frozen_states(TOKENS, MASK), states)
    assert not torch.equal(encoder.from_frozen(states, MASK), encoder.from_frozen(states, MASK))


class TestNotSplit:
    @pytest.mark.parametrize(
        ("kind", "layers", "reason"),
        [("Bert", "all", "all of it trains"), ("Bert", 3, "all of its layers train"),
         ("Albert", "all", "all of it trains")],
    )  # fmt: skip
    def test_nothing_frozen_to_precompute(self, kind: str, layers: Any, reason: str, make_encoder: MakeEncoder) -> None:
        assert make_encoder(kind, layers).split() == reason

    def test_layers_with_shared_weights_are_frozen_completely_or_not_split(self, make_encoder: MakeEncoder) -> None:
        encoder = make_encoder("Albert", 0).eval()
        assert encoder.split() is None
        states = encoder.frozen_states(TOKENS, MASK)
        assert torch.equal(encoder.from_frozen(states, MASK), encoder(TOKENS, MASK))

    def test_an_encoder_without_embeddings_like_berts(self, make_encoder: MakeEncoder) -> None:
        model = make_encoder().model
        model.table = model.embeddings
        del model.embeddings
        with pytest.raises(ValueError, match="no embeddings and layers like BERT's"):
            split_encoder(model, 1)

    def test_differing_halves_are_detected(self, make_encoder: MakeEncoder) -> None:
        """As in a model that changes the output of its layers."""
        model = make_encoder().eval().model
        halves = split_encoder(model, 1)
        assert check_split(model, halves) is None

        class Louder(nn.Module):
            def forward(self, **inputs: Any) -> Any:
                output = halves[1](**inputs)
                output.last_hidden_state = output.last_hidden_state * 1.001
                return output

        assert "the output of its halves differs" in str(check_split(model, (halves[0], Louder())))

    def test_halves_that_fail_are_detected(self, make_encoder: MakeEncoder) -> None:
        model = make_encoder().model
        assert "it does not call its layers" in str(check_split(model, (model, split_encoder(model, 1)[1])))


@pytest.mark.parametrize("layers", [0, 1])
def test_an_encoder_that_depends_on_padding_is_not_split(layers: int, make_encoder: MakeEncoder) -> None:
    for kind in ("FNet", "ConvBert"):
        assert make_encoder(kind, layers).split() is not None
    assert make_encoder("FNet", 0).split() == "its output depends on padding"
