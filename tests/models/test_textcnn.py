"""The CNN extractor and the TextCNN detector, against convolutions of one article at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from zhenwei.config import TextCNNConfig
from zhenwei.models import Vocabulary, build_network
from zhenwei.models.layers import CNNExtractor
from zhenwei.models.textcnn import TextCNN
from zhenwei.tokens import Batch

MakeBatch = Callable[..., Batch]
LENGTHS = [7, 2, 0, 4, 1]  # wider than all kernels, narrower than most, empty, as wide as one, a single token
KERNELS = [1, 2, 4, 6]


def extractor_and_inputs(width: int = 7) -> tuple[CNNExtractor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    inputs = torch.randn(len(LENGTHS), 7, 3)[:, :width]
    return CNNExtractor(3, KERNELS, 4), inputs, torch.arange(width) < torch.tensor(LENGTHS)[:, None]


class TestCNNExtractor:
    def test_each_article_is_convolved_as_if_alone(self, slow: Any) -> None:
        extractor, inputs, mask = extractor_and_inputs()
        found = slow.array(extractor(inputs, mask))
        for row, length in enumerate(LENGTHS):
            expected = slow.extractor(extractor, slow.array(inputs[row, :length]))
            np.testing.assert_allclose(found[row], expected, atol=1e-6)

    def test_what_stands_at_padding_never_wins(self) -> None:
        extractor, inputs, mask = extractor_and_inputs()
        loud = torch.where(mask.unsqueeze(-1), inputs, torch.tensor(1e6))
        quiet = torch.where(mask.unsqueeze(-1), inputs, torch.tensor(-1e6))
        assert torch.equal(extractor(loud, mask), extractor(quiet, mask))

    def test_a_bias_that_beats_every_value_does_not_let_padding_win(self, slow: Any) -> None:
        extractor, inputs, mask = extractor_and_inputs()
        with torch.no_grad():
            for convolution in extractor.convolutions:
                convolution.weight.abs_().neg_()
        inputs = inputs.abs()  # every window that reads a token is below the bias, which padding alone would give
        found = slow.array(extractor(inputs, mask))
        for row, length in enumerate(LENGTHS):
            expected = slow.extractor(extractor, slow.array(inputs[row, :length]))
            np.testing.assert_allclose(found[row], expected, atol=1e-6)

    def test_padding_to_any_width_makes_no_difference(self) -> None:
        extractor, inputs, mask = extractor_and_inputs()
        more = torch.nn.functional.pad(inputs, (0, 0, 0, 20)), torch.nn.functional.pad(mask, (0, 20))
        torch.testing.assert_close(extractor(*more), extractor(inputs, mask), atol=1e-6, rtol=0)

    def test_a_batch_narrower_than_its_kernels(self, slow: Any) -> None:
        extractor, inputs, mask = extractor_and_inputs(width=1)
        found = slow.array(extractor(inputs[:2], mask[:2]))
        assert found.shape == (2, 16)
        for row in range(2):
            np.testing.assert_allclose(found[row], slow.extractor(extractor, slow.array(inputs[row])), atol=1e-6)

    def test_a_row_of_padding_alone_gives_zeros_and_finite_gradients(self) -> None:
        extractor, inputs, mask = extractor_and_inputs()
        inputs.requires_grad_()
        found = extractor(inputs, mask)
        assert (found[2] == 0).all()
        found.square().sum().backward()
        assert inputs.grad is not None
        assert torch.isfinite(inputs.grad).all()
        assert (inputs.grad[~mask] == 0).all()

    def test_the_published_one_has_five_widths_of_64_filters(self) -> None:
        extractor = CNNExtractor(3)
        assert extractor.features == 320
        assert [conv.kernel_size[0] for conv in extractor.convolutions] == [1, 2, 3, 5, 10]
        assert {conv.out_channels for conv in extractor.convolutions} == {64}

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_keeps_its_type_and_stays_finite(self, dtype: torch.dtype) -> None:
        extractor, inputs, mask = extractor_and_inputs()
        found = extractor.to(dtype)(inputs.to(dtype) * 100, mask)
        assert found.dtype == dtype
        assert torch.isfinite(found).all()


@pytest.mark.parametrize(
    "settings", [{}, {"kernels": [2], "filters": 3}, {"mlp_dims": []}, {"mlp_dims": [8, 4]}], ids=str
)
def test_textcnn_is_embeddings_convolutions_and_a_head(
    settings: dict[str, Any], slow: Any, make_batch: MakeBatch
) -> None:
    torch.manual_seed(0)
    config = TextCNNConfig(**{"emb_dim": 4, "mlp_dims": [6], "kernels": [1, 3], "filters": 5, **settings})
    network = build_network(config, Vocabulary(20, 0, 10)).eval()
    assert isinstance(network, TextCNN)
    rows = [[3, 4, 5, 6], [7, 8], [9]]
    output = network(make_batch(rows))
    for row, tokens in enumerate(rows):
        features = slow.extractor(network.extractor, slow.embedded(network, tokens))
        assert output.features is not None
        np.testing.assert_allclose(slow.array(output.features[row]), features, atol=1e-6)
        np.testing.assert_allclose(slow.array(output.logits[row]), slow.mlp(network.mlp, features)[0], atol=1e-6)
    assert (output.train_logits, output.losses) == (None, {})
