"""`zhenwei index`: store known articles in a bundle, to find those most similar to a new text."""

from pathlib import Path

import typer


def index(
    run: Path = typer.Argument(help="Folder of a run or a bundle."),
    file: Path | None = typer.Option(None, "--file", help="File of known articles. Default: the training articles."),
    texts: bool = typer.Option(True, "--texts/--no-texts", help="Store the texts of the articles, to show them."),
    remove: bool = typer.Option(False, "--remove", help="Remove the known articles."),
) -> None:
    """Store known articles in the bundle of RUN; `predict` then warns of near-duplicates, and `serve` shows them."""
    from zhenwei.inference.known_articles import add_known_articles, remove_known_articles

    if remove:
        remove_known_articles(run)
        typer.echo(f"{run}: removed the known articles")
        return
    stored = add_known_articles(run, file, with_texts=texts)
    typer.echo(f"{run}: stored {stored:,} known articles, {'with' if texts else 'without'} their texts")
