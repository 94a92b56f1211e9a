"""The model card that every bundle carries: after Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019).

One wording for all cards: what nobody knows yet when a training saves its bundle, the card says that it does not know.
"""

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

import zhenwei
from zhenwei.bundle.card.citations import papers
from zhenwei.bundle.card.data import CardFacts, facts_of_training, file_name
from zhenwei.bundle.card.metadata import card_header, is_chinese
from zhenwei.bundle.card.tables import audit_section, counted, data_section, scores_section

if TYPE_CHECKING:
    from zhenwei.bundle.bundle import Bundle

_LIBRARIES = ("torch", "transformers", "scikit-learn")


def model_card(bundle: "Bundle", facts: CardFacts | None = None) -> str:
    """Return the README.md of a bundle.

    Args:
        bundle: The detector.
        facts: What a later judging found out; None: what the training itself knows.
    """
    facts = facts or facts_of_training(bundle)
    sections = (
        card_header(bundle, facts),
        f"# A `{bundle.config.model.title}` detector of fake news",
        _what_it_is(bundle),
        "## Intended use",
        _intended_use(bundle),
        "## How to use it",
        _how_to_use(bundle),
        "## Training data",
        data_section(facts, bundle.facts.get("chinese_share")),
        scores_section(facts),
        "## Threshold and calibration",
        _threshold(bundle),
        "## Audit of the data",
        audit_section(facts),
        "## Limits",
        _limits(bundle, facts),
        "## Licence",
        _LICENCE,
        "## Citation",
        _citation(bundle),
        "## Versions",
        _versions(),
    )
    return "\n\n".join(sections) + "\n"


def _what_it_is(bundle: "Bundle") -> str:
    config, facts = bundle.config, bundle.facts
    language = "Chinese " if is_chinese(bundle) else ""
    started = "" if config.model.pretrained is None else f" It started from `{file_or_name(config.model.pretrained)}`."
    return (
        f"It reads a {language}post or news article and gives the probability that it is fake, from its wording. "
        f"Trained by zhenwei on {counted(facts.get('n_train'))} articles; {_choice(bundle)}.{started}"
    )


def _choice(bundle: "Bundle") -> str:
    """Say how the weights were chosen."""
    facts = bundle.facts
    if facts.get("fitted"):
        return "it was fitted to them in one go"
    return (
        f"the weights are those of epoch {facts.get('epoch', '?')}, the best on {counted(facts.get('n_val'))} "
        f"validation articles by `{bundle.config.training.monitor}`"
    )


def file_or_name(pretrained: str) -> str:
    """Return the hub's name of a pretrained model; of a folder on some machine, its last name."""
    return pretrained if pretrained.count("/") <= 1 and "\\" not in pretrained else file_name(pretrained)


def _intended_use(bundle: "Bundle") -> str:
    kind = "Chinese posts and news" if is_chinese(bundle) else "posts and news like those that it was trained on"
    return f"""For people who judge {kind}: to decide what a fact checker looks at first, and to compare detectors in
research. A person reads what it calls fake, and decides.

Not for: taking posts down or marking them as false without a person's decision; judging authors, accounts or sources;
facts (it looks nothing up), pictures, films and links (it reads text alone); other languages, and other kinds of text
than those that it was trained on."""


def _how_to_use(bundle: "Bundle") -> str:
    return f"""```python
from zhenwei import Detector

detector = Detector.load("PATH OF THIS FOLDER")  # from the hub: Detector.from_hub("USER/NAME")
detector.predict(["..."])
```

```sh
zhenwei predict "PATH OF THIS FOLDER" "..."
zhenwei predict hf://USER/NAME "..."
```

A text is called fake from a probability of {bundle.threshold:.4g} on."""


def _threshold(bundle: "Bundle") -> str:
    """Say where the line is drawn, and how far the probability can be believed."""
    if bundle.calibration is None:
        return f"The threshold is {bundle.threshold:.4g}. The probability is not calibrated."
    return (
        f"The threshold is {bundle.threshold:.4g}. The probability is calibrated: {bundle.calibration.describe()}. "
        f"{bundle.calibration.fake_share:.1%} of these were fakes; where the share of fakes is another one, "
        "probabilities are off until they are corrected for it (`zhenwei calibrate --fake-share`)."
    )


def _limits(bundle: "Bundle", facts: CardFacts) -> str:
    lines = [
        "The detector knows how the fakes and the real news of its training articles were worded. It does not check "
        "facts: a fake in a sober tone passes, and a true report in an excited one may not.",
        "News changes: new topics, places and phrases come up. On later news, expect lower scores than on articles of "
        "the same time.",
        f"It reads the first {bundle.config.data.max_len} tokens of a text, and says so where a text is longer.",
        "The labels are those of its data; what was mislabelled there, or collected one-sidedly, it has learned.",
    ]
    train = next((part for part in facts.parts if part.part == "train"), None)
    if train is not None and train.times is not None:
        lines.insert(2, f"The last article that it learned from is from {train.times[1]}.")
    return "\n".join(f"- {line}" for line in lines) + "\n\nIt is a help for people who judge, not a judge."


NO_LICENCE = "This detector has no licence yet: whoever shares it sets one, with `zhenwei push --license`."
_LICENCE = (
    f"{NO_LICENCE} The terms of the training articles may bind what is learned from them, such as those of "
    "collections that are for research alone."
)


def _citation(bundle: "Bundle") -> str:
    model = bundle.config.model
    found = papers(model.name, debiased=getattr(model, "debias", None) is not None)
    if not found:
        return "There is no paper behind this detector: name zhenwei, its version, and the training articles' source."
    return "\n".join(["Name zhenwei, the training articles' source, and:", "", *(f"- {paper}" for paper in found)])


def _versions() -> str:
    libraries = [f"{name} {version(name)}" for name in _LIBRARIES]
    found = ", ".join([f"zhenwei {zhenwei.__version__}", f"Python {platform.python_version()}", *libraries])
    return f"This card was written with {found}."
