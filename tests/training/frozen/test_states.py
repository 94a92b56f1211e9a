"""A training with precomputed frozen layers gives the same results as one without, whatever is stored or missing."""

import logging
import platform
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from zhenwei.bundle.predict_logits import predict_logits
from zhenwei.config import Config
from zhenwei.models import DetectorNetwork, Output, Vocabulary, build_network, network_needs
from zhenwei.models.encoders.encoder import PretrainedEncoder
from zhenwei.news import Article
from zhenwei.tokens import Augmentation, Batch, EncodedArticles, collate, encode_articles, load_pretrained_tokenizer
from zhenwei.training.frozen.cache import FrozenCache
from zhenwei.training.frozen.precompute import precompute_frozen_states
from zhenwei.training.frozen.states import FrozenStates, unchanged
from zhenwei.training.frozen.store import BLOCK_ROWS, CHECKSUMS, STATES
from zhenwei.training.loop import train_steps
from zhenwei.training.optimization import build_optimizer, build_schedule
from zhenwei.training.plan import TrainingPlan
from zhenwei.training.state import TrainState

pytestmark = pytest.mark.slow  # several trainings

MAX_LEN, COUNT = 40, 150
DOMAINS = ("a", "b")
KINDS = {
    "mdfend": {"name": "mdfend", "finetune_layers": 0, "filters": 4},
    "bert": {"name": "bert", "finetune_layers": 1},
    "bert_emo": {"name": "bert_emo", "finetune_layers": 1, "hidden_dim": 4},
    "bert, ENDEF": {"name": "bert", "finetune_layers": 1, "debias": "endef"},
    "mdfend, ENDEF": {"name": "mdfend", "finetune_layers": 0, "filters": 4, "debias": "endef"},
}
GIB = 2**30

MACHINE = platform.node() or "here"


@dataclass
class Subject:
    """A detector on a tiny BERT, 150 posts to train on and 150 to validate on, and a cache folder."""

    config: Config
    train: EncodedArticles
    val: EncodedArticles
    accelerator: Accelerator
    cache: Path
    augmentation: Augmentation | None = None
    pad_id: int = 0

    def network(self) -> DetectorNetwork:
        torch.manual_seed(0)
        vocabulary = Vocabulary(90, self.pad_id, MAX_LEN, domains=DOMAINS, emotion_size=2)
        return build_network(self.config.model, vocabulary)

    def precompute(self, network: DetectorNetwork) -> dict[str, FrozenStates]:
        return precompute_frozen_states(network, self.plan(), self.val, self.accelerator)

    def plan(self, frozen: FrozenStates | None = None) -> TrainingPlan:
        return TrainingPlan(self.train, self.config, self.pad_id, self.augmentation, frozen=frozen)

    def losses(self, *, precompute: bool = True) -> list[float]:
        """Train for two epochs and predict val; return the losses of all steps and the logits."""
        network = self.network()
        frozen = self.precompute(network) if precompute else {}
        plan = self.plan(frozen.get("train"))
        optimizer = build_optimizer(network, self.config.training)
        schedule = build_schedule(optimizer, self.config.training, plan.total_steps)
        state = TrainState(network, optimizer, schedule, self.accelerator)
        torch.manual_seed(1)
        losses = [step.loss for epoch in range(2) for step in train_steps(network, state, plan, epoch)]
        logits = predict_logits(
            network,
            self.val,
            pad_id=self.pad_id,
            accelerator=self.accelerator,
            precision="auto",
            frozen=frozen.get("val"),
        )
        return [*losses, *logits.tolist()]


@pytest.fixture
def make_subject(
    tiny_bert: Path, make_posts: Callable[..., list[dict[str, Any]]],
    make_accelerator: Callable[..., Accelerator], tmp_path: Path,
) -> Callable[..., Subject]:  # fmt: skip
    """A function of a kind of detector, its precision, and settings of its training, that returns a subject."""
    tokenizer = load_pretrained_tokenizer(str(tiny_bert))

    def subject(kind: str, precision: str = "no", aug_prob: float = 0.0, **training: Any) -> Subject:
        model = {**KINDS[kind], "bert_model_name": str(tiny_bert), "mlp_dims": [8], "dropout": 0.2, "emb_dropout": 0.1}
        settings = {"batch_size": 16, "epochs": 2, "frozen_cache_dir": str(tmp_path / "cache"), **training}
        config = Config.load({"model": model, "training": settings})
        parts = []
        for seed in (0, 1):
            rows = [
                Article(**row, domain=DOMAINS[n % 2], entity_list=[row["content"][2:4]], emotion=[n % 3, 1.0])
                for n, row in enumerate(make_posts(COUNT, seed))
            ]
            fields = network_needs(config.model, training=True)
            parts.append(encode_articles(rows, tokenizer, MAX_LEN, fields=fields, domain_names=DOMAINS))
        augmentation = Augmentation(aug_prob, 3, tokenizer.mask_id) if aug_prob else None
        return Subject(
            config, *parts, make_accelerator(precision), tmp_path / "cache" / MACHINE, augmentation, tokenizer.pad_id
        )

    return subject


@contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    """Limit the size of files, to fail like a full disk."""
    previous = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, previous[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, previous)


def empty_stores(folder: Path, every: int = 1) -> None:
    """Mark every n-th block of all stores in a folder as not written."""
    for path in folder.glob(f"*/{CHECKSUMS}"):
        marks = np.fromfile(path, np.uint64)
        marks[::every] = 0
        marks.tofile(path)


class TestSameTraining:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(
        ("precision", "noise"), [("no", 1e-3), pytest.param("bf16", 2e-2, marks=pytest.mark.nightly)]
    )
    def test_losses_and_logits_are_those_without_a_store(
        self, kind: str, precision: str, noise: float, make_subject: Callable[..., Subject]
    ) -> None:
        subject = make_subject(kind, precision)
        assert subject.losses() == pytest.approx(subject.losses(precompute=False), abs=noise)

    @pytest.mark.parametrize("kind", ["mdfend", "bert", "bert, ENDEF"])
    def test_they_are_bit_equal_with_an_empty_a_partial_and_a_full_store(
        self, kind: str, make_subject: Callable[..., Subject]
    ) -> None:
        subject = make_subject(kind, aug_prob=0.1 if "ENDEF" in kind else 0.0)
        cold, warm = subject.losses(), subject.losses()
        assert warm == cold
        empty_stores(subject.cache, every=2)
        assert subject.losses() == cold

    @pytest.mark.parametrize("kind", ["mdfend", "bert"])
    def test_articles_that_do_not_fit_are_computed(
        self, kind: str, make_subject: Callable[..., Subject], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        expected = make_subject(kind).losses(precompute=False)
        block = BLOCK_ROWS * MAX_LEN * 16 * 2
        assert make_subject(kind, frozen_cache_gib=1.2 * block / GIB).losses() == pytest.approx(expected, abs=1e-3)
        assert f"{BLOCK_ROWS} of {COUNT} articles of train are stored" in caplog.text

    def test_runs_with_the_same_encoder_share_a_store(
        self, make_subject: Callable[..., Subject], caplog: pytest.LogCaptureFixture
    ) -> None:
        subject = make_subject("bert")
        subject.losses()
        caplog.set_level(logging.INFO)
        make_subject("bert_emo", lr=1e-4).losses()
        replace(subject, config=Config.load({**subject.config.to_dict(), "seed": 5})).losses()
        assert "computing" not in caplog.text
        assert caplog.text.count("articles of train are stored") == 2

    @pytest.mark.parametrize("changed", ["weights", "precision", "tokens", "layers"])
    def test_runs_with_other_inputs_have_other_stores(
        self, changed: str, make_subject: Callable[..., Subject], caplog: pytest.LogCaptureFixture
    ) -> None:
        first = make_subject("bert")
        first.precompute(first.network())
        caplog.set_level(logging.INFO)
        subject = make_subject("mdfend" if changed == "layers" else "bert", "bf16" if changed == "precision" else "no")
        network = subject.network()
        if changed == "tokens":
            subject.train.tokens.ids[7] += 1
        if changed == "weights":
            with torch.no_grad():
                network.get_parameter("embedding.model.embeddings.LayerNorm.bias")[0] += 0.1
        subject.precompute(network)
        assert "computing 5 of 5 blocks of train" in caplog.text


class TestBatches:
    def test_augmented_articles_are_computed_and_others_are_read(self, make_subject: Callable[..., Subject]) -> None:
        subject = make_subject("bert, ENDEF", aug_prob=0.1)
        states = subject.precompute(subject.network())["train"]
        rows = np.arange(32)
        batch = collate(subject.train, rows, pad_id=subject.pad_id, augmentation=subject.augmentation, epoch=0)
        same = unchanged(subject.train, batch)
        assert 0.1 < same.mean() < 0.9
        attached = states.attach(batch, "cpu")
        assert attached.frozen_states is not None
        computed = states.compute(batch.tokens, batch.mask)
        torch.testing.assert_close(attached.frozen_states[batch.mask], computed[batch.mask], atol=2e-3, rtol=0)
        for row in np.flatnonzero(same):
            stored = torch.from_numpy(states.store.read(rows[row : row + 1])).float()
            assert torch.equal(attached.frozen_states[row][batch.mask[row]], stored)

    def test_an_article_is_unchanged_if_all_its_tokens_are(self, make_subject: Callable[..., Subject]) -> None:
        subject = make_subject("bert")
        batch = collate(subject.train, np.arange(4), pad_id=subject.pad_id)
        batch.tokens[1, 3] += 1  # another word
        longest = int(batch.lengths[2])
        cut = replace(batch, lengths=batch.lengths - torch.tensor([0, 0, 1, 0]))
        cut.mask[2, longest - 1] = False
        assert unchanged(subject.train, cut).tolist() == [True, False, False, True]

    def test_an_article_without_tokens_has_the_states_of_the_encoder(
        self, make_subject: Callable[..., Subject]
    ) -> None:
        subject = make_subject("mdfend")
        offsets = subject.train.tokens.offsets.copy()
        offsets[-1] = offsets[-2]
        tokens = replace(subject.train.tokens, ids=subject.train.tokens.ids[: offsets[-1]], offsets=offsets)
        subject.train = replace(subject.train, tokens=tokens)
        states = subject.precompute(subject.network())["train"]
        batch = states.attach(collate(subject.train, np.array([0, COUNT - 1]), pad_id=subject.pad_id), "cpu")
        assert batch.frozen_states is not None
        expected = states.encoder.eval()(batch.tokens, batch.mask)[1, 0]
        torch.testing.assert_close(batch.frozen_states[1, 0], expected, atol=2e-3, rtol=0)

    def test_frozen_layers_do_not_run_if_all_states_are_stored(self, make_subject: Callable[..., Subject]) -> None:
        subject = make_subject("bert")
        network = subject.network()
        states = subject.precompute(network)["train"]
        encoder = network.token_encoder()
        assert isinstance(encoder, PretrainedEncoder)
        ran: list[str] = []
        for name, part in encoder.model.named_modules():
            part.register_forward_hook(lambda *_, name=name: ran.append(name))
        network(states.attach(collate(subject.train, np.arange(8), pad_id=subject.pad_id), "cpu"))
        assert "encoder.layer.1" in ran
        assert "encoder.layer.0" not in ran
        assert not [name for name in ran if name.startswith("embeddings")]


class TestNotStored:
    def test_if_the_settings_say_so(self, make_subject: Callable[..., Subject]) -> None:
        subject = make_subject("bert", frozen_cache_gib=0.0)
        assert subject.precompute(subject.network()) == {}
        assert not subject.cache.exists()

    def test_training_articles_that_augmentation_changes_each_time(
        self, make_subject: Callable[..., Subject], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        subject = make_subject("bert", aug_prob=0.2)
        assert list(subject.precompute(subject.network())) == ["val"]
        assert "nothing is stored of train: augmentation leaves only 0% of the articles unchanged" in caplog.text

    def test_if_all_layers_train(self, make_subject: Callable[..., Subject], caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        subject = make_subject("bert")
        model = subject.config.model.model_copy(update={"finetune_layers": 2})
        subject.config = subject.config.model_copy(update={"model": model})
        assert subject.precompute(subject.network()) == {}
        assert "the outputs of the encoder's frozen layers are not stored: all of its layers train" in caplog.text

    def test_if_the_network_does_not_read_them(
        self, make_subject: Callable[..., Subject], caplog: pytest.LogCaptureFixture
    ) -> None:
        """Such as one that calls its encoder itself."""
        caplog.set_level(logging.INFO)
        subject = make_subject("mdfend")
        encoder = subject.network().token_encoder()

        class MeanPool(DetectorNetwork):
            def __init__(self) -> None:
                super().__init__()
                self.encoder, self.layer = encoder, nn.Linear(16, 1)

            def forward(self, batch: Batch, progress: float = 1.0) -> Output:
                assert self.encoder is not None
                return Output(self.layer(self.encoder(batch.tokens, batch.mask).mean(dim=1)).squeeze(1))

            def token_encoder(self) -> Any:
                return self.encoder

        assert subject.precompute(MeanPool()) == {}
        assert "the network does not read them" in caplog.text

    def test_numbers_beyond_the_range_of_fp16(
        self, make_subject: Callable[..., Subject], caplog: pytest.LogCaptureFixture
    ) -> None:
        subject = make_subject("mdfend")
        network = subject.network()
        with torch.no_grad():
            network.get_parameter("embedding.model.encoder.layer.1.output.LayerNorm.weight")[0] = 1e6
        states = subject.precompute(network)["train"]
        assert "the encoder's outputs are beyond the range of fp16" in caplog.text
        batch = collate(subject.train, np.arange(4), pad_id=subject.pad_id)
        attached = states.attach(batch, "cpu").frozen_states
        assert attached is not None
        expected = states.encoder.frozen_states(batch.tokens, batch.mask)
        torch.testing.assert_close(attached[batch.mask], expected[batch.mask], rtol=1e-3, atol=1e-3)
        assert float(attached.abs().max()) > 65504


class TestFailures:
    def test_a_folder_that_cannot_be_created_is_logged_and_training_continues(
        self, make_subject: Callable[..., Subject], caplog: pytest.LogCaptureFixture
    ) -> None:
        subject = make_subject("mdfend")
        subject.cache.parent.mkdir()
        subject.cache.write_text("a file")
        assert subject.losses() == subject.losses(precompute=False)
        assert f"nothing is stored of train: '{subject.cache}': File exists" in caplog.text

    def test_a_user_without_a_home_folder(
        self, make_subject: Callable[..., Subject], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        subject = make_subject("mdfend", frozen_cache_dir="~nobody-of-this-name/cache")
        assert subject.losses() == subject.losses(precompute=False)
        assert "nothing is stored" in caplog.text
        assert "set training.frozen_cache_dir or ZHENWEI_CACHE" in caplog.text

    def test_a_disk_that_is_full_from_the_start(
        self, make_subject: Callable[..., Subject], caplog: pytest.LogCaptureFixture
    ) -> None:
        subject = make_subject("mdfend")
        with limited_file_size(5000):
            assert subject.losses() == subject.losses(precompute=False)
        assert "nothing is stored of train" in caplog.text
        assert "File too large" in caplog.text

    def test_a_disk_that_fills_up_while_states_are_written(
        self, make_subject: Callable[..., Subject], caplog: pytest.LogCaptureFixture
    ) -> None:
        subject = make_subject("mdfend")
        expected = subject.losses()
        empty_stores(subject.cache)
        with limited_file_size(100_000):
            assert subject.losses() == pytest.approx(expected, abs=1e-3)
        assert "the other articles of train are computed in each epoch: File too large" in caplog.text
        assert subject.losses() == expected

    def test_damaged_states_are_computed_again(
        self, make_subject: Callable[..., Subject], caplog: pytest.LogCaptureFixture
    ) -> None:
        subject = make_subject("bert")
        expected = subject.losses()
        for path in subject.cache.glob(f"*/{STATES}"):
            numbers = np.fromfile(path, np.float16)
            numbers[100:200] = 0
            numbers.tofile(path)
        assert subject.losses() == expected
        assert caplog.text.count("1 damaged blocks are computed again") == 2

    def test_it_waits_for_another_process_that_fills_the_store(
        self, make_subject: Callable[..., Subject], caplog: pytest.LogCaptureFixture
    ) -> None:
        subject = make_subject("bert")
        subject.precompute(subject.network())
        [*keys] = {path.parent.name for path in subject.cache.glob(f"*/{STATES}")}
        locks = [FrozenCache(subject.cache, GIB).fill_lock(key) for key in keys]

        class Release(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if "waiting for it" in record.getMessage():
                    for lock in locks:
                        lock.release()

        logger = logging.getLogger("zhenwei.training.frozen.precompute")
        logger.addHandler(handler := Release())
        caplog.set_level(logging.INFO)
        for lock in locks:
            lock.acquire()
        try:
            assert subject.precompute(subject.network()).keys() == {"train", "val"}
        finally:
            logger.removeHandler(handler)
        assert caplog.text.count("another process computes the same frozen states: waiting for it") == 1
