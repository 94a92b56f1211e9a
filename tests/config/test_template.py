"""Configuration templates and the guide to the settings."""

import json
from pathlib import Path

import pytest

from zhenwei.config import PRESETS, Config, config_template, detector_names, preset_path, settings_guide
from zhenwei.config.section import Section


def setting_names(config: Config) -> list[str]:
    """Return the full names of all settings."""
    names = []
    for section, value in config:
        names += [f"{section}.{name}" for name in type(value).model_fields] if isinstance(value, Section) else [section]
    return names


@pytest.mark.parametrize("detector", detector_names())
class TestEveryDetector:
    def test_the_template_has_every_setting_at_its_default(self, detector: str) -> None:
        config = Config.load({"model": {"name": detector}})
        settings = json.loads(config_template(config))
        assert Config.load(settings) == config
        assert settings == config.to_dict()

    def test_the_guide_explains_every_setting_once(self, detector: str) -> None:
        config = Config.load({"model": {"name": detector}})
        guide = settings_guide(config)
        rows = [line.split(" | ") for line in guide.splitlines() if line.startswith("| `")]
        assert [row[0].strip("| `") for row in rows] == setting_names(config)
        assert all(row[-1].strip(" |") for row in rows)

    def test_every_setting_has_a_docstring(self, detector: str) -> None:
        config = Config.load({"model": {"name": detector}})
        for section in (config, *(value for _, value in config if isinstance(value, Section))):
            unexplained = [name for name, field in type(section).model_fields.items() if not field.description]
            assert unexplained == []


class TestPresets:
    def test_every_file_has_a_description_and_the_reverse(self) -> None:
        files = {path.stem for path in preset_path("bigru").parent.glob("*.json")}
        assert files == set(PRESETS)
        assert all(PRESETS.values())

    @pytest.mark.parametrize("name", PRESETS)
    def test_a_preset_loads_by_name_and_writes_to_a_run_folder_of_its_name(self, name: str) -> None:
        config = Config.load(name)
        assert config == Config.load(preset_path(name))
        assert name.startswith(config.model.name)
        assert config.run_dir == Path("runs") / name
        assert ("endef" in name) == (getattr(config.model, "debias", None) == "endef")

    def test_every_detector_has_a_preset_and_every_network_one_with_endef(self) -> None:
        builtin = ["bert", "bert_emo", "bigru", "eann", "mdfend", "textcnn"]
        assert {"tfidf", *builtin, *(f"{name}-endef" for name in builtin)} <= set(PRESETS)

    def test_a_file_of_the_same_name_takes_precedence(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "tfidf").write_text('{"seed": 7}')
        assert Config.load("tfidf").seed == 7

    def test_an_unknown_name_is_answered_with_the_nearest(self) -> None:
        with pytest.raises(ValueError, match=r"found 'bigrus'; did you mean 'bigru'\?"):
            preset_path("bigrus")
