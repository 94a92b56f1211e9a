"""`zhenwei index`: known articles into a bundle, so that those most like a new text can be shown."""

from pathlib import Path

import typer


def index(
    run: Path = typer.Argument(help="A run's folder, or a bundle."),
    file: Path | None = typer.Option(
        None, "--file", help="The known articles; unless given, those that the detector was trained on."
    ),
    texts: bool = typer.Option(True, "--texts/--no-texts", help="Whether the articles' texts are stored, to be shown."),
    remove: bool = typer.Option(False, "--remove", help="Take the known articles out again."),
) -> None:
    """Store known articles in the bundle of RUN; `predict` then warns of near-duplicates, and `serve` shows them."""
    from zhenwei.inference.known_articles import add_known_articles, remove_known_articles

    if remove:
        remove_known_articles(run)
        typer.echo(f"{run}: no known articles are shipped with it")
        return
    stored = add_known_articles(run, file, with_texts=texts)
    typer.echo(f"{run}: {stored:,} known articles, {'with' if texts else 'without'} their texts")
