"""`zhenwei init`: a configuration file to start from."""

from pathlib import Path

import typer


def _list_presets(requested: bool) -> None:
    if requested:
        from zhenwei.config import PRESETS

        width = max(map(len, PRESETS))
        for name, description in PRESETS.items():
            typer.echo(f"{name:{width}}  {description}")
        raise typer.Exit


def init(
    path: Path = typer.Argument(Path("config.json"), help="The file to write."),
    preset: str | None = typer.Option(None, "--preset", metavar="NAME", help="Start from a preset."),
    detector: str | None = typer.Option(
        None, "--detector", metavar="NAME", help="Start from a detector's published settings (bigru by default)."
    ),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace existing files."),
    _list: bool = typer.Option(
        False, "--list", help="List the presets and exit.", is_eager=True, callback=_list_presets
    ),
) -> None:
    """Write a configuration file with every setting, and a Markdown guide to the settings beside it."""
    from zhenwei.config import Config, config_template, preset_path, settings_guide
    from zhenwei.errors import ConfigError

    if preset is not None and detector is not None:
        raise ConfigError("--preset and --detector contradict each other; give one of them")
    guide = path.with_suffix(".md")
    for file in (path, guide):
        if file.exists() and not overwrite:
            raise ConfigError(f"{file}: already exists; give another name, or --overwrite")
    if path.suffix != ".json":
        raise ConfigError(f"{path}: expected a name that ends in .json")
    if path.parent.exists() and not path.parent.is_dir():
        raise ConfigError(f"{path.parent}: is a file; expected a folder")
    if preset is None:
        config = Config.load({"model": {"name": detector or "bigru"}})
    else:
        try:
            config = Config.load(preset_path(preset))
        except ValueError as error:
            raise ConfigError(f"--preset: {error}") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(config_template(config), encoding="utf-8")
    guide.write_text(settings_guide(config), encoding="utf-8")
    typer.echo(f"wrote {path}, and {guide}, which explains every setting")
    typer.echo(f"next: put train.json and val.json into {config.data.root_path}/, then run: zhenwei train {path}")
