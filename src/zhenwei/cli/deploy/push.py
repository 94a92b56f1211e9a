"""`zhenwei push`: push a trained detector to the Hugging Face hub."""

from pathlib import Path

import typer

from zhenwei.cli.figures import JsonTarget, write_json


def push(
    run: Path = typer.Argument(help="Folder of a run, a bundle or an exported detector."),
    name: str = typer.Argument(metavar="USER/NAME", help="Repository; created if it does not exist."),
    private: bool = typer.Option(False, "--private", help="Require a private repository."),
    revision: str | None = typer.Option(None, help="Branch to push to; created if it does not exist."),
    message: str | None = typer.Option(None, "--message", metavar="TEXT", help="Commit message."),
    with_known_articles: bool = typer.Option(
        False, "--with-known-articles", help="Upload the articles that `zhenwei index` stored, too."
    ),
    license: str | None = typer.Option(None, help="License of the detector, as the hub names it: cc-by-nc-4.0, ..."),
    overwrite_card: bool = typer.Option(
        False, "--overwrite-card", help="Replace a model card that a person wrote or edited on the hub."
    ),
    device: str = typer.Option("auto", help="Device of the evaluation for the model card: auto, cpu, cuda, ..."),
    json: str | None = JsonTarget,
) -> None:
    """Push the detector in RUN to the Hugging Face hub: its bundle and a model card.

    A card without an evaluation is completed first, on the articles of the training as far as they are available.
    """
    from zhenwei.inference import Detector

    pushed = Detector.load(run, device).push_to_hub(
        name, private=private, revision=revision, commit_message=message, include_known_articles=with_known_articles,
        license=license, overwrite_card=overwrite_card,
    )  # fmt: skip
    write_json(pushed.to_dict(), json)
    err = json == "-"
    typer.echo(f"pushed {', '.join(pushed.files)}: {pushed.url}", err=err)
    if pushed.card == "kept":
        typer.echo("kept README.md, which a person wrote or edited on the hub; --overwrite-card replaces it", err=err)
    if pushed.omitted:
        typer.echo(f"not pushed: {', '.join(pushed.omitted)}", err=err)
    typer.echo(f'try it: zhenwei predict hf://{pushed.repo_id}@{pushed.commit} "..."', err=err)
