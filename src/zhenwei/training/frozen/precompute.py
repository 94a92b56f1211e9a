"""Computing the output of an encoder's frozen layers once per article, before the first epoch, and keeping it."""

import hashlib
import json
import logging
import platform
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from filelock import FileLock, Timeout

from zhenwei.atomic import reason_of
from zhenwei.bundle.device import processes_here
from zhenwei.caches import cache_folder
from zhenwei.models import DetectorNetwork
from zhenwei.models.encoders.encoder import PretrainedEncoder
from zhenwei.tokens import EncodedArticles, collate
from zhenwei.training.frozen.cache import FrozenCache
from zhenwei.training.frozen.states import FrozenStates, unchanged_share
from zhenwei.training.frozen.store import FrozenStore
from zhenwei.training.loop import TrainingPlan

logger = logging.getLogger(__name__)

LEAST_UNCHANGED = 0.1  # where augmentation leaves fewer articles than this as they are, nothing is gained by keeping
_QUIET_SECONDS = 60.0
_PATIENCE = 300  # seconds; processes that wait for each other are given up after ten minutes
T = TypeVar("T")


def precompute_frozen_states(
    network: DetectorNetwork, course: TrainingPlan, val: EncodedArticles, accelerator: Accelerator
) -> dict[str, FrozenStates]:
    """Compute what is frozen in a network's encoder for all articles of train and val, unless it is kept already.

    Every process must call it. What keeps it from being done is logged, and is no error: training then computes what it
    does not find.

    Args:
        network: To be trained, on the accelerator's device; not changed.
        course: What it is trained on.
        val: What it is judged on after each epoch.
        accelerator: Device, precision and processes.

    Returns:
        The states by part, `train` and `val`; a part of which nothing can be kept, or should be, is left out.
    """
    training = course.config.training
    encoder = network.token_encoder()
    bound = int(training.frozen_cache_gib * 2**30)
    if not isinstance(encoder, PretrainedEncoder) or encoder.finetune_layers == "all" or bound == 0:
        return {}
    problem = encoder.cut()
    if problem is None and not _reads_frozen_states(network, course):
        problem = "the network does not read them"
    if problem is not None:
        logger.info("the outputs of the encoder's frozen layers are not kept: %s", problem)
        return {}
    try:
        path = Path(training.frozen_cache_dir).expanduser() if training.frozen_cache_dir else cache_folder("frozen")
    except RuntimeError as error:  # a user without a home, as in some containers
        logger.warning("frozen layers: nothing is kept: %s set training.frozen_cache_dir or ZHENWEI_CACHE", error)
        return {}
    path = path / (platform.node() or "here")  # machines that share a disk must not remove what others have mapped
    keeper = _Keeper(encoder, path, bound, course.pad_id, accelerator)
    parts = {"val": val}
    if _worth_keeping(course):
        parts = {"train": course.articles, "val": val}
    return keeper.keep(parts)


