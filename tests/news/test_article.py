"""The article: which values its fields accept, how they are stored, and its row."""

import json
import pickle
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, date, datetime, timedelta, timezone

import pandas as pd
import pytest

from zhenwei.errors import DataError
from zhenwei.news import Article
from zhenwei.news.article import ArticleError


def refused(**fields: object) -> str:
    with pytest.raises(ArticleError) as caught:
        Article.from_row({"content": "某地发生地震", **fields})
    (field,) = fields
    (problem,) = caught.value.problems
    assert str(caught.value) == f"field '{field}': {problem}"
    return problem


def accepted(**fields: object) -> Article:
    return Article.from_row({"content": "某地发生地震", **fields})


def test_content_alone_is_an_article() -> None:
    article = Article(content="某地发生地震")
    assert article.to_row() == {"content": "某地发生地震"}
    assert (article.label, article.target, article.id, article.time, article.domain) == (None,) * 5
    assert (article.entity_list, article.emotion) == (None, None)


def test_an_article_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Article(content="甲").content = "乙"  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        Article(content="甲").note = "乙"  # type: ignore[attr-defined]


def test_constructor_validates_like_a_row() -> None:
    with pytest.raises(
        DataError, match="field 'content': found 5; expected a text; field 'label': found 'x'; expected"
    ):
        Article(content=5, label="x")
    article = Article(content="甲", label=1, time="2021-02-03", entity_list=["乙"], emotion=[1], extra={"likes": 3})
    assert article == Article.from_row(article.to_row())
    assert (article.label, article.time, article.entity_list) == ("fake", datetime(2021, 2, 3), ("乙",))
    with pytest.raises(TypeError):
        Article(content="甲", likes=3)  # type: ignore[call-arg]


def test_copies_with_other_values_are_validated() -> None:
    article = Article(content="甲", id="1", extra={"likes": 3})
    assert replace(article, label="fake").to_row() == article.to_row() | {"label": "fake"}
    with pytest.raises(ArticleError, match="field 'label': found 'x'"):
        replace(article, label="x")


def test_equal_articles_have_equal_hashes_and_survive_pickling() -> None:
    article = Article(content="甲", emotion=[0.5], extra={"tags": ["a"]})
    assert (
        pickle.loads(pickle.dumps(article)) == article == Article(content="甲", emotion=(0.5,), extra={"tags": ["a"]})
    )
    assert hash(article) == hash(Article(content="甲", emotion=[0.5], extra={"tags": ["a"]}))
    assert article != Article(content="甲", emotion=[0.5])


def test_names_of_extra_fields_are_validated() -> None:
    with pytest.raises(ArticleError, match="extra: found 'label'; expected it as the argument of that name"):
        Article(content="甲", extra={"label": 1})
    with pytest.raises(ArticleError, match="found a field named 5; expected a string as name"):
        Article(content="甲", extra={5: 1})  # type: ignore[dict-item]
    with pytest.raises(
        ArticleError, match=r"found a field named 'na\\ud800me'; expected a name without lone surrogates"
    ):
        Article.from_row({"content": "甲", "na\ud800me": 1})


@pytest.mark.parametrize("value", [None, 5, 1.5, True, ["甲"], {"text": "甲"}, b"x"])
def test_content_that_is_no_text_is_refused_and_not_coerced(value: object) -> None:
    assert refused(content=value).endswith("; expected a text")


@pytest.mark.parametrize("value", ["", " ", "\n\t", "\u200b\u200d\ufeff", "\x00\x07", "\u3000\xa0\u2028", "\u00ad"])
def test_content_without_a_visible_character_is_blank(value: str) -> None:
    assert "not blank" in refused(content=value)


def test_content_keeps_every_character_as_written() -> None:
    text = "  \u200b真的吗？\r\n\x07[怒]\U0001f600 "
    assert Article(content=text).content == text


@pytest.mark.parametrize("field", ["content", "id", "domain"])
def test_half_a_surrogate_pair_is_refused(field: str) -> None:
    assert "lone surrogates" in refused(**{field: "甲\ud83d"})


