"""Scripts of texts."""

from zhenwei.audit.checks.languages import SCRIPTS, count_letters_by_script, other_scripts
from zhenwei.audit.dataset import AuditDataset
from zhenwei.news import Article

POST = "你好，听说云溪市的自来水出问题了，是真的吗？"


def dataset(*texts: str) -> AuditDataset:
    return AuditDataset.from_articles({"train": [Article(content=text) for text in texts]})


def test_letters_are_counted_by_script() -> None:
    texts = ("水水abc", "かなカナ", "한국", "привет", "x" * 3 + "𠀀", "！？12", "ไทย", "é")
    counts = count_letters_by_script(texts)
    by_name = [{SCRIPTS[i]: int(n) for i, n in enumerate(row) if n} for row in counts]
    assert by_name == [
        {"Chinese": 2, "Latin": 3},
        {"Japanese kana": 4},
        {"Korean": 2},
        {"Cyrillic": 6},
        {"Latin": 3, "Chinese": 1},
        {},
        {"Thai": 3},
        {"Latin": 1},
    ]


def test_the_main_script_is_that_of_most_articles() -> None:
    english = "The water of the river is not safe to drink"
    mostly_chinese = other_scripts(dataset(*[POST] * 8, english, "これは日本語の文章です、水を飲まない"))
    assert "2 of 10 articles (20.0%) are not in the main script (Chinese)" in mostly_chinese.summary
    mostly_english = other_scripts(dataset(*[english] * 9, POST))
    assert "1 of 10 articles (10.0%) are not in the main script (Latin): Chinese 1" in mostly_english.summary


def test_links_and_mentions_do_not_count() -> None:
    short = "转发 http://t.cn/abcdefgh1234567 @some_user_name_here 看看这里发生了什么事"
    assert other_scripts(dataset(*[POST] * 3, short)).value == 0


def test_texts_with_few_letters_are_not_checked() -> None:
    assert other_scripts(dataset("ok!", "？？")).summary.startswith("not checked")
