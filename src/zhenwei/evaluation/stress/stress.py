"""Apply harmless edits to articles, and measure how a detector's verdicts change."""

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from zhenwei.bundle import Bundle
from zhenwei.errors import DataError
from zhenwei.evaluation.stress.measure import EditMeasure
from zhenwei.evaluation.stress.pairs import TextPair, read_pairs
from zhenwei.evaluation.stress.predictions import StressPredictor
from zhenwei.evaluation.stress.records import EditResult, PairsResult, StressResult
from zhenwei.news import Article, read_articles
from zhenwei.news.edits import EDITS, check_family, edit_text

logger = logging.getLogger(__name__)

EXAMPLES = 6  # of each family
ROUNDS = 300  # of the bootstrap: enough for a standard deviation


def stress(
    bundle: Bundle,
    articles: Sequence[Article],
    families: Iterable[str] = (),
    seed: int = 0,
    *,
    run: str = "",
    file: str | None = None,
    device: str = "auto",
    always: bool = False,
    rounds: int = ROUNDS,
    examples: int = EXAMPLES,
) -> StressResult:
    """Apply each family of edits to every article, and compare the verdicts with those on the unedited articles.

    Args:
        bundle: The detector; its network is moved to the device.
        articles: Labelled articles; an article without a label counts in neither share nor score.
        families: Names of `zhenwei.news.edits.EDITS`; none: all of them.
        seed: Seed of the edits, and of the bootstrap.
        run: Name of the detector, for the record.
        file: Name of the articles' file, for the record.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        always: Whether every article gets a verdict. Without it, `unsure` is not called fake: a fake counts as
            missed, a real one not as a false alarm.
        rounds: Number of bootstrap resamples of the paired differences; 0 skips their intervals.
        examples: Maximum number of examples per family.

    Raises:
        CheckpointError: If a logit is not finite.
        ConfigError: If a family or the device is unknown.
        DataError: If an article lacks a field that the detector needs.
    """
    names = list(dict.fromkeys(families)) or list(EDITS)
    for name in names:
        check_family(name)
    predictor = StressPredictor(bundle, bundle.to(device), always=always)
    before = predictor.predict(articles)
    measure = EditMeasure(articles, before, rounds, examples, seed)
    results: list[EditResult] = []
    for number, name in enumerate(names, start=1):
        texts = edited_texts(name, articles, seed)
        after = predictor.predict_edited(articles, texts, before)
        result = measure.measure(name, EDITS[name].description, texts, after)
        results.append(result)
        logger.info(
            "%d of %d: %s: %d of %d texts edited, %d verdicts changed",
            *(number, len(names), name, result.n_changed, len(articles), result.to_fake + result.to_real),
        )
    return StressResult(run, file, seed, len(articles), measure.unedited, tuple(results))


def stress_pairs(
    bundle: Bundle,
    pairs: Sequence[TextPair],
    *,
    file: str = "",
    seed: int = 0,
    device: str = "auto",
    always: bool = False,
    rounds: int = ROUNDS,
    examples: int = EXAMPLES,
) -> PairsResult:
    """Compare the verdicts on a user's edited texts with those on the unedited ones; see `stress`."""
    predictor = StressPredictor(bundle, bundle.to(device), always=always)
    articles, texts = [pair.article for pair in pairs], [pair.edited for pair in pairs]
    before = predictor.predict(articles)
    after = predictor.predict_edited(articles, texts, before)
    measure = EditMeasure(articles, before, rounds, examples, seed)
    return PairsResult(
        file, len(pairs), measure.unedited, measure.measure("pairs", f"the edits of {Path(file).name}", texts, after)
    )


def stress_files(
    bundle: Bundle,
    path: str | os.PathLike[str] | None,
    *,
    families: Iterable[str] = (),
    pairs: str | os.PathLike[str] | None = None,
    seed: int = 0,
    run: str = "",
    device: str = "auto",
    always: bool = False,
    rounds: int = ROUNDS,
) -> StressResult:
    """Stress a detector with a file of labelled articles, with a file of a user's own edits, or with both.

    Args:
        bundle: The detector.
        path: The file of labelled articles; None: pairs alone.
        families: Names of families; none: all of them.
        pairs: A file of pairs; see `read_pairs`.
        seed: Seed of the edits.
        run: Name of the detector, for the record.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        always: See `stress`.
        rounds: Number of bootstrap resamples.

    Raises:
        ConfigError: If a family or the device is unknown.
        DataError: If there is neither file, or a file is missing or has invalid rows.
    """
    names = list(families)
    for name in names:
        check_family(name)
    if path is None and pairs is None:
        raise DataError("expected FILE with labelled articles, or --pairs FILE")
    text_pairs = None if pairs is None else read_pairs(pairs)  # both files are checked before the work
    articles = [] if path is None else read_articles(path, require_label=True)
    own = None
    if text_pairs is not None:
        own = stress_pairs(bundle, text_pairs, file=str(pairs), seed=seed, device=device, always=always, rounds=rounds)
    if path is None:
        return StressResult(run, None, seed, 0, dict.fromkeys(("macro_f1", "auc")), (), own)
    result = stress(bundle, articles, names, seed, run=run, file=str(path), device=device, always=always, rounds=rounds)
    return result if own is None else replace(result, pairs=own)


def edited_texts(name: str, articles: Sequence[Article], seed: int) -> list[str]:
    """Return the texts of articles after the edit of a family; an article's key is its id, or else its text."""
    return [
        edit_text(name, article.content, seed=seed, key=article.content if article.id is None else article.id)
        for article in articles
    ]
