"""Services that require a key, or have no optional features."""

import math
from typing import Any

import pytest

pytestmark = pytest.mark.slow

FAKE = "听说云溪的大蒜出大事了，内部消息，赶紧转给家人！"
KEY = "a-key-of-the-tests-0123456789"


def enter_key(visit: Any, key: str) -> None:
    visit.until("return document.getElementById('key-dialog').open")
    visit.one("#key").send_keys(key, "\ue007")


def test_a_key_is_requested_and_stored_as_long_as_the_tab(visit: Any, bare_site: Any) -> None:
    visit.open(bare_site.url, ready=False)
    enter_key(visit, KEY)
    visit.until("return document.documentElement.dataset.ready")
    assert visit.run("return [sessionStorage.getItem('zhenwei.key'), localStorage.length]") == [KEY, 1]
    visit.browser.driver.refresh()
    visit.until("return document.documentElement.dataset.ready")
    visit.predict(FAKE)
    assert visit.text(".verdict") == "更像假新闻"


def test_an_unknown_key_is_requested_again(visit: Any, bare_site: Any) -> None:
    visit.open(bare_site.url, ready=False)
    enter_key(visit, "no-such-key-at-all")
    visit.until("return document.getElementById('key-error').textContent === '密钥无效。'")
    assert visit.focused() == "key"
    visit.one("#key").send_keys("密钥", "\ue007")
    assert visit.text("#key-error") == "密钥只能由英文字母、数字和符号组成。"


def test_without_a_key_the_page_shows_an_error(visit: Any, bare_site: Any) -> None:
    visit.open(bare_site.url, ready=False)
    visit.until("return document.getElementById('key-dialog').open")
    visit.click("#key-cancel")
    visit.until("return !document.getElementById('error-notice').hidden")
    assert visit.text("#error-notice").startswith("需要访问密钥")


class TestWithoutOptionalFeatures:
    @pytest.fixture(autouse=True)
    def _enter(self, visit: Any, bare_site: Any) -> None:
        visit.open(bare_site.url, ready=False)
        enter_key(visit, KEY)
        visit.until("return document.documentElement.dataset.ready")

    def test_missing_features_are_hidden(self, visit: Any) -> None:
        visit.predict(FAKE)
        assert visit.seen("#words .highlighted")
        assert not visit.seen("#neighbours")
        assert not visit.seen(".review")
        assert not visit.seen("#drift-link")

    def test_a_text_that_is_too_long_is_not_sent(self, visit: Any) -> None:
        text = FAKE * math.ceil(51 / len(FAKE))
        visit.run("document.getElementById('text').value = arguments[0]", text)
        visit.click("#predict-form .primary")
        assert visit.text("#text-error") == f"有 {len(text)} 字，最多 50 字，请删减。"

    def test_the_drift_page_names_the_option(self, visit: Any, bare_site: Any) -> None:
        visit.browser.driver.get(f"{bare_site.url}drift/")
        visit.until("return document.documentElement.dataset.ready")
        assert "--feedback" in visit.text("#error-notice")
