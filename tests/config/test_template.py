"""The starting file of `zhenwei init`, and the guide beside it."""

import json

import pytest

from zhenwei.config import Config, detector_names, settings_guide, template_config
from zhenwei.config.section import Section
from zhenwei.errors import ConfigError


def setting_names(config: Config) -> list[str]:
    """Give the full names of all settings."""
    names = []
    for section, value in config:
        names += [f"{section}.{name}" for name in type(value).model_fields] if isinstance(value, Section) else [section]
    return names


@pytest.mark.parametrize("detector", detector_names())
class TestEveryDetector:
    def test_the_starting_file_holds_every_setting_at_its_default(self, detector: str) -> None:
        settings = json.loads(template_config(detector))
        assert Config.load(settings) == Config.load({"model": {"name": detector}})
        config = Config.load(settings)
        assert settings == config.to_dict()

    def test_the_guide_explains_every_setting_once(self, detector: str) -> None:
        guide = settings_guide(detector)
        rows = [line.split(" | ") for line in guide.splitlines() if line.startswith("| `")]
        assert [row[0].strip("| `") for row in rows] == setting_names(Config.load({"model": {"name": detector}}))
        assert all(row[-1].strip(" |") for row in rows)

    def test_every_setting_has_a_docstring(self, detector: str) -> None:
        config = Config.load({"model": {"name": detector}})
        for section in (config, *(value for _, value in config if isinstance(value, Section))):
            unexplained = [name for name, field in type(section).model_fields.items() if not field.description]
            assert unexplained == []


def test_an_unknown_detector_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.name: found 'bigrus'; did you mean 'bigru'\?"):
        template_config("bigrus")
