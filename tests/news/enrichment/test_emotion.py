"""The emotion vector: every component against values worked out by hand, and the same in every process."""

import json
import math
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from zhenwei.errors import ConfigError, DataError
from zhenwei.news.enrichment.emotion import EmotionExtractor
from zhenwei.news.enrichment.emotion_lexicon import (
    CATEGORIES,
    LexiconEntry,
    built_in_digest,
    built_in_modifiers,
    built_in_words,
)
from zhenwei.news.sources.synthetic import SyntheticDataset

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def extractor() -> EmotionExtractor:
    return EmotionExtractor()


def values(extractor: EmotionExtractor, text: str) -> dict[str, float]:
    """What is not zero in a text's vector, by name."""
    return {name: value for name, value in zip(extractor.names, extractor(text), strict=True) if value}


def rate(amount: float, words: int) -> float:
    per_ten = 10 * amount / words
    return pytest.approx(per_ten / (1 + abs(per_ten)), abs=1e-6)


def level(count: int) -> float:
    return pytest.approx(math.log(1 + count) / math.log(101), abs=1e-6)


class TestWords:
    def test_a_word_of_emotion(self, extractor: EmotionExtractor) -> None:
        # 他 | 高兴 | 地 | 说: one word of joy, intensity 7, among four
        assert values(extractor, "他高兴地说") == {
            "joy_score": rate(1, 4),
            "joy_intensity": rate(7 / 9, 4),
            "positive": rate(1, 4),
            "balance": 1.0,
            "third_person": rate(1, 4),
        }

    @pytest.mark.parametrize(
        ("word", "category", "intensity", "balance"),
        [
            ("开心", "joy", 7, 1.0),
            ("敬佩", "liking", 7, 1.0),
            ("愤怒", "anger", 9, -1.0),
            ("悲伤", "sadness", 7, -1.0),
            ("害怕", "fear", 7, -1.0),
            ("恶心", "disgust", 9, -1.0),
            ("震惊", "surprise", 9, 0.0),
            ("惊喜", "surprise", 7, 1.0),
        ],
    )
    def test_each_category(
        self, extractor: EmotionExtractor, word: str, category: str, intensity: float, balance: float
    ) -> None:
        found = values(extractor, word)
        assert found[f"{category}_score"] == rate(1, 1)
        assert found[f"{category}_intensity"] == rate(intensity / 9, 1)
        assert found.get("balance", 0.0) == balance
        assert {name for name in found if name.endswith("_score")} == {f"{category}_score"}

    def test_a_negation_turns_score_and_polarity(self, extractor: EmotionExtractor) -> None:
        assert values(extractor, "我不开心") == {  # 我 | 不 | 开心
            "joy_score": rate(-1, 3),
            "joy_intensity": rate(-7 / 9, 3),
            "negative": rate(1, 3),
            "balance": -1.0,
            "negation_words": rate(1, 3),
            "first_person": rate(1, 3),
        }

    def test_two_negations_turn_it_back(self, extractor: EmotionExtractor) -> None:
        assert values(extractor, "没有不满意")["joy_score"] == rate(1, 3)  # 没有 | 不 | 满意

    @pytest.mark.parametrize(
        ("degree", "factor"), [("极其", 2), ("非常", 1.75), ("很", 1.5), ("比较", 1.25), ("有点", 0.75)]
    )
    def test_a_degree_word_weighs(self, extractor: EmotionExtractor, degree: str, factor: float) -> None:
        found = values(extractor, f"{degree}难过")
        assert found["sadness_score"] == rate(factor, 2)
        assert found["sadness_intensity"] == rate(factor * 5 / 9, 2)
        assert found["degree_words"] == rate(1, 2)

    def test_degrees_multiply_up_to_four(self, extractor: EmotionExtractor) -> None:
        assert values(extractor, "非常非常非常难过")["sadness_score"] == rate(4, 4)  # 1.75 ** 3 is more

    def test_a_negation_with_a_degree(self, extractor: EmotionExtractor) -> None:
        assert values(extractor, "不非常难过")["sadness_score"] == rate(-1.75, 3)

    def test_what_stands_farther_than_three_words_or_in_another_clause_does_not_count(
        self, extractor: EmotionExtractor
    ) -> None:
        assert values(extractor, "不北京上海难过")["sadness_score"] == rate(-1, 4)
        assert values(extractor, "不北京上海广州难过")["sadness_score"] == rate(1, 5)
        assert values(extractor, "不，难过")["sadness_score"] == rate(1, 2)
        assert values(extractor, "不 难过")["sadness_score"] == rate(-1, 2)

    def test_what_stands_before_another_word_of_emotion_belongs_to_that_one(self, extractor: EmotionExtractor) -> None:
        found = values(extractor, "不喜欢害怕")  # 不 | 喜欢 | 害怕
        assert found["liking_score"] == rate(-1, 3)
        assert found["fear_score"] == rate(1, 3)

    def test_words_that_jieba_holds_together_with_what_turns_them_are_parted(self, extractor: EmotionExtractor) -> None:
        assert values(extractor, "太高兴")["joy_score"] == rate(1.75, 2)

    def test_polarity_weighs_both_sides(self, extractor: EmotionExtractor) -> None:
        found = values(extractor, "开心，非常难过")  # 1 against 1.75, in three words
        assert found["positive"] == rate(1, 3)
        assert found["negative"] == rate(1.75, 3)
        assert found["balance"] == pytest.approx((1 - 1.75) / (1 + 1.75), abs=1e-6)

    def test_persons(self, extractor: EmotionExtractor) -> None:
        found = values(extractor, "我们和你，他们，我")  # 我们 | 和 | 你 | 他们 | 我
        assert found["first_person"] == rate(2, 5)
        assert found["second_person"] == rate(1, 5)
        assert found["third_person"] == rate(1, 5)

    def test_english(self, extractor: EmotionExtractor) -> None:
        found = values(extractor, "I don't love it, SO sad")  # i | do | not | love | it | so | sad
        assert found["liking_score"] == rate(-1, 7)
        assert found["sadness_score"] == rate(1.75, 7)
        assert found["first_person"] == rate(1, 7)
        assert found["upper_case"] == pytest.approx(3 / 16, abs=1e-6)

    def test_words_of_other_scripts_count_as_words(self, extractor: EmotionExtractor) -> None:
        assert values(extractor, "Привет мир 开心")["joy_score"] == rate(1, 3)


