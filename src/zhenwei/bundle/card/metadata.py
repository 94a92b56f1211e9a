"""The head of a model card, in YAML: by it the hub lists, filters and finds a detector."""

from typing import TYPE_CHECKING, Any

from zhenwei.bundle.card.data import CardFacts, Scored

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

    from zhenwei.bundle.bundle import Bundle

MOSTLY = 0.6  # share of Chinese letters from which on a detector counts as one for Chinese

# Metrics that the hub knows: ours, by the hub's name, and by ours for people.
_METRICS = (("macro_f1", "f1", "Macro-F1"), ("auc", "roc_auc", "AUC"), ("acc", "accuracy", "Accuracy"))


def card_header(bundle: "Bundle", facts: CardFacts) -> str:
    """Return the YAML front matter of a card, between its two lines of dashes.

    Args:
        bundle: The detector.
        facts: What the card tells of data and scores; those of the detector as it is used are listed as its results.
    """
    from huggingface_hub import ModelCardData  # noqa: PLC0415  # a training needs it only when it first saves

    name = bundle.config.model.title
    results = [result for scored in facts.scored if scored.as_used for result in _results(scored, facts)]
    settings: dict[str, Any] = {"language": "zh"} if is_chinese(bundle) else {}
    if results:
        settings |= {"model_name": f"zhenwei {name}", "eval_results": results}
    data = ModelCardData(
        library_name="zhenwei",
        pipeline_tag="text-classification",
        license="other",
        license_name="unspecified",
        tags=["fake-news-detection", "misinformation", "rumour-detection", name],
        metrics=[hub_name for _, hub_name, _ in _METRICS],
        **settings,
    )
    return f"---\n{data.to_yaml()}\n---"


def is_chinese(bundle: "Bundle") -> bool:
    """Tell whether nearly all articles that a detector was trained on are in Chinese, as far as it is known."""
    return (bundle.facts.get("chinese_share") or 0.0) >= MOSTLY


def _results(scored: Scored, facts: CardFacts) -> list["EvalResult"]:
    """Return a part's scores as the hub's `model-index` has them."""
    from huggingface_hub import EvalResult  # noqa: PLC0415

    [file, digest] = next(([part.file, part.sha256] for part in facts.parts if part.part == scored.part), ["", ""])
    return [
        EvalResult(
            task_type="text-classification",
            task_name="Fake news detection",
            dataset_type="articles",
            dataset_name=file or scored.part,
            dataset_split=scored.part,
            dataset_revision=digest or None,
            metric_type=hub_name,
            metric_name=title,
            metric_value=round(value, 4),
        )
        for key, hub_name, title in _METRICS
        if (value := scored.scores.get(key)) is not None
    ]
