"""One text: prediction, explanation, known cases, language, review, and history."""

import json
from typing import Any

import pytest

pytestmark = pytest.mark.slow

FAKE = "听说云溪的大蒜出大事了，内部消息，赶紧转给家人！"
REAL = "据东河通报，食盐检测合格，供应恢复正常。"


class TestVerdict:
    @pytest.mark.parametrize(("text", "words"), [(FAKE, "更像假新闻"), (REAL, "更像真新闻")])
    def test_it_has_its_name_probability_and_threshold(
        self, visit: Any, site: Any, detector: Any, text: str, words: str
    ) -> None:
        visit.open(site.url).predict(text)
        [predicted] = detector.predict(text)
        share = visit.text(".probability")
        assert visit.text(".verdict") == words
        assert visit.run("return document.querySelector('.verdict .sign') !== null")
        assert share == f"{predicted.probability:.0%}"
        assert visit.text(".flag") == f"阈值 {predicted.threshold:.0%}"
        assert visit.one(".gauge").get_attribute("aria-label").startswith(f"是假新闻的概率 {share}")
        assert words in visit.one("#announcement").get_attribute("textContent")

    def test_the_bar_shows_probability_and_threshold(self, visit: Any, site: Any, detector: Any) -> None:
        visit.open(site.url).predict(FAKE)
        [predicted] = detector.predict(FAKE)
        fill, mark, track = (visit.one(f".{part}").rect for part in ("fill", "threshold", "track"))
        assert fill["width"] / track["width"] == pytest.approx(predicted.probability, abs=0.01)
        middle = mark["x"] + mark["width"] / 2 - track["x"]
        assert middle / track["width"] == pytest.approx(predicted.threshold, abs=0.01)

    def test_an_uncalibrated_probability_is_called_so(self, visit: Any, site: Any) -> None:
        visit.open(site.url).predict(FAKE)
        assert "未校准" in visit.text(".probability-line")

    def test_without_a_verdict_there_is_a_reason_and_no_percentage(self, visit: Any, site: Any) -> None:
        visit.open(site.url).predict("@小明 http://t.cn/abc")
        assert visit.text(".verdict") == "无法判断"
        assert visit.texts(".reasons li") == ["只有链接"]
        assert "%" not in visit.text("#verdict")
        assert not visit.seen(".gauge")
        assert "无法判断: 只有链接" in visit.one("#announcement").get_attribute("textContent")
        assert visit.browser.messages() == []

    def test_a_blank_text_is_not_sent(self, visit: Any, site: Any) -> None:
        visit.open(site.url)
        visit.run("document.getElementById('text').value = ' \\u200b\\n'")
        visit.click("#predict-form .primary")
        assert visit.text("#text-error") == "还没有文字，请先粘贴一段。"
        assert visit.focused() == "text"
        assert visit.one("#text").get_attribute("aria-invalid") == "true"
        assert not [url for url in visit.browser.requests() if url.endswith("predict")]

    def test_a_text_is_never_markup(self, visit: Any, site: Any) -> None:
        markup = "<img src=x onerror=document.title='hit'><b>听说大蒜出大事了</b>"
        visit.open(site.url).predict(markup)
        assert visit.run("return document.querySelectorAll('#panel-text img, #panel-text b').length") == 0
        assert markup in visit.one("#words .highlighted").get_attribute("textContent")
        assert visit.browser.messages() == []


class TestWords:
    def test_words_are_highlighted_in_both_directions(self, visit: Any, site: Any, detector: Any) -> None:
        visit.open(site.url).predict(FAKE)
        attributions = detector.explain(FAKE).words
        strongest, attribution = max(attributions, key=lambda each: abs(each[1]))
        assert visit.one("#words .highlighted").get_attribute("textContent") == FAKE
        assert strongest in visit.texts(f"#words .highlighted mark.{'fake' if attribution > 0 else 'real'}.strong")
        for direction, sign in (("fake", 1), ("real", -1)):
            words = {word for word, attribution in attributions if attribution * sign > 0}
            assert set(visit.texts(f"#words .highlighted mark.{direction}")) <= words

    def test_the_directions_differ_in_more_than_color_and_have_a_legend(self, visit: Any, site: Any) -> None:
        visit.open(site.url).predict(FAKE)
        style = "return getComputedStyle(document.querySelector(arguments[0])).textDecorationStyle"
        assert visit.run(style, ".legend mark.fake") == "solid"
        assert visit.run(style, ".legend mark.real") == "dotted"
        assert visit.texts(".legend mark") == ["偏向假", "偏向真"]

    def test_attention_is_collapsed_at_first(self, visit: Any, site: Any) -> None:
        visit.open(site.url).predict(FAKE)
        assert not visit.seen(".attention .highlighted")
        visit.click(".attention summary")
        assert visit.one(".attention .highlighted").get_attribute("textContent") == FAKE


class TestKnownCases:
    def test_the_most_similar_cases_have_their_labels(self, visit: Any, site: Any, detector: Any) -> None:
        visit.open(site.url).predict(FAKE)
        cases = detector.neighbours(FAKE, 5)
        assert visit.texts("#neighbours .case-text") == [case.text for case in cases]
        assert visit.texts("#neighbours .verdict-label") == [{"fake": "假", "real": "真"}[case.label] for case in cases]

    def test_a_nearly_known_text_has_a_translated_warning(self, visit: Any, site: Any, detector: Any) -> None:
        text = detector.neighbours(FAKE, 1)[0].text
        visit.open(site.url).predict(text)
        assert "几乎一样，标注：假" in visit.text("#verdict .notice")