class TestSigns:
    def test_marks(self, extractor: EmotionExtractor) -> None:
        assert values(extractor, "甲！乙?!……丙。。丁...") == {
            "exclamations": level(2),
            "questions": level(1),
            "ellipses": level(3),
            "repeated_marks": level(1),
        }

    def test_emoticons_by_kind(self, extractor: EmotionExtractor) -> None:
        assert values(extractor, "[泪][泪]😭 [怒] 👍🏽 ^_^ [转发] 🌵 🇨🇳") == {
            "emoticons_sadness": level(3),
            "emoticons_anger": level(1),
            "emoticons_liking": level(1),
            "emoticons_joy": level(1),
            "emoticons_other": level(3),
        }

    def test_faces_of_marks_do_not_stand_within_words(self, extractor: EmotionExtractor) -> None:
        assert values(extractor, "orz")["emoticons_sadness"] == level(1)
        assert "emoticons_sadness" not in values(extractor, "borzoi")

    def test_capitals_and_digits(self, extractor: EmotionExtractor) -> None:
        assert values(extractor, "ABcd 123号") == {"upper_case": 0.5, "digits": pytest.approx(3 / 8, abs=1e-6)}

    def test_hashtags_mentions_and_links_are_counted_and_what_is_in_them_is_not(
        self, extractor: EmotionExtractor
    ) -> None:
        assert values(extractor, "#通报# @不开心 http://t.cn/A1?b=!!#c https://x.cn/2") == {
            "hashtags": level(1),
            "mentions": level(1),
            "links": level(2),
        }

    def test_a_text_without_words_has_signs_alone(self, extractor: EmotionExtractor) -> None:
        assert values(extractor, "！！！") == {"exclamations": level(3), "repeated_marks": level(1)}
        assert values(extractor, "") == {}

    def test_values_stay_between_minus_one_and_one(self, extractor: EmotionExtractor) -> None:
        for text in ("极其绝对彻底开心" * 500, "不" * 1000, "！" * 5000, "[怒]" * 500, "9A" * 1000, "@刘翔 " * 1000):
            assert all(-1 <= value <= 1 for value in extractor(text))


