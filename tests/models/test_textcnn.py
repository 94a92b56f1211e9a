"""The TextCNN detector, against a numpy reference."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from zhenwei.config import TextCNNConfig
from zhenwei.models import Vocabulary, build_network
from zhenwei.models.textcnn import TextCNN
from zhenwei.tokens import Batch

MakeBatch = Callable[..., Batch]


@pytest.mark.parametrize(
    "settings", [{}, {"kernels": [2], "filters": 3}, {"mlp_dims": []}, {"mlp_dims": [8, 4]}], ids=str
)
def test_textcnn_equals_a_numpy_reference(settings: dict[str, Any], ref: Any, make_batch: MakeBatch) -> None:
    torch.manual_seed(0)
    config = TextCNNConfig(**{"emb_dim": 4, "mlp_dims": [6], "kernels": [1, 3], "filters": 5, **settings})
    network = build_network(config, Vocabulary(20, 0, 10)).eval()
    assert isinstance(network, TextCNN)
    rows = [[3, 4, 5, 6], [7, 8], [9]]
    output = network(make_batch(rows))
    for row, tokens in enumerate(rows):
        features = ref.extractor(network.extractor, ref.embeddings(network, tokens))
        assert output.features is not None
        np.testing.assert_allclose(ref.to_numpy(output.features[row]), features, atol=1e-6)
        np.testing.assert_allclose(ref.to_numpy(output.logits[row]), ref.mlp(network.mlp, features)[0], atol=1e-6)
    assert (output.train_logits, output.losses) == (None, {})
