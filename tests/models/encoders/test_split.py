"""A pretrained encoder in two halves: together they are the whole, and where they are not, that is found out."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from zhenwei.config import BertConfig
from zhenwei.models import Vocabulary, build_network
from zhenwei.models.encoders.encoder import PretrainedEncoder
from zhenwei.models.encoders.split import cut_in_two, why_not_equal

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
    """A function of a kind of encoder, and of how many of its three layers train, that builds a tiny one."""
    folder = tmp_path_factory.mktemp("kinds")

    def encoder(kind: str = "Bert", layers: Any = 1) -> PretrainedEncoder:
        if not (folder / kind).exists():
            torch.manual_seed(0)
            config = getattr(transformers, f"{kind}Config")(**KINDS.get(kind, {**SIZES, "embedding_size": 8}))
            getattr(transformers, f"{kind}Model")(config).save_pretrained(folder / kind)
        settings = BertConfig(bert_model_name=str(folder / kind), finetune_layers=layers, mlp_dims=[4])
        found = build_network(settings, Vocabulary(40, 0, 32)).token_encoder()
        assert isinstance(found, PretrainedEncoder)
        return found

    return encoder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_both_halves_are_the_whole(kind: str, layers: int, make_encoder: MakeEncoder) -> None:
    encoder = make_encoder(kind, layers).eval()
    assert encoder.cut() is None
    whole, states = encoder(TOKENS, MASK), encoder.frozen_states(TOKENS, MASK)
    assert not states.requires_grad
    torch.testing.assert_close(encoder.from_frozen(states, MASK), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_half_trains_the_encoders_own_layers_as_the_whole_does(kind: str, make_encoder: MakeEncoder) -> None:
    encoder = make_encoder(kind).eval()
    encoder.cut()

    def gradients(give: Callable[[], Tensor]) -> dict[str, Tensor]:
        encoder.zero_grad(set_to_none=True)
        give()[MASK].square().sum().backward()
        return {name: weight.grad for name, weight in encoder.named_parameters() if weight.grad is not None}

    expected = gradients(lambda: encoder(TOKENS, MASK))
    found = gradients(lambda: encoder.from_frozen(encoder.frozen_states(TOKENS, MASK), MASK))
    trained = {name for name, weight in encoder.named_parameters() if weight.requires_grad}
    assert found.keys() == expected.keys() == trained
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-4)


def test_cutting_registers_no_weight_twice_and_changes_no_mode(make_encoder: MakeEncoder) -> None:
    encoder = make_encoder().train()
    names, modes = list(encoder.state_dict()), [part.training for part in encoder.modules()]
    assert encoder.cut() is None
    assert list(encoder.state_dict()) == names
    assert [part.training for part in encoder.modules()] == modes


def test_the_halves_follow_the_encoder_to_another_precision(make_encoder: MakeEncoder) -> None:
    encoder = make_encoder("RoFormer").eval()
    encoder.cut()
    encoder.double()
    states = encoder.frozen_states(TOKENS, MASK)
    assert states.dtype == torch.float64
    torch.testing.assert_close(encoder.from_frozen(states, MASK), encoder(TOKENS, MASK), atol=1e-12, rtol=0)


def test_dropout_runs_in_the_layers_that_train_and_in_no_other(make_encoder: MakeEncoder) -> None:
    encoder = make_encoder().train()
    encoder.cut()
    states = encoder.frozen_states(TOKENS, MASK)
    assert torch.equal(encoder.frozen_states(TOKENS, MASK), states)
    assert not torch.equal(encoder.from_frozen(states, MASK), encoder.from_frozen(states, MASK))


class TestNotCut:
    @pytest.mark.parametrize(
        ("kind", "layers", "reason"),
        [("Bert", "all", "all of it trains"), ("Bert", 3, "all of its layers train"),
         ("Albert", "all", "all of it trains")],
    )  # fmt: skip
    def test_what_leaves_nothing_to_spare(self, kind: str, layers: Any, reason: str, make_encoder: MakeEncoder) -> None:
        assert make_encoder(kind, layers).cut() == reason

    def test_layers_that_share_their_weights_are_kept_whole_or_not_at_all(self, make_encoder: MakeEncoder) -> None:
        encoder = make_encoder("Albert", 0).eval()
        assert encoder.cut() is None
        states = encoder.frozen_states(TOKENS, MASK)
        assert torch.equal(encoder.from_frozen(states, MASK), encoder(TOKENS, MASK))

    def test_an_encoder_without_embeddings_of_berts_kind(self, make_encoder: MakeEncoder) -> None:
        model = make_encoder().model
        model.table = model.embeddings
        del model.embeddings
        with pytest.raises(ValueError, match="no embeddings and layers of BERT's kind"):
            cut_in_two(model, 1)

    def test_halves_that_are_not_the_whole_are_found_out(self, make_encoder: MakeEncoder) -> None:
        """As where a model adds to its layers' output what the second half does not know of."""
        model = make_encoder().model
        halves = cut_in_two(model, 1)
        assert why_not_equal(model, halves) is None

        class Louder(nn.Module):
            def forward(self, **inputs: Any) -> Any:
                output = halves[1](**inputs)
                output.last_hidden_state = output.last_hidden_state * 1.001
                return output

        assert "its halves give other numbers than it does" in str(why_not_equal(model, (halves[0], Louder())))

    def test_so_are_halves_that_cannot_be_computed(self, make_encoder: MakeEncoder) -> None:
        model = make_encoder().model
        assert "its layers were not gone through" in str(why_not_equal(model, (model, cut_in_two(model, 1)[1])))


@pytest.mark.parametrize("layers", [0, 1])
def test_one_whose_numbers_hang_on_padding_is_not_cut(layers: int, make_encoder: MakeEncoder) -> None:
    for kind in ("FNet", "ConvBert"):
        assert make_encoder(kind, layers).cut() is not None
    assert make_encoder("FNet", 0).cut() == "its numbers hang on the padding of a text"
