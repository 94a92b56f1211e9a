"""What every detector promises, whatever its network: one suite over the whole registry.

A detector of the registry is tested as soon as it is there: it is built at its defaults, made small.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from zhenwei.config import Config, detector_names
from zhenwei.models import DetectorNetwork, Vocabulary, build_network
from zhenwei.news import Article
from zhenwei.tokens import Batch, EncodedArticles, collate, encode_articles, load_pretrained_tokenizer
from zhenwei.training import Bundle, load_bundle, save_bundle
from zhenwei.training.loop import training_loss

MAX_LEN = 40
SMALL = {"emb_dim": 16, "hidden_dim": 8, "mlp_dims": [16], "dropout": 0.1}


def starts(detector: str) -> tuple[str, ...]:
    """Say from which embeddings a detector may start."""
    fields = type(Config.load({"model": {"name": detector}}).model).model_fields
    return ("from scratch", "frozen BERT", "finetuned BERT") if "use_pretrained_bert" in fields else ("from scratch",)


CASES = [(detector, start) for detector in detector_names() for start in starts(detector)]


@dataclass
class Subject:
    """A detector under test, and 32 posts for it."""

    config: Config
    bundle: Bundle
    encoded: EncodedArticles

    @property
    def network(self) -> DetectorNetwork:
        return self.bundle.network

    def batch(self, *rows: int, width: int = 0) -> Batch:
        chosen = np.array(rows or range(len(self.encoded)), np.int64)
        return collate(self.encoded, chosen, pad_id=self.bundle.tokenizer.pad_id, widths=[width] if width else None)

    def logits(self, batch: Batch) -> Tensor:
        with torch.inference_mode():
            logits: Tensor = self.network.eval()(batch).logits
        return logits

    def rebuilt(self) -> DetectorNetwork:
        torch.manual_seed(self.config.seed)
        tokenizer = self.bundle.tokenizer
        return build_network(self.config.model, Vocabulary(tokenizer.vocab_size, tokenizer.pad_id, MAX_LEN))


@pytest.fixture(params=CASES, ids=" ".join)
def subject(
    request: pytest.FixtureRequest, tiny_bert: Path, make_posts: Callable[..., list[dict[str, Any]]]
) -> Subject:
    name, start = request.param
    model: dict[str, Any] = {"name": name}
    fields = type(Config.load({"model": model}).model).model_fields
    model |= {key: value for key, value in SMALL.items() if key in fields}
    if start != "from scratch":
        model |= {"use_pretrained_bert": True, "bert_model_name": str(tiny_bert)}
        model["finetune_bert"] = start.startswith("finetuned")
    config = Config.load({"model": model, "data": {"max_len": MAX_LEN}, "seed": 3})
    tokenizer = load_pretrained_tokenizer(str(tiny_bert))
    torch.manual_seed(config.seed)
    network = build_network(config.model, Vocabulary(tokenizer.vocab_size, tokenizer.pad_id, MAX_LEN))
    articles = [Article(**row, domain="健康", entity_list=["云溪"], emotion=[0.1, 0.2, 0.3]) for row in make_posts(30)]
    articles += [Article(content="。", label="real", entity_list=[], emotion=[0, 0, 0])]
    articles += [Article(content="大蒜" * 100, label="fake", entity_list=["大蒜"], emotion=[1, 1, 1])]
    encoded = encode_articles(articles, tokenizer, MAX_LEN, fields=network.needs, domain_names=["健康"])
    return Subject(config, Bundle(config, tokenizer, network), encoded)


SHORTEST, LONGEST = 30, 31


class TestTraining:
    @pytest.mark.parametrize("progress", [0.0, 1.0])
    def test_the_loss_and_all_gradients_are_finite(self, subject: Subject, progress: float) -> None:
        batch = subject.batch()
        loss = training_loss(subject.network.train()(batch, progress), batch, len(batch), len(batch))
        loss.backward()
        assert torch.isfinite(loss)
        for name, weight in subject.network.named_parameters():
            if weight.requires_grad:
                assert weight.grad is not None, name
                assert torch.isfinite(weight.grad).all(), name
            else:
                assert weight.grad is None, name

    def test_it_learns_32_posts_by_heart(self, subject: Subject) -> None:
        torch.manual_seed(0)
        batch, network = subject.batch(), subject.network
        trained = [weight for weight in network.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=0.02)
        for step in range(40):
            loss = training_loss(network.train()(batch, step / 40), batch, len(batch), len(batch))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        assert batch.labels is not None
        assert ((subject.logits(batch) > 0) == batch.labels.bool()).float().mean() == 1.0

    def test_the_same_seed_gives_the_same_weights(self, subject: Subject) -> None:
        one, two = subject.rebuilt().state_dict(), subject.rebuilt().state_dict()
        assert all(torch.equal(one[name], two[name]) for name in one)

    def test_the_same_seed_gives_the_same_losses(self, subject: Subject) -> None:
        batch, losses = subject.batch(), []
        for _ in range(2):
            torch.manual_seed(1)
            losses.append(training_loss(subject.network.train()(batch, 0.5), batch, len(batch), len(batch)))
        assert torch.equal(*losses)


class TestPrediction:
    def test_logits_are_one_finite_number_per_article(self, subject: Subject) -> None:
        logits = subject.logits(subject.batch())
        assert logits.shape == (32,)
        assert torch.isfinite(logits).all()

    def test_padding_makes_no_difference(self, subject: Subject) -> None:
        narrow, wide = (subject.logits(subject.batch(0, 1, SHORTEST, width=width)) for width in (0, 60))
        torch.testing.assert_close(wide, narrow, atol=1e-5, rtol=0)

    def test_neighbours_make_no_difference(self, subject: Subject) -> None:
        together = subject.logits(subject.batch())
        alone = torch.cat([subject.logits(subject.batch(row)) for row in range(32)])
        torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)

    def test_order_makes_no_difference(self, subject: Subject) -> None:
        onward, reverse = subject.batch(), subject.batch(*reversed(range(32)))
        torch.testing.assert_close(subject.logits(reverse).flip(0), subject.logits(onward), atol=1e-5, rtol=0)

    def test_labels_make_no_difference(self, subject: Subject) -> None:
        batch = subject.batch()
        assert torch.equal(subject.logits(replace(batch, labels=None)), subject.logits(batch))

    @pytest.mark.parametrize("row", [SHORTEST, LONGEST])
    def test_the_shortest_and_the_longest_text_alone(self, subject: Subject, row: int) -> None:
        assert torch.isfinite(subject.logits(subject.batch(row))).all()

    def test_attention_is_a_share_of_each_real_token(self, subject: Subject) -> None:
        batch = subject.batch()
        attention = subject.network.eval()(batch).attention
        if attention is not None:
            assert attention.shape == batch.mask.shape
            assert (attention[~batch.mask] == 0).all()
            torch.testing.assert_close(attention.sum(dim=1), torch.ones(32))


class TestBundle:
    def test_it_judges_as_before_it_was_saved(self, subject: Subject, tmp_path: Path) -> None:
        expected = subject.logits(subject.batch())
        save_bundle(subject.bundle, tmp_path / "bundle")
        subject.bundle = load_bundle(tmp_path / "bundle")
        assert not subject.network.training
        assert torch.equal(subject.logits(subject.batch()), expected)

    def test_its_files_are_no_pickles(self, subject: Subject, tmp_path: Path) -> None:
        save_bundle(subject.bundle, tmp_path / "bundle")
        suffixes = {path.suffix for path in (tmp_path / "bundle").iterdir()}
        assert suffixes == {".json", ".safetensors", ".md"}