class TestVector:
    def test_it_has_a_value_for_each_name(self, extractor: EmotionExtractor) -> None:
        assert len(extractor) == len(extractor.names) == len(set(extractor.names)) == len(extractor("好")) == 39

    def test_the_guide_has_every_name_in_order(self, extractor: EmotionExtractor) -> None:
        page = (ROOT / "docs" / "enrichment.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| [0-9, –]+ \| (`.+?`) \|", page, flags=re.MULTILINE)
        named = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]
        assert named == list(extractor.names)

    @pytest.mark.slow
    @pytest.mark.nightly
    def test_it_is_the_same_in_another_process(self, extractor: EmotionExtractor) -> None:
        posts = SyntheticDataset(n_train=20, n_val=0, n_test=0).generate()["train"]
        texts = ["我不是很开心！[泪]", "太高兴了", *(post.content for post in posts)]
        program = (
            "import json, sys; from zhenwei.news.enrichment.emotion import EmotionExtractor;"
            "kept, texts = json.load(sys.stdin);"
            "extractor = EmotionExtractor.from_dict(kept); json.dump([extractor(text) for text in texts], sys.stdout)"
        )
        error = json.dumps([extractor.to_dict(), texts])
        done = subprocess.run([sys.executable, "-c", program], input=error, capture_output=True, text=True, check=True)
        assert [tuple(vector) for vector in json.loads(done.stdout)] == [extractor(text) for text in texts]


