"""A moderator's visit: a text is pasted, judged, explained, compared, reviewed, and looked at again."""

import json
from typing import Any

import pytest

pytestmark = pytest.mark.slow

FAKE = "听说云溪的大蒜出大事了，内部消息，赶紧转给家人！"
REAL = "据东河通报，食盐检测合格，供应恢复正常。"
ENGLISH = "The mayor said on Tuesday that the water of the city is safe to drink again."


class TestVerdict:
    @pytest.mark.parametrize(("text", "words"), [(FAKE, "更像假新闻"), (REAL, "更像真新闻")])
    def test_it_is_told_in_a_word_with_probability_and_threshold(
        self, visit: Any, site: Any, detector: Any, text: str, words: str
    ) -> None:
        visit.open(site.url).judge(text)
        [predicted] = detector.predict(text)
        share = visit.text(".figure")
        assert visit.text(".verdict") == words
        assert visit.run("return document.querySelector('.verdict .sign') !== null")
        assert share == f"{predicted.probability:.0%}"
        assert visit.text(".flag") == f"界线 {predicted.threshold:.0%}"
        assert visit.one(".gauge").get_attribute("aria-label").startswith(f"是假新闻的概率 {share}")
        assert words in visit.one("#announcement").get_attribute("textContent")

    def test_the_bar_is_as_long_as_the_probability_and_the_mark_stands_at_the_threshold(
        self, visit: Any, site: Any, detector: Any
    ) -> None:
        visit.open(site.url).judge(FAKE)
        [predicted] = detector.predict(FAKE)
        fill, mark, track = (visit.one(f".{part}").rect for part in ("fill", "threshold", "track"))
        assert fill["width"] / track["width"] == pytest.approx(predicted.probability, abs=0.01)
        middle = mark["x"] + mark["width"] / 2 - track["x"]
        assert middle / track["width"] == pytest.approx(predicted.threshold, abs=0.01)

    def test_it_is_called_calibrated_only_where_it_is(self, visit: Any, site: Any) -> None:
        visit.open(site.url).judge(FAKE)
        assert "未校准" in visit.text(".figure-line")

    def test_a_blank_text_is_not_sent(self, visit: Any, site: Any) -> None:
        visit.open(site.url)
        visit.run("document.getElementById('text').value = ' \\u200b\\n'")
        visit.click("#judge .primary")
        assert visit.text("#text-error") == "还没有文字。贴一段进来再判断。"
        assert visit.focused() == "text"
        assert visit.one("#text").get_attribute("aria-invalid") == "true"
        assert not [url for url in visit.browser.requests() if url.endswith("predict")]

    def test_a_text_is_never_taken_for_markup(self, visit: Any, site: Any) -> None:
        markup = "<img src=x onerror=document.title='hit'><b>听说大蒜出大事了</b>"
        visit.open(site.url).judge(markup)
        assert visit.run("return document.querySelectorAll('#panel-text img, #panel-text b').length") == 0
        assert markup in visit.one("#words .highlighted").get_attribute("textContent")
        assert visit.browser.messages() == []


class TestWords:
    def test_those_that_swayed_it_are_marked_both_ways_within_the_text(
        self, visit: Any, site: Any, detector: Any
    ) -> None:
        visit.open(site.url).judge(FAKE)
        attributions = detector.explain(FAKE).words
        strongest, attribution = max(attributions, key=lambda each: abs(each[1]))
        assert visit.one("#words .highlighted").get_attribute("textContent") == FAKE
        assert strongest in visit.texts(f"#words .highlighted mark.{'fake' if attribution > 0 else 'real'}.strong")
        for way, sign in (("fake", 1), ("real", -1)):
            told = {word for word, attribution in attributions if attribution * sign > 0}
            assert set(visit.texts(f"#words .highlighted mark.{way}")) <= told

    def test_the_two_ways_differ_in_more_than_colour_and_the_legend_says_which_is_which(
        self, visit: Any, site: Any
    ) -> None:
        visit.open(site.url).judge(FAKE)
        style = "return getComputedStyle(document.querySelector(arguments[0])).textDecorationStyle"
        assert visit.run(style, ".legend mark.fake") == "solid"
        assert visit.run(style, ".legend mark.real") == "dotted"
        assert visit.texts(".legend mark") == ["偏向假", "偏向真"]

    def test_attention_is_a_view_of_its_own_that_begins_folded(self, visit: Any, site: Any) -> None:
        visit.open(site.url).judge(FAKE)
        assert not visit.seen(".attention .highlighted")
        visit.click(".attention summary")
        assert visit.one(".attention .highlighted").get_attribute("textContent") == FAKE


class TestKnownCases:
    def test_those_most_like_the_text_are_shown_with_their_labels(self, visit: Any, site: Any, detector: Any) -> None:
        visit.open(site.url).judge(FAKE)
        found = detector.neighbours(FAKE, 5)
        assert visit.texts("#known .case-text") == [case.text for case in found]
        assert visit.texts("#known .told") == [{"fake": "假", "real": "真"}[case.label] for case in found]

    def test_a_text_that_is_nearly_known_gets_a_warning_in_the_readers_language(
        self, visit: Any, site: Any, detector: Any
    ) -> None:
        text = detector.neighbours(FAKE, 1)[0].text
        visit.open(site.url).judge(text)
        assert "几乎一样，标注：假" in visit.text("#verdict .notice")