def test_a_refusal_quotes_long_values_in_short() -> None:
    message = refused(label="很长" * 500)
    assert len(message) < 100
    assert message.startswith("found '很长")
    assert message.endswith("; expected 'real', 'fake', 0 or 1")
    assert len(refused(label=["很长"] * 500)) < 100


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("real", "real"), ("fake", "fake"), (" Fake ", "fake"), ("REAL", "real"), (0, "real"), (1, "fake"),
        ("0", "real"), ("1", "fake"), (0.0, "real"), (1.0, "fake"), ("0.0", "real"), ("1.0", "fake"), (None, None),
    ],
)  # fmt: skip
def test_labels_are_read_in_every_spelling(value: object, label: str | None) -> None:
    article = accepted(label=value)
    assert article.label == label
    assert article.target == {"real": 0, "fake": 1, None: None}[label]


@pytest.mark.parametrize("value", ["maybe", "", True, False, 2, -1, 0.5, float("nan"), ["fake"], "true"])
def test_labels_of_other_kinds_are_refused(value: object) -> None:
    assert refused(label=value).endswith("; expected 'real', 'fake', 0 or 1")


def test_the_message_of_a_label_says_what_was_found() -> None:
    assert refused(label="maybe") == "found 'maybe'; expected 'real', 'fake', 0 or 1"


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2021-02-03", datetime(2021, 2, 3)),
        (" 2021-02-03 ", datetime(2021, 2, 3)),
        ("2021-02-03 04:05", datetime(2021, 2, 3, 4, 5)),
        ("2021-02-03 04:05:06", datetime(2021, 2, 3, 4, 5, 6)),
        ("2021-02-03T04:05:06.5", datetime(2021, 2, 3, 4, 5, 6, 500_000)),
        ("2021-02-03T04:05:06Z", datetime(2021, 2, 3, 4, 5, 6)),
        ("2021-02-03T04:05:06+08:00", datetime(2021, 2, 2, 20, 5, 6)),
        (1347334462, datetime(2012, 9, 11, 3, 34, 22)),
        (1347334462.0, datetime(2012, 9, 11, 3, 34, 22)),
        ("1347334462", datetime(2012, 9, 11, 3, 34, 22)),
        ("1347334462.5", datetime(2012, 9, 11, 3, 34, 22, 500_000)),
        (0, datetime(1970, 1, 1)),
        (-86400, datetime(1969, 12, 31)),
        (99999999, datetime(1973, 3, 3, 9, 46, 39)),
        (datetime(2021, 2, 3, 4), datetime(2021, 2, 3, 4)),
        (datetime(2021, 2, 3, 4, tzinfo=UTC), datetime(2021, 2, 3, 4)),
        (datetime(2021, 2, 3, 4, tzinfo=timezone(timedelta(hours=8))), datetime(2021, 2, 2, 20)),
        (date(2021, 2, 3), datetime(2021, 2, 3)),
        (pd.Timestamp("2021-02-03 04:05:06"), datetime(2021, 2, 3, 4, 5, 6)),
        (None, None),
    ],
)
def test_times_are_naive_and_utc_where_a_zone_is_known(value: object, moment: datetime | None) -> None:
    time = accepted(time=value).time
    assert time == moment
    assert time is None or (type(time) is datetime and time.tzinfo is None)


@pytest.mark.parametrize("value", [2021, "2021", 2021.0, "2021.0"])
def test_a_year_alone_is_ambiguous(value: object) -> None:
    assert "ambiguous" in refused(time=value)


@pytest.mark.parametrize("value", [20210203, "20210203"])
def test_digits_that_spell_a_date_are_not_taken_for_seconds(value: object) -> None:
    assert "hyphens" in refused(time=value)


@pytest.mark.parametrize("value", [1347334462000, "1347334462000", 1e12, 10**400, float("inf"), float("nan")])
def test_milliseconds_are_refused_with_a_word_on_seconds(value: object) -> None:
    assert "in seconds" in refused(time=value)


