"""`zhenwei data`: collections into files, files with entities and emotion, files into splits."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from zhenwei.cli.data.audit import audit
from zhenwei.cli.figures import JsonTarget, write_json

if TYPE_CHECKING:
    from zhenwei.news.enrichment.enrich import EnrichmentSummary

data_app = typer.Typer(
    help="Make files of articles: from public collections, with entities and emotion, and cut into train, val and "
    "test.",
    no_args_is_help=True,
)


class By(StrEnum):
    """How articles are cut into parts."""

    TIME = "time"
    RANDOM = "random"
    STRATIFIED = "stratified"
    GROUP = "group"


class NearDuplicatesAre(StrEnum):
    """What becomes of near-duplicates when articles are cut into parts."""

    AUTO = "auto"
    WHOLE = "whole"
    DROP = "drop"
    LEAVE = "leave"


class TaggerName(StrEnum):
    """What finds entities."""

    JIEBA = "jieba"
    SPACY = "spacy"


data_app.command()(audit)


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
        from zhenwei.news.sources.synthetic import SyntheticDataset, write_synthetic_dataset

        written = write_synthetic_dataset(places[0], SyntheticDataset(seed=seed), overwrite=overwrite)
    else:
        written = import_source(source, places[0], places[1], overwrite=overwrite)
    for path, count in written.items():
        typer.echo(f"{path}: {count} articles")
    if len(written) == 1:
        path = next(iter(written))
        typer.echo(f"next: cut it into parts, as in: zhenwei data split {path} {path.parent} --by time")


@data_app.command()
def enrich(
    file: Path = typer.Argument(help="Articles: .json, .jsonl, .csv or .parquet."),
    output: Path = typer.Option(..., "--output", "-o", help="Where to write; may be FILE itself, with --overwrite."),
    entities: bool = typer.Option(False, "--entities", help="Add each article's named entities."),
    emotion: bool = typer.Option(False, "--emotion", help="Add each article's emotion features."),
    tagger: TaggerName = typer.Option(TaggerName.JIEBA, help="What finds entities; spacy has to be installed."),
    dictionary: Path | None = typer.Option(
        None, help="Names to find, in jieba's format: a word, and if known its frequency and tag."
    ),
    tagger_model: str | None = typer.Option(None, metavar="NAME", help="A spaCy model, or the folder of one."),
    lexicon: list[Path] = typer.Option([], help="Words of emotion to add: word, category, intensity, polarity."),
    processes: int | None = typer.Option(None, min=1, help="How many work; as many as there are cores unless given."),
    replace: bool = typer.Option(False, "--replace", help="Also for articles that have the field already."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the output if it is there."),
    json: str | None = JsonTarget,
) -> None:
    """Add named entities, emotion features, or both to the articles of a file."""
    from zhenwei.errors import ConfigError
    from zhenwei.news.enrichment.emotion import EmotionExtractor
    from zhenwei.news.enrichment.enrich import enrich_file
    from zhenwei.news.enrichment.entities import build_tagger

    if not entities and not emotion:
        raise ConfigError("nothing to add; expected --entities, --emotion, or both")
    if not entities and (dictionary or tagger_model or tagger is not TaggerName.JIEBA):
        raise ConfigError("--dictionary, --tagger and --tagger-model are for --entities, which is missing")
    if not emotion and lexicon:
        raise ConfigError("--lexicon is for --emotion, which is missing")
    summary = enrich_file(
        file,
        output,
        entities=build_tagger(tagger.value, dictionary=dictionary, model=tagger_model) if entities else None,
        emotion=EmotionExtractor.from_files(lexicon) if emotion else None,
        processes=processes,
        replace=replace,
        overwrite=overwrite,
    )
    if json is not None:
        write_json(summary.to_dict(), json)
    if json != "-":
        _print_summary(output, summary, entities=entities, emotion=emotion)


@data_app.command()
def split(
    file: Path = typer.Argument(help="Articles: .json, .jsonl, .csv or .parquet."),
    destination: Path = typer.Argument(metavar="DST", help="Folder for train.json, val.json and test.json."),
    by: By = typer.Option(
        By.TIME,
        help="time: later articles are the test; random; stratified: by chance, with a field's values in like "
        "proportion; group: a field's values are kept whole.",
    ),
    field: str = typer.Option("domain", help="The field for --by stratified and --by group."),
    fractions: str = typer.Option("0.6,0.2,0.2", help="Shares of train, val and test."),
    seed: int = typer.Option(2021, min=0, help="Seed of all that is by chance."),
    near_duplicates: NearDuplicatesAre = typer.Option(
        NearDuplicatesAre.AUTO,
        help="whole: they stay together; drop: later parts lose what has one in an earlier part; leave: as they are; "
        "auto: whole, or where that is far from the shares, a warning, and leave.",
    ),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace files that are there."),
) -> None:
    """Cut a file of articles into train, val and test, with a manifest to cite and check them by."""
    from zhenwei.news.splitting.split_file import split_file

    written = split_file(
        file, destination, by.value, field=field, fractions=_shares(fractions), seed=seed,
        near_duplicates=near_duplicates.value, overwrite=overwrite,
    )  # fmt: skip
    for path, count in written.items():
        typer.echo(f"{path}: {count} articles")


@data_app.command()
def verify(
    folder: Path = typer.Argument(metavar="DIR", help="Folder of a split, with its split.json."),
    json: str | None = JsonTarget,
) -> None:
    """Check that the parts of a split are those that its manifest tells of; exit status 1 where they are not."""
    from zhenwei.news.splitting.manifest import verify_split

    manifest, problems = verify_split(folder)
    if json is not None:
        write_json({"good": not problems, "problems": problems, "manifest": manifest}, json)
    for problem in problems:
        typer.echo(problem, err=json == "-")
    if problems:
        raise typer.Exit(1)
    for name, part in manifest["parts"].items():
        typer.echo(f"{name}: as it was: {part['n']} articles, sha256 {part['sha256']}", err=json == "-")


def _print_summary(output: Path, summary: "EnrichmentSummary", *, entities: bool, emotion: bool) -> None:
    typer.echo(f"{output}: {summary.articles} articles")
    if entities:
        typer.echo(
            f"entities: added to {summary.entities_added}, kept in {summary.entities_kept}; "
            f"{summary.without_entities} articles have none"
        )
    if emotion:
        typer.echo(f"emotion: added to {summary.emotion_added}, kept in {summary.emotion_kept}")


def _shares(text: str) -> tuple[float, float, float]:
    """Read three shares."""
    from zhenwei.errors import DataError

    try:
        train, val, test = (float(share) for share in text.split(","))
    except ValueError:
        raise DataError(f"--fractions: found '{text}'; expected three shares, as in 0.6,0.2,0.2") from None
    return train, val, test
