"""`zhenwei data`: import collections, add entities and emotion features, split files."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from zhenwei.cli.data.audit import audit
from zhenwei.cli.figures import JsonTarget, write_json

if TYPE_CHECKING:
    from zhenwei.news.enrichment.enrich import EnrichmentSummary

data_app = typer.Typer(
    help="Prepare files of articles: import public collections, add entities and emotion features, split, audit.",
    no_args_is_help=True,
)


data_app.command()(audit)


@data_app.command("import")
def import_(
    source: str = typer.Argument(help="ced, checked, weibo21, or synthetic (generated; takes no SRC)."),
    paths: list[Path] = typer.Argument(metavar="[SRC] DST", help="Folder of the published collection; output folder."),
    seed: int = typer.Option(2021, min=0, help="Seed of the synthetic dataset."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace existing files."),
) -> None:
    """Convert a public collection to files of articles."""
    from zhenwei.errors import DataError
    from zhenwei.news.sources import check_source, import_source

    synthetic = source == "synthetic"
    if not synthetic:
        check_source(source, others=["synthetic"])
    if len(paths) != (1 if synthetic else 2):
        expected = "DST alone" if synthetic else "SRC and DST"
        raise DataError(f"data import {source}: found {len(paths)} path(s); expected {expected}")
    if synthetic:
        from zhenwei.news.sources.synthetic import SyntheticDataset, write_synthetic_dataset

        written = write_synthetic_dataset(paths[0], SyntheticDataset(seed=seed), overwrite=overwrite)
    else:
        written = import_source(source, paths[0], paths[1], overwrite=overwrite)
    for path, count in written.items():
        typer.echo(f"{path}: {count} articles")
    if len(written) == 1:
        path = next(iter(written))
        typer.echo(f"next: split it, as in: zhenwei data split {path} {path.parent} --by time")


@data_app.command()
def enrich(
    file: Path = typer.Argument(help="Articles: .json, .jsonl, .csv or .parquet."),
    output: Path = typer.Option(..., "--output", "-o", help="Output file; may be FILE itself, with --overwrite."),
    entities: bool = typer.Option(False, "--entities", help="Add each article's named entities."),
    emotion: bool = typer.Option(False, "--emotion", help="Add each article's emotion features."),
    tagger: Literal["jieba", "spacy"] = typer.Option("jieba", help="Tool that extracts entities; spacy is an extra."),
    dictionary: Path | None = typer.Option(
        None, help="Names to recognize, in jieba's format: word, optional frequency, optional tag."
    ),
    tagger_model: str | None = typer.Option(None, metavar="NAME", help="Name or folder of a spaCy model."),
    lexicon: list[Path] = typer.Option([], help="Emotion lexicon to add: word, category, intensity, polarity."),
    processes: int | None = typer.Option(None, min=1, help="Worker processes; one per core by default."),
    replace: bool = typer.Option(False, "--replace", help="Replace fields that articles already have."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace an existing output file."),
    json: str | None = JsonTarget,
) -> None:
    """Add named entities, emotion features, or both to the articles of a file."""
    from zhenwei.errors import ConfigError
    from zhenwei.news.enrichment.emotion import EmotionExtractor
    from zhenwei.news.enrichment.enrich import enrich_file
    from zhenwei.news.enrichment.entities import build_tagger

    if not entities and not emotion:
        raise ConfigError("nothing to add; expected --entities, --emotion, or both")
    if not entities and (dictionary or tagger_model or tagger != "jieba"):
        raise ConfigError("--dictionary, --tagger and --tagger-model are for --entities, which is missing")
    if not emotion and lexicon:
        raise ConfigError("--lexicon is for --emotion, which is missing")
    summary = enrich_file(
        file,
        output,
        entities=build_tagger(tagger, dictionary=dictionary, model=tagger_model) if entities else None,
        emotion=EmotionExtractor.from_files(lexicon) if emotion else None,
        processes=processes,
        replace=replace,
        overwrite=overwrite,
    )
    write_json(summary.to_dict(), json)
    if json != "-":
        _print_summary(output, summary, entities=entities, emotion=emotion)


@data_app.command()
def split(
    file: Path = typer.Argument(help="Articles: .json, .jsonl, .csv or .parquet."),
    destination: Path = typer.Argument(metavar="DST", help="Folder for train.json, val.json and test.json."),
    by: Literal["time", "random", "stratified", "group"] = typer.Option(
        "time",
        help="time: the latest articles are the test; random; stratified: random with equal shares of a field's "
        "values; group: all articles with one value of a field stay together.",
    ),
    field: str = typer.Option("domain", help="The field for --by stratified and --by group."),
    fractions: str = typer.Option("0.6,0.2,0.2", help="Shares of train, val and test."),
    seed: int = typer.Option(2021, min=0, help="Seed of random splits."),
    near_duplicates: Literal["auto", "whole", "drop", "leave"] = typer.Option(
        "auto",
        help="whole: they stay in one part; drop: remove those in later parts; leave: ignore them; auto: whole, or, if "
        "the parts' sizes would be far off, a warning and leave.",
    ),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace existing files."),
) -> None:
    """Split a file of articles into train, val and test, with a manifest to cite and verify the split."""
    from zhenwei.news.splitting.split_file import split_file

    written = split_file(
        file, destination, by, field=field, fractions=_shares(fractions), seed=seed,
        near_duplicates=near_duplicates, overwrite=overwrite,
    )  # fmt: skip
    for path, count in written.items():
        typer.echo(f"{path}: {count} articles")


@data_app.command()
def verify(
    folder: Path = typer.Argument(metavar="DIR", help="Folder of a split with its split.json."),
    json: str | None = JsonTarget,
) -> None:
    """Check the parts of a split against its manifest; exit status 1 if they differ."""
    from zhenwei.news.splitting.manifest import verify_split

    manifest, problems = verify_split(folder)
    write_json({"good": not problems, "problems": problems, "manifest": manifest}, json)
    for problem in problems:
        typer.echo(problem, err=json == "-")
    if problems:
        raise typer.Exit(1)
    for name, part in manifest["parts"].items():
        typer.echo(f"{name}: unchanged: {part['n']} articles, sha256 {part['sha256']}", err=json == "-")


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
    """Parse the shares of train, val and test."""
    from zhenwei.errors import DataError

    try:
        train, val, test = (float(share) for share in text.split(","))
    except ValueError:
        raise DataError(f"--fractions: found '{text}'; expected three shares, as in 0.6,0.2,0.2") from None
    return train, val, test
