"""Named entities: what is found in which order, what is left out, and what a dictionary of the user's changes."""

import logging
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zhenwei.errors import ConfigError, DataError
from zhenwei.news.enrichment.entities import SPACY_LABELS, JiebaTagger, SpacyTagger, build_tagger

Write = Callable[[str], Path]


@pytest.fixture(scope="module")
def tagger() -> JiebaTagger:
    return JiebaTagger()


@pytest.fixture
def dictionary(tmp_path: Path) -> Write:
    def write(content: str) -> Path:
        path = tmp_path / "names.txt"
        path.write_text(content, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def pipeline_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a spaCy pipeline that knows a few names, some with labels that are no entities."""
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("xx")
    patterns = {"云溪市": "GPE", "王小明": "PERSON", "昨天": "DATE", "12": "ORG", "大蒜节": "EVENT"}
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns(
        [{"label": label, "pattern": [{"TEXT": character} for character in text]} for text, label in patterns.items()]
    )
    pipeline.tokenizer.infix_finditer = spacy.util.compile_infix_regex([r"(?<=.)(?=.)"]).finditer
    folder = tmp_path_factory.mktemp("spacy") / "model"
    pipeline.to_disk(folder)
    return folder


class TestJieba:
    def test_persons_places_organisations_and_other_names_in_order_of_appearance(self, tagger: JiebaTagger) -> None:
        text = "新华社报道，刘翔从北京回到上海，参加世界杯开幕式。"
        assert tagger(text) == ("新华社", "刘翔", "北京", "上海", "世界杯")

    def test_each_entity_is_given_once(self, tagger: JiebaTagger) -> None:
        assert tagger("北京，上海，北京，上海。") == ("北京", "上海")

    def test_names_that_no_dictionary_knows_are_found_among_single_characters(self, tagger: JiebaTagger) -> None:
        assert "劳荣枝" in tagger("法官宣布劳荣枝死刑。")
        assert "鳌江镇" in tagger("记者来到鳌江镇采访。")

    @pytest.mark.parametrize("text", ["", " \n", "hello, world!", "12:30 100%", "🙏🙏🙏", "今天天气很好。", "！？……"])
    def test_a_text_that_names_nothing_has_none(self, tagger: JiebaTagger, text: str) -> None:
        assert tagger(text) == ()

    @pytest.mark.parametrize("word", ["谢谢", "安全带", "宝宝", "幼儿园", "英雄", "东西", "公安局", "曝光", "C#"])
    def test_words_that_the_dictionary_takes_for_names_and_are_none_are_left_out(
        self, tagger: JiebaTagger, word: str
    ) -> None:
        assert word not in tagger(f"他们说，{word}，来了。")

    @pytest.mark.parametrize("word", ["李先生", "王女士", "张某", "赵某某", "李师傅"])
    def test_people_who_are_not_named_are_left_out(self, tagger: JiebaTagger, word: str) -> None:
        assert tagger(f"记者采访了{word}。") == ()

    def test_accounts_links_and_faces_are_no_entities(self, tagger: JiebaTagger) -> None:
        text = "转自@刘翔 ：见 http://t.cn/abc 和 www.china.com [奥特曼][北京] #上海#"
        assert tagger(text) == ("上海",)

    def test_single_characters_are_no_entities(self, tagger: JiebaTagger) -> None:
        assert all(len(entity) > 1 for entity in tagger("京沪粤，王李张，中美俄韩"))

    @pytest.mark.no_cover
    @pytest.mark.nightly
    def test_a_very_long_text_gives_what_its_parts_give(self, tagger: JiebaTagger) -> None:
        assert tagger("北京的刘翔，" * 4_000) == tagger("北京的刘翔，")
        assert tagger("长" * 20_000 + "，北京") == ("北京",)
        assert tagger("a" * 100_000 + "北京" + "1" * 100_000) == ("北京",)

    def test_what_was_tagged_before_makes_no_difference(self, tagger: JiebaTagger) -> None:
        texts = ["劳荣枝案开庭。", "鳌江镇的刘翔", "新华社北京电"]
        fresh = JiebaTagger()
        assert [fresh(text) for text in reversed(texts)] == [tagger(text) for text in reversed(texts)]

    def test_it_is_silent_and_leaves_jiebas_global_tokenizer_and_the_disk_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        import jieba  # noqa: PLC0415

        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        logging.getLogger("jieba").setLevel(logging.DEBUG)
        JiebaTagger()("北京")
        assert not jieba.dt.initialized
        assert capfd.readouterr() == ("", "")
        assert list(tmp_path.iterdir()) == []

    def test_it_can_be_pickled_with_its_dictionary_and_without_jiebas(self, dictionary: Write) -> None:
        tagger = JiebaTagger(dictionary("玄武岩计划"))
        assert tagger("玄武岩计划启动") == ("玄武岩计划",)
        pickled = pickle.dumps(tagger)
        assert len(pickled) < 10_000
        assert pickle.loads(pickled)("玄武岩计划启动") == ("玄武岩计划",)


class TestDictionary:
    def test_a_word_without_a_tag_is_a_name(self, dictionary: Write, tagger: JiebaTagger) -> None:
        text = "蓝月谷的玄武岩计划启动。"
        assert "玄武岩计划" not in tagger(text)
        assert JiebaTagger(dictionary("\ufeff玄武岩计划\r\n\n蓝月谷 20 ns\n"))(text) == ("蓝月谷", "玄武岩计划")

    def test_a_word_with_another_tag_is_no_name(self, dictionary: Write, tagger: JiebaTagger) -> None:
        assert tagger("黄河在涨水") == ("黄河",)
        assert JiebaTagger(dictionary("黄河 n"))("黄河在涨水") == ()

    def test_the_users_word_counts_even_where_our_list_says_that_it_is_no_name(self, dictionary: Write) -> None:
        assert JiebaTagger(dictionary("谢谢 nr"))("谢谢来了") == ("谢谢",)

    def test_words_that_jieba_cannot_cut_are_found_too_but_not_within_longer_latin_ones(
        self, dictionary: Write
    ) -> None:
        tagger = JiebaTagger(dictionary("OpenAI nt\n斯嘉丽·约翰逊 nr\n𠮷野家\nGPT-4 n"))
        assert tagger("斯嘉丽·约翰逊和OpenAI，去𠮷野家问GPT-4。MyOpenAIs") == ("斯嘉丽·约翰逊", "OpenAI", "𠮷野家")
        assert tagger("北京的OpenAI") == ("北京", "OpenAI")
        assert tagger("OpenAI2，a斯嘉丽·约翰逊b") == ("斯嘉丽·约翰逊",)

    def test_of_a_word_that_stands_twice_the_last_line_counts(self, dictionary: Write) -> None:
        assert JiebaTagger(dictionary("黄河 n\n黄河 ns"))("黄河在涨水") == ("黄河",)

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ("河 ns", "line 2: found the word '河'; expected two characters at least"),
            ("云溪桥 0 ns", "line 2: found the frequency '0'; expected a whole number from 1 to 999999999"),
            ("云溪桥 3.5", "line 2: found the frequency '3.5'; expected a whole number"),
            ("云溪桥 ns 20", "line 2: found '20' behind the tag; expected 'word [frequency] [tag]'"),
            ("云溪桥 地名", "line 2: found '地名'; expected a frequency or a tag, such as nr, ns, nt or nz"),
            ("云溪桥,20,ns x y", "line 2: found 'y' behind the tag"),
        ],
    )
    def test_a_bad_line_is_refused_with_its_number(self, dictionary: Write, line: str, problem: str) -> None:
        with pytest.raises(DataError) as caught:
            JiebaTagger(dictionary(f"蓝月谷\n{line}\n"))
        assert "names.txt: 1 of 2 rows cannot be used" in str(caught.value)
        assert problem in str(caught.value)

    def test_a_file_that_is_missing_empty_or_of_another_encoding_is_refused(
        self, dictionary: Write, tmp_path: Path
    ) -> None:
        with pytest.raises(DataError, match=r"none\.txt: no such file"):
            JiebaTagger(tmp_path / "none.txt")
        with pytest.raises(DataError, match="cannot be read"):
            JiebaTagger(tmp_path)
        with pytest.raises(DataError, match="found no words; expected one a line"):
            JiebaTagger(dictionary("\n \n"))
        (tmp_path / "gbk.txt").write_bytes("蓝月谷\n云溪".encode("gbk"))
        with pytest.raises(DataError, match=r"gbk\.txt, line 1: not UTF-8: found byte 0xc0"):
            JiebaTagger(tmp_path / "gbk.txt")


class TestSpacy:
    def test_entities_have_one_of_the_known_labels(self, pipeline_folder: Path) -> None:
        tagger = SpacyTagger(str(pipeline_folder))
        assert tagger("王小明 昨天 在 云溪市 大蒜节，王小明 12 @云溪市") == ("王小明", "云溪市", "大蒜节")
        assert "DATE" not in SPACY_LABELS

    def test_it_can_be_pickled(self, pipeline_folder: Path) -> None:
        tagger = pickle.loads(pickle.dumps(build_tagger("spacy", model=str(pipeline_folder))))
        assert tagger("云溪市") == ("云溪市",)

    def test_a_model_that_is_not_there_is_named_with_the_command_that_installs_one(self) -> None:
        pytest.importorskip("spacy")
        with pytest.raises(ConfigError, match=r"no spaCy model 'zh_core_none'; install one \(python -m spacy download"):
            build_tagger("spacy", model="zh_core_none")

    def test_a_folder_without_a_model_is_refused(self, tmp_path: Path) -> None:
        pytest.importorskip("spacy")
        with pytest.raises(ConfigError, match="holds no spaCy model"):
            SpacyTagger(str(tmp_path))

    def test_without_spacy_the_message_says_how_to_install_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "spacy", None)
        with pytest.raises(ConfigError, match=r"needs spaCy; install it: pip install 'zhenwei\[spacy\]'"):
            build_tagger("spacy")


class TestChoice:
    def test_a_tagger_is_built_by_its_name(self, dictionary: Write) -> None:
        assert build_tagger("jieba", dictionary=dictionary("蓝月谷"))("到蓝月谷去") == ("蓝月谷",)

    def test_settings_of_one_tagger_are_refused_for_the_other(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="tagger: found 'hanlp'; expected jieba or spacy"):
            build_tagger("hanlp")
        with pytest.raises(ConfigError, match="dictionary: the tagger 'spacy' has none"):
            build_tagger("spacy", dictionary=tmp_path)
        with pytest.raises(ConfigError, match="model: the tagger 'jieba' has none"):
            build_tagger("jieba", model="zh_core_web_sm")


@pytest.mark.parametrize("filler", ["a", "#1", "a.", "AI "])
def test_a_long_stretch_without_chinese_is_passed_over(tagger: JiebaTagger, filler: str) -> None:
    assert tagger(f"北京{filler * 20_000}上海") == ("北京", "上海")  # takes hours where each character is a new start


def test_a_spacy_pipeline_that_finds_no_entities_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("spacy").blank("zh").to_disk(tmp_path)
    with pytest.raises(ConfigError, match=r"finds no entities \(its parts: none\); expected one with 'ner'"):
        SpacyTagger(str(tmp_path))("北京")


def test_a_damaged_spacy_pipeline_is_refused(pipeline_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(pipeline_folder, tmp_path / "model")
    (tmp_path / "model" / "config.cfg").write_text("nothing [ of use")
    with pytest.raises(ConfigError, match="holds no spaCy model"):
        SpacyTagger(str(tmp_path / "model"))("北京")
