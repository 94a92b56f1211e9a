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
    from zhenwei.news.sources import SOURCES, import_source

    if source not in SOURCES and source != "synthetic":
        from zhenwei.config.section import did_you_mean

        raise DataError(f"data import: found the source '{source}'; {did_you_mean(source, [*SOURCES, 'synthetic'])}")
    wanted = 1 if source == "synthetic" else 2
    if len(places) != wanted:
        raise DataError(
            f"data import {source}: found {len(places)} path(s); expected "
            + ("DST alone" if wanted == 1 else "SRC and DST")
        )
    if source == "synthetic":
        written = _write_world(places[0], seed, overwrite)
    else:
        written = import_source(source, places[0], places[1], overwrite=overwrite)
    for path, count in written.items():
        typer.echo(f"{path}: {count} articles")
    if len(written) == 1:
        path = next(iter(written))
        typer.echo(f"next: cut it into parts, as in: zhenwei data split {path} {path.parent} --by time")


def _write_world(destination: Path, seed: int, overwrite: bool) -> dict[Path, int]:
    from zhenwei.errors import DataError
    from zhenwei.news.sources.synthetic import SyntheticWorld, write_synthetic_world

    there = [name for name in ("train.json", "val.json", "test.json") if (destination / name).exists()]
    if there and not overwrite:
        raise DataError(f"{destination / there[0]}: exists already; choose another folder, or --overwrite")
    return write_synthetic_world(destination, SyntheticWorld(seed=seed))


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
    from zhenwei.errors import DataError
    from zhenwei.news import (
        chronological_split,
        grouped_split,
        random_split,
        read_articles,
        write_articles,
    )

    targets = {part: destination / f"{part}.json" for part in ("train", "val", "test")}
    for target in targets.values():
        if target.exists() and not overwrite:
            raise DataError(f"{target}: exists already; choose another folder, or --overwrite")
    articles = read_articles(file)
    shares = _shares(fractions)
    if by is By.TIME:
        parts = chronological_split([article.time for article in articles], shares)
    elif by is By.RANDOM:
        parts = random_split(len(articles), shares, seed=seed, labels=[article.label for article in articles])
    else:
        groups = [article.to_row().get(field) for article in articles]
        missing = sum(group is None for group in groups)
        if missing:
            raise DataError(f"{file}: {missing} of {len(groups)} articles have no field '{field}' to group by")
        parts = grouped_split([str(group) for group in groups], shares, seed=seed)
    for part, target in targets.items():
        count = write_articles(target, (articles[row] for row in getattr(parts, part)))
        typer.echo(f"{target}: {count} articles")


def _shares(text: str) -> tuple[float, float, float]:
    """Read three shares."""
    from zhenwei.errors import DataError

    try:
        train, val, test = (float(share) for share in text.split(","))
    except ValueError:
        raise DataError(f"--fractions: found '{text}'; expected three shares, as in 0.6,0.2,0.2") from None
    return train, val, test
