"""`zhenwei init`: a starting configuration."""

from pathlib import Path

import typer


def init(
    path: Path = typer.Argument(Path("config.json"), help="Where to write the settings."),
    detector: str = typer.Option("bigru", "--detector", help="Whose settings."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace files that are there."),
) -> None:
    """Write a starting configuration with every setting, and beside it a guide to what each one does."""
    from zhenwei.config import settings_guide, template_config
    from zhenwei.errors import ConfigError

    guide = path.with_suffix(".md")
    for place in (path, guide):
        if place.exists() and not overwrite:
            raise ConfigError(f"{place}: exists already; give another name, or --overwrite")
    if path.suffix != ".json":
        raise ConfigError(f"{path}: expected a name that ends in .json")
    if path.parent.exists() and not path.parent.is_dir():
        raise ConfigError(f"{path.parent}: is a file; expected a folder")
    settings, text = template_config(detector), settings_guide(detector)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(settings, encoding="utf-8")
    guide.write_text(text, encoding="utf-8")
    typer.echo(f"wrote {path}, and {guide} which explains every setting")
    typer.echo(f"next: put train.json and val.json into data/, then run: zhenwei train {path}")