@dataclass(frozen=True)
class _Keeper:
    """Fills stores, each process of this machine a share of the blocks."""

    encoder: PretrainedEncoder
    path: Path
    bound: int
    pad_id: int
    accelerator: Accelerator

    def keep(self, parts: Mapping[str, EncodedArticles]) -> dict[str, FrozenStates]:
        weights = weights_digest(self.encoder)
        keys = {part: self._key(weights, articles) for part, articles in parts.items()}
        kept = {}
        for part, articles in sorted(parts.items(), key=lambda item: len(item[1])):  # the small part surely has room
            states = self._keep_part(part, articles, keys[part], [*keys.values()])
            if states is not None:
                kept[part] = states
        return kept

    def _keep_part(self, part: str, articles: EncodedArticles, key: str, keys: list[str]) -> FrozenStates | None:
        """Open or make the store of one part, and compute what is not there."""
        with ExitStack() as held:
            store: FrozenStore | None = None
            problem = None
            if self.accelerator.is_local_main_process:
                store, problem = self._made(articles, key, keys, held)
            problem = _first(_from_all(self.accelerator, problem))
            if problem is None and store is None:  # the main process of this machine has made it
                store, problem = self._opened(articles, key)
            problem = _first(_from_all(self.accelerator, problem))
            if problem is not None or store is None:
                logger.warning("frozen layers: nothing is kept of %s: %s", part, problem)
                return None
            states = FrozenStates(self.encoder, articles, self.pad_id, self.accelerator.autocast, store)
            problem = _first(_from_all(self.accelerator, self._fill(part, states)))
        store.refresh()
        there = int(store.holds(np.arange(len(articles))).sum())
        logger.info(
            "frozen layers: %d of %d articles of %s are kept in '%s' (%.2f GiB)",
            there, len(articles), part, store.folder, store.layout.n_bytes / 2**30,
        )  # fmt: skip
        if problem is not None:
            logger.warning("frozen layers: what is not kept of %s is computed in each epoch: %s", part, problem)
        return states

    def _made(
        self, articles: EncodedArticles, key: str, keys: list[str], held: ExitStack
    ) -> tuple[FrozenStore | None, str | None]:
        """Make or open a store and check it, keeping others from filling it; or say why that cannot be."""
        try:
            folder = FrozenCache(self.path, self.bound)
            held.enter_context(_acquired(folder.filling(key), alone=self.accelerator.num_processes == 1))
            store = folder.store(key, articles.lengths, self.encoder.features, keys)
            if store is None:
                return None, f"there is no room in '{self.path}'"
            if damaged := store.check():
                logger.warning("'%s': %d damaged blocks are computed again", store.folder, damaged)
            return store, None
        except (OSError, NotImplementedError) as error:  # the latter where a file system has no locks
            return None, _told(error, self.path)

    def _opened(self, articles: EncodedArticles, key: str) -> tuple[FrozenStore | None, str | None]:
        """Open the store that another process has made just now; or say why that cannot be."""
        try:
            layout = FrozenCache(self.path, self.bound).layout(key, articles.lengths, self.encoder.features)
            if layout is None:
                return None, f"'{self.path / key}' is not seen by every process"
            return FrozenStore(self.path / key, layout), None
        except (OSError, NotImplementedError) as error:  # the latter where a file system has no locks
            return None, _told(error, self.path)

    def _fill(self, part: str, states: FrozenStates) -> str | None:
        """Compute and write this process's share of the blocks that are missing; or say why not all of them."""
        store = states.store
        missing = store.missing()
        _from_all(self.accelerator, None)  # nobody writes before everybody has seen what is missing
        share = missing[self.accelerator.local_process_index :: processes_here(self.accelerator.num_processes)]
        if missing:
            logger.info("frozen layers: computing %d of %d blocks of %s", len(missing), store.layout.n_blocks, part)
        told = time.monotonic()
        for done, block in enumerate(share):
            if time.monotonic() - told > _QUIET_SECONDS:
                told = time.monotonic()
                logger.info("frozen layers: %d%% of %s", 100 * done // len(share), part)
            found = states.block(store.layout.blocks[block])
            if not np.isfinite(found).all():
                return "the encoder gives numbers that fp16 does not hold"
            try:
                store.write(block, found)
            except OSError as error:
                return reason_of(error)
        return None

    def _key(self, weights: str, articles: EncodedArticles) -> str:
        """Return the key of a store: everything that its numbers follow from, to their last bit."""
        device = self.accelerator.device
        computed = {
            "weights": weights,
            "tokens": tokens_digest(articles),
            "pad": self.pad_id,
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            "precision": self.accelerator.mixed_precision,
            "threads": torch.get_num_threads() if device.type == "cpu" else None,
            "torch": torch.__version__,
        }
        return hashlib.sha256(json.dumps(computed, sort_keys=True).encode()).hexdigest()[:32]


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
    """Return the SHA-256 of the articles' tokens, in hex: neither labels nor domains change what an encoder makes."""
    digest = hashlib.sha256(np.ascontiguousarray(articles.tokens.offsets).data)
    digest.update(np.ascontiguousarray(articles.tokens.ids).data)
    return digest.hexdigest()


def _worth_keeping(course: TrainingPlan) -> bool:
    """Tell whether enough training articles come as they are; what augmentation changes is computed each time."""
    if course.augmentation is None:
        return True
    share = unchanged_share(
        course.articles,
        lambda rows: collate(course.articles, rows, pad_id=course.pad_id, augmentation=course.augmentation),
    )
    if share < LEAST_UNCHANGED:
        logger.info(
            "frozen layers: nothing is kept of train: augmentation leaves %.0f%% of the articles as they are",
            100 * share,
        )
    return share >= LEAST_UNCHANGED


@torch.no_grad()
def _reads_frozen_states(network: DetectorNetwork, course: TrainingPlan) -> bool:
    """Tell whether a network looks at the frozen states that a batch brings: it cannot make numbers of NaN."""
    shortest = np.argsort(course.articles.lengths, kind="stable")[:2]
    batch = collate(course.articles, shortest, pad_id=course.pad_id)
    encoder = network.token_encoder()
    assert encoder is not None
    nothing = torch.full((*batch.tokens.shape, encoder.features), torch.nan)
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    try:
        logits = network(replace(batch, frozen_states=nothing).to(device)).logits
    finally:
        network.train(training)
    return bool(logits.isnan().any())


def _acquired(lock: FileLock, alone: bool) -> Any:
    """Take a lock, and say so where that takes long; where other processes wait for this one, not for ever.

    Raises:
        Timeout: An OSError: it is held for too long.
    """
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        logger.info("another process computes the same frozen states: waiting for it")
        return lock.acquire(timeout=-1 if alone else _PATIENCE)


def _told(error: OSError | NotImplementedError, path: Path) -> str:
    """Say what the system refused."""
    if isinstance(error, Timeout):
        return f"another process has been filling '{path}' for {_PATIENCE} seconds"
    return f"'{error.filename or path}': {reason_of(error)}" if isinstance(error, OSError) else f"'{path}': {error}"


def _from_all(accelerator: Accelerator, value: T) -> list[T]:
    """Return every process's value."""
    return list(gather_object([value])) if accelerator.num_processes > 1 else [value]


def _first(problems: list[str | None]) -> str | None:
    return next((problem for problem in problems if problem is not None), None)