@pytest.mark.parametrize(
    "value",
    ["2021-02-30", "2021-13-01", "2021-02-03 25:00", "2021-2-3", "03/02/2021", "", "昨天", "2021-02", True, [2021],
     "0001-01-01T00:00:00+08:00", "2021-02-03-04", "２０２１-02-03", -99999999999],
)  # fmt: skip
def test_times_that_are_none_are_refused(value: object) -> None:
    assert refused(time=value).startswith("found ")
    assert "Unix seconds" in refused(time=value)


def test_ids_and_domains_are_strings_and_whole_numbers_their_digits() -> None:
    article = accepted(id=17, domain=2016)
    assert (article.id, article.domain) == ("17", "2016")
    assert accepted(id="", domain="").to_row() == {"content": "某地发生地震"}


@pytest.mark.parametrize("value", [True, 1.5, ["a"]])
def test_ids_of_other_kinds_are_refused(value: object) -> None:
    assert refused(id=value).endswith("; expected a string or a whole number")


@pytest.mark.parametrize(
    "value",
    [
        [{"entity": "北京"}, {"entity": "小王"}],
        ["北京", "小王"],
        ("北京", "小王"),
        '[{"entity": "北京"}, "小王"]',
        [{"entity": "北京", "kind": "place"}, "小王"],
    ],
)
def test_entities_are_read_as_endef_writes_them_or_plain(value: object) -> None:
    article = accepted(entity_list=value)
    assert article.entity_list == ("北京", "小王")
    assert article.to_row()["entity_list"] == [{"entity": "北京"}, {"entity": "小王"}]


def test_no_entities_found_is_not_the_same_as_not_looked_for() -> None:
    assert accepted(entity_list=[]).to_row()["entity_list"] == []
    assert "entity_list" not in accepted(entity_list=None).to_row()


@pytest.mark.parametrize("value", ["北京", 5, [5], [{"name": "北京"}], [["北京"]], {"entity": "北京"}, "[" * 100_000])
def test_entities_of_other_kinds_are_refused(value: object) -> None:
    assert "expected a list of" in refused(entity_list=value)


def test_emotion_is_a_list_of_finite_numbers() -> None:
    assert accepted(emotion=[0, 0.5, 1]).emotion == (0.0, 0.5, 1.0)
    assert accepted(emotion="[0, 0.5]").emotion == (0.0, 0.5)
    assert accepted(emotion=[0.5]).to_row()["emotion"] == [0.5]
    assert accepted(emotion=None).emotion is None


@pytest.mark.parametrize(
    "value", [[], ["a"], [True], [None], [float("nan")], [float("inf")], [10**400], 0.5, "x", "[NaN]"]
)
def test_emotion_of_other_kinds_is_refused(value: object) -> None:
    assert refused(emotion=value).endswith("; expected a list of finite numbers")


def test_unknown_fields_pass_through_untouched() -> None:
    extra = {"likes": 3, "user": {"verified": True}, "target": "x", "tags": ["a", None]}
    article = accepted(**extra)
    assert article.extra == extra
    assert article.to_row() == {"content": "某地发生地震", **extra}
    assert article.target is None
    assert Article(content="甲").extra == {}


def test_a_row_is_ready_for_json_whatever_the_extras_are() -> None:
    row = accepted(seen=date(2021, 2, 3), ratio=float("nan"), raw=b"\xff", thing=object()).to_row()
    text = json.dumps(row, allow_nan=False)
    assert '"seen": "2021-02-03"' in text
    assert '"ratio": null' in text


def test_a_row_becomes_an_equal_article() -> None:
    article = accepted(
        id=3, label=1, time="2021-02-03 04:05:06.25", domain="军事", entity_list=["甲"], emotion=[0.1], x={"y": 1}
    )
    row = article.to_row()
    assert list(row) == ["id", "content", "label", "time", "domain", "entity_list", "emotion", "x"]
    assert row["time"] == "2021-02-03 04:05:06.250000"
    assert accepted(time="2021-02-03").to_row()["time"] == "2021-02-03 00:00:00"
    assert Article.from_row(row) == article