class TestLanguage:
    def test_the_first_visit_is_in_the_browsers_language(self, visit: Any, site: Any) -> None:
        visit.open(site.url, language=None)
        assert visit.run("return navigator.language").startswith("en")
        assert visit.run("return document.documentElement.lang") == "en"
        assert visit.text("h1") == "Does this text read like fake news?"

    def test_a_switch_changes_all_that_is_said_and_is_remembered(self, visit: Any, site: Any) -> None:
        visit.open(site.url).judge(FAKE)
        visit.click("#language")
        assert visit.run("return document.documentElement.lang") == "en"
        assert visit.text(".verdict") == "Reads like fake news"
        assert visit.texts(".legend mark") == ["towards fake", "towards real"]
        chinese = (
            "return [...document.querySelectorAll('body *')].filter((each) => /[\\u4e00-\\u9fff]/.test("
            "[...each.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join('')) && "
            "!each.closest('[lang^=zh], noscript')).map((each) => each.textContent)"
        )
        assert visit.run(chinese) == []
        visit.browser.driver.refresh()
        visit.until("return document.documentElement.dataset.ready")
        assert visit.text("h1") == "Does this text read like fake news?"

    def test_both_languages_have_words_for_the_same_things(self, visit: Any, site: Any) -> None:
        visit.open(site.url)
        names = visit.browser.driver.execute_async_script(
            "const done = arguments[0]; Promise.all(['zh', 'en'].map((each) => import(`./script/words.${each}.js`)))"
            ".then(([{ zh }, { en }]) => done([zh, en]));"
        )
        gaps = [{key: sorted(set(_gaps(value))) for key, value in each.items()} for each in names]
        assert gaps[0] == gaps[1]

    def test_every_warning_of_the_detector_is_said_in_chinese(self, visit: Any, site: Any, detector: Any) -> None:
        warned = {
            "太长": FAKE * 8,
            "没见过": "☃" * 30,
            "几乎不是中文": ENGLISH,
            "几乎一样": detector.neighbours(FAKE, 1)[0].text,
        }
        visit.open(site.url)
        for words, text in warned.items():
            visit.judge(text)
            told = visit.text("#verdict .notice ul")
            assert words in told
            assert visit.run("return document.querySelectorAll('#verdict .notice [lang=en]').length") == 0


class TestReview:
    def test_a_reviewers_verdict_goes_into_the_database_with_what_was_predicted(
        self, visit: Any, site: Any, detector: Any
    ) -> None:
        visit.open(site.url).judge(REAL)
        visit.click(".review summary")
        visit.one("#comment").send_keys("水务公司已辟谣")
        visit.one("#reviewer").send_keys("editor-7")
        visit.click("#review-fake")
        visit.until("return document.getElementById('review-status').textContent.startsWith('已记为「假」')")
        kept = site.reviews()[-1]
        assert (kept["text"], kept["verdict"], kept["predicted_verdict"]) == (REAL, "fake", "real")
        assert kept["predicted_probability"] == pytest.approx(detector.predict(REAL)[0].probability, abs=1e-4)
        assert (kept["comment"], kept["reviewer"]) == ("水务公司已辟谣", "editor-7")
        assert len(kept["bundle_version"]) == 64
        assert visit.focused() == "review-fake"
        assert visit.one("#review-fake").get_attribute("aria-pressed") == "true"
        assert "你判：假" in visit.text("#history-list")

    def test_a_changed_mind_is_a_review_of_its_own(self, visit: Any, site: Any) -> None:
        visit.open(site.url).judge(FAKE)
        for verdict, name in (("fake", "假"), ("real", "真")):
            visit.click(f"#review-{verdict}")
            visit.until(
                "return document.getElementById('review-status').textContent.includes(arguments[0])", f"「{name}」"
            )
        assert [review["verdict"] for review in site.reviews()[-2:]] == ["fake", "real"]
        assert visit.one("#review-fake").get_attribute("aria-pressed") == "false"


class TestSession:
    def test_what_was_judged_can_be_looked_at_again_also_after_a_reload(self, visit: Any, site: Any) -> None:
        visit.open(site.url)
        for text in (FAKE, REAL):
            visit.judge(text)
        visit.browser.driver.refresh()
        visit.until("return document.documentElement.dataset.ready")
        assert [REAL in visit.texts("#history-list li")[0], FAKE in visit.texts("#history-list li")[1]] == [True, True]
        visit.click("#history-list li:nth-child(2) button")
        assert visit.text(".verdict") == "更像假新闻"
        assert visit.one("#text").get_attribute("value") == FAKE
        assert visit.focused() == "outcome-title"

    def test_it_is_forgotten_when_asked(self, visit: Any, site: Any) -> None:
        visit.open(site.url).judge(FAKE)
        visit.click("#forget")
        assert not visit.seen("#history")
        assert json.loads(visit.run("return sessionStorage.getItem('zhenwei.history')")) == []

    def test_a_changed_text_is_told_from_the_one_that_was_judged(self, visit: Any, site: Any) -> None:
        visit.open(site.url).judge(FAKE)
        assert not visit.seen("#stale")
        visit.one("#text").send_keys("又")
        assert visit.seen("#stale")

    def test_a_text_may_be_pasted_anywhere(self, visit: Any, site: Any) -> None:
        visit.open(site.url)
        visit.run(
            "const clipboardData = new DataTransfer(); clipboardData.setData('text/plain', arguments[0]);"
            "document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));",
            FAKE,
        )
        assert (visit.one("#text").get_attribute("value"), visit.focused()) == (FAKE, "text")

    def test_an_example_shows_what_the_page_does(self, visit: Any, site: Any) -> None:
        visit.open(site.url)
        visit.click("#examples li:first-child button")
        visit.until("return document.querySelector('#words .highlighted')")
        assert visit.one("#text").get_attribute("value").startswith("听说云溪市的自来水")


def _gaps(sentence: str) -> list[str]:
    return [part.split("}")[0] for part in sentence.split("{")[1:]]
