"""The model card of a bundle, rendered from a Jinja template by `huggingface_hub`."""

import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zhenwei
from zhenwei.bundle.card.data import CardFacts, PartScores, facts_from_training, file_name
from zhenwei.bundle.card.signature import sign

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

    from zhenwei.bundle.bundle import Bundle

MIN_CHINESE_SHARE = 0.6  # share of Chinese letters in training articles from which the card's language is Chinese
_TEMPLATE = Path(__file__).with_name("model_card.md.j2")
_LIBRARIES = ("torch", "transformers", "scikit-learn")
_METRICS = {
    "macro_f1": "Macro-F1",
    "auc": "AUC",
    "spauc": "SPAUC: AUC up to a false-positive rate of 0.1",
    "f1_fake": "F1 of fake",
    "f1_real": "F1 of real",
    "precision_fake": "Precision of fake",
    "recall_fake": "Recall of fake",
    "acc": "Accuracy",
    "ece": "ECE (lower is better)",
    "brier": "Brier score (lower is better)",
}
_HUB_METRICS = {"macro_f1": "f1", "auc": "roc_auc", "acc": "accuracy"}  # our names: the hub's names


def model_card(bundle: "Bundle", facts: CardFacts | None = None) -> str:
    """Return the README.md of a bundle, signed as written by zhenwei.

    Args:
        bundle: The detector.
        facts: Results of an evaluation and an audit, for a complete card; None: what the training recorded.
    """
    from huggingface_hub import ModelCard, ModelCardData  # noqa: PLC0415  # training needs it only when it first saves

    complete, facts = facts is not None, facts or facts_from_training(bundle)
    model = bundle.config.model
    chinese = (bundle.facts.get("chinese_share") or 0.0) >= MIN_CHINESE_SHARE
    results = [result for scores in facts.scores if scores.as_deployed for result in _hub_results(scores, facts)]
    metadata: dict[str, Any] = {"language": "zh"} if chinese else {}
    if results:
        metadata |= {"model_name": f"zhenwei {model.title}", "eval_results": results}
    card_data = ModelCardData(
        library_name="zhenwei",
        pipeline_tag="text-classification",
        license="other",
        license_name="unspecified",
        tags=["fake-news-detection", "misinformation", "rumour-detection", model.title],
        metrics=list(_HUB_METRICS.values()),
        **metadata,
    )
    card = ModelCard.from_template(
        card_data,
        template_path=str(_TEMPLATE),
        bundle=bundle,
        config=bundle.config,
        facts=facts,
        train=facts.file("train"),
        chinese=chinese,
        pretrained=None if model.pretrained is None else public_name(model.pretrained),
        metrics=_METRICS,
        known_metrics={name for part in facts.scores for name, value in part.scores.items() if value is not None},
        has_intervals=any(part.has_intervals for part in facts.scores),
        versions=[
            f"zhenwei {zhenwei.__version__}", f"Python {platform.python_version()}",
            *(f"{name} {version(name)}" for name in _LIBRARIES),
        ],
        escape=_escape_markdown,
    )  # fmt: skip
    text = re.sub(r"\n{3,}", "\n\n", str(card)).rstrip() + "\n"  # conditional paragraphs leave blank lines
    return sign(text.encode("utf-8", "replace").decode("utf-8"), complete=complete)


def public_name(pretrained: str) -> str:
    """Return the hub's name of a pretrained model, or the last component of its folder."""
    return pretrained if pretrained.count("/") <= 1 and "\\" not in pretrained else file_name(pretrained)


def _hub_results(scores: PartScores, facts: CardFacts) -> "list[EvalResult]":
    """Return the scores of a part as the hub's `model-index` lists them."""
    from huggingface_hub import EvalResult  # noqa: PLC0415

    file = facts.file(scores.part)
    return [
        EvalResult(
            task_type="text-classification",
            task_name="Fake news detection",
            dataset_type="articles",
            dataset_name=file.name or scores.part,
            dataset_split=scores.part,
            dataset_revision=file.sha256 or None,
            metric_type=hub_name,
            metric_name=_METRICS[metric],
            metric_value=round(value, 4),
        )
        for metric, hub_name in _HUB_METRICS.items()
        if (value := scores.scores.get(metric)) is not None
    ]


def _escape_markdown(text: str) -> str:
    """Keep text of the data from ending a line, a table cell or a code span of Markdown."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return re.sub(r"[\\|<*\[]", r"\\\g<0>", flat.replace("`", " "))
