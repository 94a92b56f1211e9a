"""The model card that every bundle carries."""

from typing import TYPE_CHECKING, Any

from zhenwei.config import Config

if TYPE_CHECKING:
    from zhenwei.training.bundle import Bundle


def model_card(bundle: "Bundle") -> str:
    """Return the README.md of a bundle: what it is, what it scored and on how many articles, how to use it."""
    config, facts = bundle.config, bundle.facts
    val: dict[str, Any] = facts.get("val") or {}
    return f"""---
library_name: zhenwei
license: other
tags: [fake-news-detection, {config.model.name}]
---

# A `{config.model.title}` detector of fake news

Trained by zhenwei on {facts.get("n_train", "?")} articles; {_choice(config, facts)}.

## Scores on validation

On {val.get("n", "?")} articles, {val.get("n_fake", "?")} of them fake, before calibration and at a threshold of
0.5.{_flattery(facts)} The future will be harder.

{_score_table(val)}

## Use

```python
from zhenwei import Detector

Detector.load("PATH OF THIS FOLDER").predict(["..."])
```

A text is called fake from a probability of {bundle.threshold:.4g} on. {_calibration(bundle)}

## Limits

The detector knows how the fakes and the real news of its training articles were worded. It does not check facts.
It is a help for people who judge, not a judge.
"""


def _calibration(bundle: "Bundle") -> str:
    """Say how far the probability can be believed."""
    if bundle.calibration is None:
        return "The probability is not calibrated."
    return f"The probability is calibrated: {bundle.calibration.describe()}."


def _choice(config: Config, facts: dict[str, Any]) -> str:
    """Say how the weights were chosen."""
    if facts.get("fitted"):
        return "it was fitted to them in one go"
    return (
        f"the weights are those of epoch {facts.get('epoch', '?')}, the best on {facts.get('n_val', '?')} validation "
        f"articles by `{config.training.monitor}`"
    )


def _flattery(facts: dict[str, Any]) -> str:
    return "" if facts.get("fitted") else " These chose the epoch, so they flatter the detector."


def _score_table(scores: dict[str, Any]) -> str:
    """Lay out scores as a Markdown table."""
    rows = [f"| {name} | {value:.4f} |" for name, value in scores.items() if isinstance(value, float)]
    return "\n".join(["| score | value |", "| --- | --- |", *rows])
