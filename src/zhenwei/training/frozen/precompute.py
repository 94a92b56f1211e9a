"""Precomputing the output of an encoder's frozen layers once per article, before the first epoch."""

import hashlib
import json
import logging
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from filelock import FileLock, Timeout

from zhenwei.atomic import reason_of
from zhenwei.bundle.device import local_processes
from zhenwei.caches import cache_folder
from zhenwei.errors import TrainingError
from zhenwei.models import DetectorNetwork
from zhenwei.models.dropout import evaluation_mode
from zhenwei.models.encoders.encoder import PretrainedEncoder
from zhenwei.tokens import EncodedArticles, collate
from zhenwei.training.accelerator import on_all_ranks
from zhenwei.training.frozen.cache import FrozenCache
from zhenwei.training.frozen.states import FrozenStates, unchanged_share
from zhenwei.training.frozen.store import FrozenStore
from zhenwei.training.plan import TrainingPlan

logger = logging.getLogger(__name__)

MIN_UNCHANGED = 0.1  # if augmentation leaves a smaller share of articles unchanged, storing them saves nothing
_PROGRESS_SECONDS = 60.0
_LOCK_TIMEOUT = 300  # seconds; accelerate's processes wait at most ten minutes for each other


def precompute_frozen_states(
    network: DetectorNetwork, plan: TrainingPlan, val: EncodedArticles, accelerator: Accelerator
) -> dict[str, FrozenStates]:
    """Compute and store the output of a network's frozen encoder layers for train and val, unless it is stored.

    Every process must call it. A failure is logged, not raised: training then computes what is not stored.

    Args:
        network: On the accelerator's device; not changed.
        plan: The training articles.
        val: The articles that are validated on after each epoch.
        accelerator: Device, precision and processes.

    Returns:
        The states by part, `train` and `val`, without parts that cannot or need not be stored.
    """
    training = plan.config.training
    encoder = network.token_encoder()
    limit = int(training.frozen_cache_gib * 2**30)
    if not isinstance(encoder, PretrainedEncoder) or encoder.finetune_layers == "all" or limit == 0:
        return {}
    problem = encoder.split()
    if problem is None and not _reads_frozen_states(network, plan):
        problem = "the network does not read them"
    if problem is not None:
        logger.info("the outputs of the encoder's frozen layers are not stored: %s", problem)
        return {}
    try:
        path = Path(training.frozen_cache_dir).expanduser() if training.frozen_cache_dir else cache_folder("frozen")
    except RuntimeError as error:  # a user without a home folder, as in some containers
        logger.warning("frozen layers: nothing is stored: %s set training.frozen_cache_dir or ZHENWEI_CACHE", error)
        return {}
    path = path / (platform.node() or "here")  # machines that share a disk must not remove files that others have open
    parts = {"train": plan.articles, "val": val} if _enough_unchanged(plan) else {"val": val}
    return _Precomputation(encoder, path, limit, plan.pad_id, accelerator).run(parts)


