"""`zhenwei feedback`: export reviews as training articles."""

from pathlib import Path

import typer

from zhenwei.cli.figures import JsonTarget, write_json

feedback_app = typer.Typer(help="Use reviews of predictions.", no_args_is_help=True)


@feedback_app.callback()
def _feedback() -> None:
    """Make `export` a subcommand although it is the only one."""


@feedback_app.command()
def export(
    database: str = typer.Argument(metavar="FILE|URL", help="The database that `zhenwei serve --feedback` wrote."),
    out: Path = typer.Option(..., "--out", "-o", help="Articles to write: .json, .jsonl, .csv or .parquet."),
    json: str | None = JsonTarget,
) -> None:
    """Export reviews as labeled articles, one per text, with the latest verdict on it."""
    from zhenwei.errors import ConfigError

    try:
        import sqlalchemy  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(f"feedback: {error.name} is not installed; pip install 'zhenwei[serve]'") from None
    from zhenwei.serving.feedback.export import export_reviews
    from zhenwei.serving.feedback.store import FeedbackStore

    store = FeedbackStore.open(database, create=False)
    try:
        figures = export_reviews(store, out)
    finally:
        store.close()
    write_json(figures, json)
    typer.echo(
        f"{out}: {figures['articles']} articles ({figures['fake']} fake); {figures['superseded']} reviews were "
        "superseded by later ones of the same text",
        err=json == "-",
    )