class TestLexicon:
    def test_our_own_has_words_for_every_emotion(self) -> None:
        words = built_in_words().values()
        assert all(sum(entry.category == category for entry in words) > 100 for category in CATEGORIES)
        modifiers = built_in_modifiers()
        assert not (modifiers.negations | modifiers.degrees.keys() | modifiers.pronouns.keys()) & {
            e.word for e in words
        }
        assert re.fullmatch("[0-9a-f]{16}", built_in_digest())

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("own.tsv", "word\tcategory\tintensity\tpolarity\n绝绝子\tliking\t9\tpositive\n呵呵\t恶\t5\t-1\n"),
            (
                "own.csv",
                '\ufeffPolarity,word,intensity,category\r\n\r\npositive,"绝绝子",9.0,好\r\nnegative,呵呵,5,disgust',
            ),
        ],
    )
    def test_a_users_lexicon_adds_and_replaces(
        self, extractor: EmotionExtractor, tmp_path: Path, name: str, content: str
    ) -> None:
        (tmp_path / name).write_text(content, encoding="utf-8")
        own = EmotionExtractor.from_files([tmp_path / name])
        assert "liking_score" not in values(extractor, "绝绝子")
        assert values(own, "绝绝子")["liking_score"] == rate(1, 1)
        assert values(extractor, "呵呵")["joy_score"] > 0
        assert values(own, "呵呵") == {
            "disgust_score": rate(1, 1),
            "disgust_intensity": rate(5 / 9, 1),
            "negative": rate(1, 1),
            "balance": -1.0,
        }

    def test_a_users_word_is_no_longer_a_modifier(self) -> None:
        own = EmotionExtractor(
            [LexiconEntry("非常", "surprise", 5, "neutral"), LexiconEntry("不", "anger", 3, "negative")]
        )
        assert values(own, "非常开心")["joy_score"] == rate(1, 2)
        assert "negation_words" not in values(own, "不")

    def test_of_a_word_in_several_lexicons_the_last_one_counts(self, tmp_path: Path) -> None:
        for number, category in enumerate(["joy", "anger"]):
            row = f"word\tcategory\tintensity\tpolarity\n绝绝子\t{category}\t9\tneutral\n"
            (tmp_path / f"{number}.tsv").write_text(row, encoding="utf-8")
        own = EmotionExtractor.from_files([tmp_path / "0.tsv", tmp_path / "1.tsv"])
        assert [name for name in values(own, "绝绝子") if name.endswith("score")] == ["anger_score"]

    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            (
                "绝 绝\tjoy\t5\tpositive",
                "line 3: found the word '绝 绝'; expected Chinese characters, Latin letters or",
            ),
            ("绝绝子\thappy\t5\tpositive", "line 3: found the category 'happy'; expected joy, liking, anger, sadness"),
            ("绝绝子\tjoy\t0\tpositive", "line 3: found the intensity '0'; expected a number from 1 to 9"),
            ("绝绝子\tjoy\tnan\tpositive", "line 3: found the intensity 'nan'"),
            ("绝绝子\tjoy\tvery\tpositive", "line 3: found the intensity 'very'"),
            ("绝绝子\tjoy\t5\tgood", "line 3: found the polarity 'good'; expected positive, negative or neutral"),
            ("绝绝子\tjoy\t5", "line 3: found 3 cells; expected 4, as in the header"),
        ],
    )
    def test_a_bad_row_is_refused_with_its_line(self, tmp_path: Path, row: str, problem: str) -> None:
        path = tmp_path / "own.tsv"
        path.write_text(f"word\tcategory\tintensity\tpolarity\n好听\tliking\t5\t1\n{row}\n", encoding="utf-8")
        with pytest.raises(DataError) as caught:
            EmotionExtractor.from_files([path])
        assert "own.tsv: 1 of 2 rows cannot be used" in str(caught.value)
        assert problem in str(caught.value)

    def test_other_columns_and_an_empty_file_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "own.csv"
        path.write_text("word\tcategory\tintensity\tpolarity\n", encoding="utf-8")
        with pytest.raises(DataError, match=r"expected word, category, intensity, polarity, separated by commas"):
            EmotionExtractor.from_files([path])
        path.write_text("word,category,intensity,polarity\n" + "好" * 200_000, encoding="utf-8")
        with pytest.raises(DataError, match="line 2: found 1 cells; expected 4, as in the header"):
            EmotionExtractor.from_files([path])
        path.write_text("", encoding="utf-8")
        with pytest.raises(DataError, match=r"own\.csv: found the columns nothing"):
            EmotionExtractor.from_files([path])
        path.write_text("word,category,intensity,polarity\n", encoding="utf-8")
        with pytest.raises(DataError, match="found no words; expected at least one below the header"):
            EmotionExtractor.from_files([path])


class TestKeeping:
    def test_what_a_bundle_keeps_is_json_and_gives_the_same_vectors(self) -> None:
        own = EmotionExtractor([LexiconEntry("绝绝子", "liking", 9, "positive")])
        kept = json.loads(json.dumps(own.to_dict()))
        assert kept["entries"] == [["绝绝子", "liking", 9, "positive"]]
        again = EmotionExtractor.from_dict(kept)
        assert again.to_dict() == own.to_dict()
        assert again("绝绝子！") == own("绝绝子！") != EmotionExtractor()("绝绝子！")

    @pytest.mark.parametrize("name", ["formula", "lexicon", "jieba"])
    def test_another_version_is_refused(self, extractor: EmotionExtractor, name: str) -> None:
        with pytest.raises(ConfigError, match=f"emotion features: found {name} 'other'; this installation has"):
            EmotionExtractor.from_dict({**extractor.to_dict(), name: "other"})

    @pytest.mark.parametrize("entries", [None, [None], [["好", "joy"]], [["好", "joy", 99, "positive"]]])
    def test_damaged_entries_are_refused(self, extractor: EmotionExtractor, entries: object) -> None:
        with pytest.raises(ConfigError, match="emotion features: the entries cannot be read"):
            EmotionExtractor.from_dict({**extractor.to_dict(), "entries": entries})

    def test_it_can_be_pickled_without_jiebas_dictionary(self, extractor: EmotionExtractor) -> None:
        pickled = pickle.dumps(extractor)
        assert len(pickled) < 200_000
        assert pickle.loads(pickled)("我不开心") == extractor("我不开心")