@dataclass(frozen=True)
class _Precomputation:
    """Fills stores; each process of this machine computes a share of the blocks."""

    encoder: PretrainedEncoder
    path: Path
    limit: int
    pad_id: int
    accelerator: Accelerator

    def run(self, parts: Mapping[str, EncodedArticles]) -> dict[str, FrozenStates]:
        weights = weights_digest(self.encoder)
        keys = {part: self._key(weights, articles) for part, articles in parts.items()}
        states = {
            part: self._run_part(part, articles, keys[part], [*keys.values()])
            for part, articles in sorted(parts.items(), key=lambda item: len(item[1]))  # the small part always fits
        }
        return {part: stored for part, stored in states.items() if stored is not None}

    def _run_part(self, part: str, articles: EncodedArticles, key: str, keys: list[str]) -> FrozenStates | None:
        """Open or create the store of one part, and compute what is missing."""
        main, problem = self.accelerator.is_local_main_process, None
        with ExitStack() as locks:
            try:  # the main process of a machine creates the store, then the others open it
                created = on_all_ranks(
                    self.accelerator, lambda: self._create(articles, key, keys, locks) if main else None
                )
                store = on_all_ranks(self.accelerator, lambda: created or self._open(articles, key))
            except TrainingError as error:
                logger.warning("frozen layers: nothing is stored of %s: %s", part, error)
                return None
            states = FrozenStates(self.encoder, articles, self.pad_id, self.accelerator.autocast, store)
            try:
                on_all_ranks(self.accelerator, lambda: self._fill(part, states))
            except TrainingError as error:
                problem = error
        store.refresh()
        n_stored = int(store.contains(np.arange(len(articles))).sum())
        logger.info(
            "frozen layers: %d of %d articles of %s are stored in '%s' (%.2f GiB)",
            n_stored, len(articles), part, store.folder, store.layout.n_bytes / 2**30,
        )  # fmt: skip
        if problem is not None:
            logger.warning("frozen layers: the other articles of %s are computed in each epoch: %s", part, problem)
        return states

    def _create(self, articles: EncodedArticles, key: str, keys: list[str], locks: ExitStack) -> FrozenStore:
        """Create or open a store, lock and check it."""
        with _translate_errors(self.path):
            cache = FrozenCache(self.path, self.limit)
            locks.enter_context(_acquire(cache.fill_lock(key), alone=self.accelerator.num_processes == 1))
            store = cache.store(key, articles.lengths, self.encoder.features, keys)
            if store is None:
                raise TrainingError(f"there is no space left in '{self.path}'")
            if damaged := store.check():
                logger.warning("'%s': %d damaged blocks are computed again", store.folder, damaged)
            return store

    def _open(self, articles: EncodedArticles, key: str) -> FrozenStore:
        """Open the store that another process has just created."""
        with _translate_errors(self.path):
            layout = FrozenCache(self.path, self.limit).layout(key, articles.lengths, self.encoder.features)
            if layout is None:
                raise TrainingError(f"not every process sees '{self.path / key}'")
            return FrozenStore(self.path / key, layout)

    def _fill(self, part: str, states: FrozenStates) -> None:
        """Compute and write this process's share of the missing blocks."""
        store = states.store
        missing = store.missing()
        self.accelerator.wait_for_everyone()  # no process writes before all have seen what is missing
        share = missing[self.accelerator.local_process_index :: local_processes(self.accelerator.num_processes)]
        if missing:
            logger.info("frozen layers: computing %d of %d blocks of %s", len(missing), store.layout.n_blocks, part)
        last_logged = time.monotonic()
        for done, block in enumerate(share):
            if time.monotonic() - last_logged > _PROGRESS_SECONDS:
                last_logged = time.monotonic()
                logger.info("frozen layers: %d%% of %s", 100 * done // len(share), part)
            values = states.compute_block(store.layout.blocks[block])
            if not np.isfinite(values).all():
                raise TrainingError("the encoder's outputs are beyond the range of fp16")
            try:
                store.write(block, values)
            except OSError as error:
                raise TrainingError(reason_of(error)) from None

    def _key(self, weights: str, articles: EncodedArticles) -> str:
        """Return the key of a store: a digest of everything that its numbers depend on, to their last bit."""
        device = self.accelerator.device
        inputs = {
            "weights": weights,
            "tokens": tokens_digest(articles),
            "pad": self.pad_id,
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            "precision": self.accelerator.mixed_precision,
            "threads": torch.get_num_threads() if device.type == "cpu" else None,
            "torch": torch.__version__,
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:32]


def weights_digest(encoder: PretrainedEncoder) -> str:
    """Return the SHA-256, in hex, of an encoder's frozen weights, its configuration and how many layers train."""
    about = [type(encoder.model).__name__, encoder.encoder, encoder.finetune_layers]
    digest = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode())
    for name, weight in encoder.model.named_parameters():
        if not weight.requires_grad:
            digest.update(f"{name} {weight.dtype} {tuple(weight.shape)};".encode())
            digest.update(weight.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def tokens_digest(articles: EncodedArticles) -> str:
    """Return the SHA-256 of the articles' tokens, in hex; labels and domains do not change an encoder's output."""
    digest = hashlib.sha256(np.ascontiguousarray(articles.tokens.offsets).data)
    digest.update(np.ascontiguousarray(articles.tokens.ids).data)
    return digest.hexdigest()


def _enough_unchanged(plan: TrainingPlan) -> bool:
    """Return whether augmentation leaves enough training articles unchanged; others are computed each time."""
    if plan.augmentation is None:
        return True
    share = unchanged_share(
        plan.articles, lambda rows: collate(plan.articles, rows, pad_id=plan.pad_id, augmentation=plan.augmentation)
    )
    if share < MIN_UNCHANGED:
        logger.info(
            "frozen layers: nothing is stored of train: augmentation leaves only %.0f%% of the articles unchanged",
            100 * share,
        )
    return share >= MIN_UNCHANGED


@torch.no_grad()
def _reads_frozen_states(network: DetectorNetwork, plan: TrainingPlan) -> bool:
    """Return whether a network reads the frozen states of a batch: NaN states must give NaN logits."""
    shortest = np.argsort(plan.articles.lengths, kind="stable")[:2]
    batch = collate(plan.articles, shortest, pad_id=plan.pad_id)
    encoder = network.token_encoder()
    assert encoder is not None
    states = torch.full((*batch.tokens.shape, encoder.features), torch.nan)
    device = next(network.parameters()).device
    with evaluation_mode(network):
        logits = network(replace(batch, frozen_states=states).to(device)).logits
    return bool(logits.isnan().any())


def _acquire(lock: FileLock, alone: bool) -> Any:
    """Acquire a lock, and log a wait; with several processes, wait only for `_LOCK_TIMEOUT`.

    Raises:
        Timeout: An OSError, after `_LOCK_TIMEOUT` seconds.
    """
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        logger.info("another process computes the same frozen states: waiting for it")
        return lock.acquire(timeout=-1 if alone else _LOCK_TIMEOUT)


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Raise a TrainingError that says why the stores in a folder cannot be used."""
    try:
        yield
    except Timeout:
        raise TrainingError(f"another process has been filling '{path}' for {_LOCK_TIMEOUT} seconds") from None
    except OSError as error:
        raise TrainingError(f"'{error.filename or path}': {reason_of(error)}") from None
    except NotImplementedError as error:  # a file system without locks
        raise TrainingError(f"'{path}': {error}") from None
