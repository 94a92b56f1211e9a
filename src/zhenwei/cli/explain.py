"""`zhenwei explain`: attribute a prediction to the words of the text."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from zhenwei.cli.figures import JsonTarget, write_json
from zhenwei.cli.run import Always, Run, folder_of

if TYPE_CHECKING:
    from rich.text import Text

    from zhenwei.inference import Explanation

MAX_LISTED = 8  # words that are listed below the coloured text


def explain(
    run: str = Run,
    text: str = typer.Argument(help="Text to predict on and explain."),
    html: Path | None = typer.Option(None, "--html", metavar="FILE", help="Output HTML page with the coloured text."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:N or mps."),
    always: bool = Always,
    json: str | None = JsonTarget,
) -> None:
    """Predict on TEXT with the detector in RUN, and show which words are evidence of fake and of real."""
    from rich.console import Console

    from zhenwei.inference import Detector

    explanation = Detector.load(folder_of(run), device, always=always).explain(text)
    prediction = explanation.prediction
    write_json(explanation.to_dict(), json)
    if html is not None:
        from zhenwei.evaluation.report import write_explanation_page

        write_explanation_page(explanation.words, prediction.to_dict(), explanation.attention, html)
    console = Console(stderr=json == "-", highlight=False)
    console.print(
        f"{prediction.verdict}: probability of fake {prediction.probability:.3f}, threshold {prediction.threshold:.3f}"
    )
    console.print(_highlight(explanation))
    console.print(_top_words(explanation))
    for reason in prediction.reasons:
        console.print(f"reason: {reason.en}", markup=False)
    for warning in prediction.warnings:
        console.print(f"warning: {warning}", markup=False)
    if html is not None:
        console.print(f"wrote {html}", markup=False)


def _highlight(explanation: "Explanation") -> "Text":
    """Colour the words of the text: evidence of fake is red and underlined, evidence of real is blue."""
    from rich.text import Text

    strongest = max((abs(attribution) for _, attribution in explanation.words), default=0.0) or 1.0
    text = Text()
    for word, attribution in explanation.words:
        share = abs(attribution) / strongest
        style = ""
        if share >= 1 / 6:
            colour = "red" if attribution > 0 else "blue"
            style = f"bold {colour}" if share >= 1 / 2 else colour
            style += " underline" if attribution > 0 else ""
        text.append(_printable(word), style)
    return text


def _top_words(explanation: "Explanation") -> "Text":
    """Return the words with the largest attributions."""
    from rich.text import Text

    words = [
        (_printable(word).strip(), attribution)
        for word, attribution in explanation.words
        if _printable(word).strip() and attribution != 0.0
    ]
    ranked = sorted(words, key=lambda each: abs(each[1]), reverse=True)[:MAX_LISTED]
    text = Text("decrease of the logit of fake without a word: ")
    text.append(", ".join(f"{word} {attribution:+.2f}" for word, attribution in ranked) or "no word makes a difference")
    return text


def _printable(word: str) -> str:
    """Replace control codes, which a terminal would execute."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in word)
