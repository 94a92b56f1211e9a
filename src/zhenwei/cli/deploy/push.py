"""`zhenwei push`: a trained detector on the Hugging Face hub."""

from pathlib import Path

import typer

from zhenwei.cli.figures import JsonTarget, write_json


def push(
    run: Path = typer.Argument(help="A run's folder, a bundle, or an exported detector."),
    name: str = typer.Argument(metavar="USER/NAME", help="The repository; made if it is not there."),
    private: bool = typer.Option(False, "--private", help="Let only its owners see it."),
    revision: str | None = typer.Option(None, help="The branch to push to; made if it is not there."),
    message: str | None = typer.Option(None, "--message", metavar="TEXT", help="What the hub shows beside the files."),
    with_known_articles: bool = typer.Option(
        False, "--with-known-articles", help="Share the articles that `zhenwei index` stored, too."
    ),
    license: str | None = typer.Option(None, help="The detector's licence, as the hub names it: cc-by-nc-4.0, ..."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:N or mps; to judge for the model card."),
    json: str | None = JsonTarget,
) -> None:
    """Share the detector in RUN on the Hugging Face hub: its bundle and a model card, nothing else.

    The card is completed first: the articles of the training are judged and audited, where they are still at hand.
    """
    from zhenwei.inference import Detector

    done = Detector.load(run, device).push_to_hub(
        name, private=private, revision=revision, commit_message=message, include_known_articles=with_known_articles,
        license=license,
    )  # fmt: skip
    if json is not None:
        write_json(done.to_dict(), json)
    err = json == "-"
    typer.echo(f"shared {', '.join(done.files)}: {done.url}", err=err)
    if done.card == "edited there":
        typer.echo("README.md stays as it was edited on the hub", err=err)
    if done.left_out:
        typer.echo(f"not shared: {', '.join(done.left_out)}", err=err)
    typer.echo(f'try it: zhenwei predict hf://{done.repo_id}@{done.commit} "..."', err=err)