class TestLanguage:
    def test_the_first_visit_uses_the_browsers_language(self, visit: Any, site: Any) -> None:
        visit.open(site.url, language=None)
        assert visit.run("return navigator.language").startswith("en")
        assert visit.run("return document.documentElement.lang") == "en"
        assert visit.text("h1") == "Does this text read like fake news?"

    def test_a_switch_translates_everything_and_is_stored(self, visit: Any, site: Any) -> None:
        visit.open(site.url).predict(FAKE)
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

    def test_both_languages_have_the_same_strings_and_placeholders(self, visit: Any, site: Any) -> None:
        visit.open(site.url)
        strings = visit.browser.driver.execute_async_script(
            "const done = arguments[0]; Promise.all(['zh', 'en'].map((each) => import(`./script/strings.${each}.js`)))"
            ".then(([{ zh }, { en }]) => done([zh, en]));"
        )
        placeholders = [{key: sorted(set(_placeholders(value))) for key, value in each.items()} for each in strings]
        assert placeholders[0] == placeholders[1]

    def test_every_warning_of_the_detector_is_translated(self, visit: Any, site: Any, detector: Any) -> None:
        warnings = {
            "太长": FAKE * 8,
            "几乎一样": detector.neighbours(FAKE, 1)[0].text,
        }
        visit.open(site.url)
        for words, text in warnings.items():
            visit.predict(text)
            shown = visit.text("#verdict .notice ul")
            assert words in shown
            assert visit.run("return document.querySelectorAll('#verdict .notice [lang=en]').length") == 0


class TestReview:
    def test_a_review_is_stored_with_the_prediction(self, visit: Any, site: Any, detector: Any) -> None:
        visit.open(site.url).predict(REAL)
        visit.click(".review summary")
        visit.one("#comment").send_keys("水务公司已辟谣")
        visit.one("#reviewer").send_keys("editor-7")
        visit.click("#review-fake")
        visit.until("return document.getElementById('review-status').textContent.startsWith('已记为「假」')")
        stored = site.reviews()[-1]
        assert (stored["text"], stored["verdict"], stored["predicted_verdict"]) == (REAL, "fake", "real")
        assert stored["predicted_probability"] == pytest.approx(detector.predict(REAL)[0].probability, abs=1e-4)
        assert (stored["comment"], stored["reviewer"]) == ("水务公司已辟谣", "editor-7")
        assert len(stored["bundle_version"]) == 64
        assert visit.focused() == "review-fake"
        assert visit.one("#review-fake").get_attribute("aria-pressed") == "true"
        assert "你判：假" in visit.text("#history-list")

    def test_a_changed_verdict_is_another_review(self, visit: Any, site: Any) -> None:
        visit.open(site.url).predict(FAKE)
        for verdict, name in (("fake", "假"), ("real", "真")):
            visit.click(f"#review-{verdict}")
            visit.until(
                "return document.getElementById('review-status').textContent.includes(arguments[0])", f"「{name}」"
            )
        assert [review["verdict"] for review in site.reviews()[-2:]] == ["fake", "real"]
        assert visit.one("#review-fake").get_attribute("aria-pressed") == "false"


class TestSession:
    def test_earlier_results_can_be_shown_again_also_after_a_reload(self, visit: Any, site: Any) -> None:
        visit.open(site.url)
        for text in (FAKE, REAL):
            visit.predict(text)
        visit.browser.driver.refresh()
        visit.until("return document.documentElement.dataset.ready")
        assert [REAL in visit.texts("#history-list li")[0], FAKE in visit.texts("#history-list li")[1]] == [True, True]
        visit.click("#history-list li:nth-child(2) button")
        assert visit.text(".verdict") == "更像假新闻"
        assert visit.one("#text").get_attribute("value") == FAKE
        assert visit.focused() == "outcome-title"

    def test_the_history_can_be_cleared(self, visit: Any, site: Any) -> None:
        visit.open(site.url).predict(FAKE)
        visit.click("#clear-history")
        assert not visit.seen("#history")
        assert json.loads(visit.run("return sessionStorage.getItem('zhenwei.history')")) == []

    def test_a_changed_text_marks_the_result_as_stale(self, visit: Any, site: Any) -> None:
        visit.open(site.url).predict(FAKE)
        assert not visit.seen("#stale")
        visit.one("#text").send_keys("又")
        assert visit.seen("#stale")

    def test_a_text_can_be_pasted_anywhere(self, visit: Any, site: Any) -> None:
        visit.open(site.url)
        visit.run(
            "const clipboardData = new DataTransfer(); clipboardData.setData('text/plain', arguments[0]);"
            "document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));",
            FAKE,
        )
        assert (visit.one("#text").get_attribute("value"), visit.focused()) == (FAKE, "text")

    def test_an_example_is_predicted(self, visit: Any, site: Any) -> None:
        visit.open(site.url)
        visit.click("#examples li:first-child button")
        visit.until("return document.querySelector('#words .highlighted')")
        assert visit.one("#text").get_attribute("value").startswith("听说云溪市的自来水")


def _placeholders(sentence: str) -> list[str]:
    return [part.split("}")[0] for part in sentence.split("{")[1:]]
