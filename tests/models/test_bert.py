"""The BERT and BERT-Emo detectors, against numpy references behind transformers' BERT."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertModel

from zhenwei.config import BertConfig, BertEmoConfig
from zhenwei.models import DetectorNetwork, Vocabulary, build_network
from zhenwei.models.bert import Bert
from zhenwei.models.bert_emo import BertEmo
from zhenwei.tokens import Batch

MakeBatch = Callable[..., Batch]
ROWS = [[2, 6, 7, 8, 3], [2, 9, 3], [2, 3]]
EMOTION = [[0.5, -1.0, 0.25], [0.0, 0.0, 0.0], [-0.5, 1.0, 1.0]]
VOCABULARY = Vocabulary(40, 0, 60, emotion_size=3)


@pytest.fixture
def encoded(tiny_bert: Path, ref: Any) -> list[Any]:
    """Return the output of transformers' BERT for each article without padding: [T, 16] each."""
    whole = BertModel.from_pretrained(tiny_bert).eval()
    with torch.inference_mode():
        return [ref.to_numpy(whole(input_ids=torch.tensor([tokens])).last_hidden_state[0]) for tokens in ROWS]


def build(config: Any) -> DetectorNetwork:
    torch.manual_seed(0)
    return build_network(config, VOCABULARY).eval()


@pytest.mark.parametrize("settings", [{}, {"mlp_dims": [1]}, {"mlp_dims": [8, 4]}, {"finetune_layers": "all"}], ids=str)
def test_bert_equals_a_numpy_reference(
    settings: dict[str, Any], tiny_bert: Path, encoded: list[Any], ref: Any, make_batch: MakeBatch
) -> None:
    network = build(BertConfig(**{"bert_model_name": str(tiny_bert), "mlp_dims": [6], **settings}))
    assert isinstance(network, Bert)
    output = network(make_batch(ROWS))
    for row, states in enumerate(encoded):
        features = ref.attention(network.attention, states)
        assert output.features is not None
        np.testing.assert_allclose(ref.to_numpy(output.features[row]), features, atol=1e-5)
        np.testing.assert_allclose(ref.to_numpy(output.logits[row]), ref.mlp(network.mlp, features)[0], atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"hidden_dim": 3}, {"num_layers": 2, "hidden_dim": 5}], ids=str)
def test_bert_emo_equals_a_numpy_reference(
    settings: dict[str, Any], tiny_bert: Path, encoded: list[Any], ref: Any, make_batch: MakeBatch
) -> None:
    network = build(BertEmoConfig(**{"bert_model_name": str(tiny_bert), "mlp_dims": [6], **settings}))
    assert isinstance(network, BertEmo)
    output = network(make_batch(ROWS, emotion=EMOTION))
    for row, states in enumerate(encoded):
        pooled = ref.attention(network.attention, ref.bigru(network.gru, states))
        assert len(pooled) == 2 * settings.get("hidden_dim", 16)
        features = np.concatenate([pooled, EMOTION[row]])
        assert output.features is not None
        np.testing.assert_allclose(ref.to_numpy(output.features[row]), features, atol=1e-5)
        np.testing.assert_allclose(ref.to_numpy(output.logits[row]), ref.mlp(network.mlp, features)[0], atol=1e-5)


def test_bert_emo_with_embeddings_from_scratch_equals_a_numpy_reference(ref: Any, make_batch: MakeBatch) -> None:
    network = build(BertEmoConfig(use_pretrained_bert=False, emb_dim=4, hidden_dim=3, mlp_dims=[6]))
    assert isinstance(network, BertEmo)
    logits = ref.to_numpy(network(make_batch(ROWS, emotion=EMOTION)).logits)
    for row, tokens in enumerate(ROWS):
        pooled = ref.attention(network.attention, ref.bigru(network.gru, ref.embeddings(network, tokens)))
        np.testing.assert_allclose(
            logits[row], ref.mlp(network.mlp, np.concatenate([pooled, EMOTION[row]]))[0], atol=1e-5
        )


def test_the_logit_depends_on_the_emotion(tiny_bert: Path, make_batch: MakeBatch) -> None:
    network = build(BertEmoConfig(bert_model_name=str(tiny_bert), hidden_dim=3, mlp_dims=[6]))
    one, other = (network(make_batch(ROWS, emotion=vectors)).logits for vectors in (EMOTION, EMOTION[::-1]))
    assert (one != other)[[0, 2]].all()
    assert one[1] == other[1]


@pytest.mark.parametrize("kind", [BertConfig, BertEmoConfig])
def test_published_settings(kind: Any) -> None:
    assert (kind().finetune_layers, kind().mlp_dims, kind().dropout) == (1, [384], 0.2)
