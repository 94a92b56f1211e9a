"""`zhenwei data`: collections into files, files into splits."""

from enum import StrEnum
from pathlib import Path

import typer

data_app = typer.Typer(
    help="Make files of articles: from public collections, and cut into train, val and test.", no_args_is_help=True
)


class By(StrEnum):
    """How articles are cut into parts."""

    TIME = "time"
    RANDOM = "random"
    GROUP = "group"


@data_app.command("import")
def import_(
    source: str = typer.Argument(help="ced, checked, weibo21, or synthetic (a made-up world, which needs no SRC)."),
    places: list[Path] = typer.Argument(metavar="[SRC] DST", help="The collection as published; where to write."),
    seed: int = typer.Option(2021, min=0, help="Seed of the synthetic world."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace files that are there."),
) -> None:
    """Turn a public collection into files of articles."""
    from zhenwei.errors import DataError
    from zhenwei.news.sources import check_source, import_source

    made_up = source == "synthetic"
    if not made_up:
        check_source(source, others=["synthetic"])
    if len(places) != (1 if made_up else 2):
        expected = "DST alone" if made_up else "SRC and DST"
        raise DataError(f"data import {source}: found {len(places)} path(s); expected {expected}")
    if made_up:
        from zhenwei.news.sources.synthetic import SyntheticWorld, write_synthetic_world

        written = write_synthetic_world(places[0], SyntheticWorld(seed=seed), overwrite=overwrite)
    else:
        written = import_source(source, places[0], places[1], overwrite=overwrite)
    for path, count in written.items():
        typer.echo(f"{path}: {count} articles")
    if len(written) == 1:
        path = next(iter(written))
        typer.echo(f"next: cut it into parts, as in: zhenwei data split {path} {path.parent} --by time")


@data_app.command()
def split(
    file: Path = typer.Argument(help="Articles: .json, .jsonl, .csv or .parquet."),
    destination: Path = typer.Argument(metavar="DST", help="Folder for train.json, val.json and test.json."),
    by: By = typer.Option(By.TIME, help="time: later articles are the test; random; group: a field is kept whole."),
    field: str = typer.Option("domain", help="The field that --by group keeps whole."),
    fractions: str = typer.Option("0.6,0.2,0.2", help="Shares of train, val and test."),
    seed: int = typer.Option(2021, min=0, help="Seed of random and grouped splits."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace files that are there."),
) -> None:
    """Cut a file of articles into train, val and test."""
    from zhenwei.news.split_file import split_file

    shares = _shares(fractions)
    written = split_file(file, destination, by.value, field=field, fractions=shares, seed=seed, overwrite=overwrite)
    for path, count in written.items():
        typer.echo(f"{path}: {count} articles")


def _shares(text: str) -> tuple[float, float, float]:
    """Read three shares."""
    from zhenwei.errors import DataError

    try:
        train, val, test = (float(share) for share in text.split(","))
    except ValueError:
        raise DataError(f"--fractions: found '{text}'; expected three shares, as in 0.6,0.2,0.2") from None
    return train, val, test
