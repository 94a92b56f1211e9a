"""A file of many texts: bad rows are told and keep no other from being judged; the results are taken away as CSV."""

import csv
import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

FAKE = "听说云溪的大蒜出大事了，内部消息，赶紧转给家人！"
REAL = "据东河通报，食盐检测合格，供应恢复正常。"
FORMULA = '=HYPERLINK("http://a.example","听说大蒜出大事了，赶紧转给家人")'
Write = Callable[..., Path]

# The first two requests for verdicts find a busy service, which asks for a second of patience.
BUSY = """
    window.asked = (window.asked ?? []);
    if (!String(url).endsWith("/predict")) return real(url, options);
    window.asked.push(performance.now());
    if (window.asked.length > 2) return real(url, options);
    return Promise.resolve(new Response('{"error": "busy"}', { status: 503, headers: { "retry-after": "1" } }));
"""
# From the second request for verdicts on, no answer comes until it is stopped; then all is as it should be.
STUCK = """
    if (!String(url).endsWith("/predict")) return real(url, options);
    window.asked = (window.asked ?? 0) + 1;
    if (window.asked !== 2) return real(url, options);
    return new Promise((_, reject) => options.signal.addEventListener("abort", () => reject(options.signal.reason)));
"""
# The service finds fault with the second text of the first request.
PICKY = """
    if (!String(url).endsWith("/predict") || window.asked) return real(url, options);
    window.asked = true;
    const body = '{"error": "texts[1]: found something; expected something else", "field": "texts[1]"}';
    return Promise.resolve(new Response(body, { status: 422 }));
"""


def rows(visit: Any) -> list[list[str]]:
    """The rows of the table: number, verdict, probability, text with its notes."""
    return visit.run(
        "return [...document.querySelectorAll('table.rows tbody tr')].map((row) => "
        "[...row.cells].map((cell) => cell.innerText.trim()));"
    )


class TestKinds:
    def test_a_bad_row_is_told_by_its_line_and_the_others_are_judged(
        self, visit: Any, site: Any, write: Write, detector: Any
    ) -> None:
        lines = [
            f'{{"id": "a", "content": "{FAKE}"}}',
            '{"content": "  "}',
            "{broken",
            '{"title": "x"}',
            f'"{REAL}"',
            "7",
        ]
        visit.open(site.url).upload(write("posts.jsonl", "\n".join(lines)))
        found = rows(visit)
        assert [(row[0], row[1]) for row in found] == [
            ("1", "假"), ("2", "读不了"), ("3", "读不了"), ("4", "读不了"), ("5", "真"), ("6", "读不了"),
        ]  # fmt: skip
        assert found[0][2] == f"{detector.predict(FAKE)[0].probability:.1%}"
        assert [row[3].splitlines()[-1] for row in found if row[1] == "读不了"] == [
            "内容是空的", "不是有效的 JSON", "没有 content 或 text", "这一行不是文字，也不是带 content 的对象",
        ]  # fmt: skip
        assert visit.text("#progress-words") == "判完了 · 1 行更像假新闻，1 行更像真新闻，4 行读不了。"

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.json", [FAKE, {"text": REAL}]),
            ("a.json", {"texts": [FAKE, REAL]}),
            ("a.jsonl", f'\ufeff"{FAKE}"\r\n\r\n{{"content": "{REAL}"}}\r\n'),
            ("a.txt", f"{FAKE}\n\n  \n{REAL}"),
            ("a.csv", f'id,content\n1,"{FAKE}"\n2,{REAL}\n'),
            ("a.csv", f"编号,内容\r\n1,{FAKE}\r\n2,{REAL}\r\n".encode("gb18030")),
            ("A.CSV", f"content\n{FAKE}\n{REAL}".encode("utf-16")),
        ],
    )
    def test_files_of_every_kind_and_writing_are_read(
        self, visit: Any, site: Any, write: Write, name: str, content: Any
    ) -> None:
        visit.open(site.url).upload(write(name, content))
        assert [row[3].splitlines()[0] for row in rows(visit)] == [FAKE, REAL]
        assert [row[1] for row in rows(visit)] == ["假", "真"]

    @pytest.mark.parametrize(
        ("name", "content", "told"),
        [
            ("a.docx", "x", "a.docx：认不出这种文件；能读 .json、.jsonl、.csv、.txt。"),
            ("a.json", '{"rows": []}', "a.json：应当是一个列表，或带 texts 列表的对象。"),
            ("a.csv", "title,label\nx,1\n", "a.csv：第一行没有 content 或 text 一栏；读到的是：title, label。"),
            ("a.txt", "\n \n", "a.txt 里没有可判断的内容。"),
        ],
    )
    def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(
        self, visit: Any, site: Any, write: Write, name: str, content: str, told: str
    ) -> None:
        visit.open(site.url).choose(write(name, content.encode()))
        visit.until("return document.getElementById('file-error').textContent")
        assert visit.text("#file-error") == told
        assert not visit.seen("#scoring")


def test_a_file_may_be_dropped_anywhere_on_the_page(visit: Any, site: Any) -> None:
    visit.open(site.url)
    visit.run(
        "const dragged = new DataTransfer(); dragged.items.add(new File([arguments[0]], 'dropped.txt'));"
        "const how = { dataTransfer: dragged, bubbles: true, cancelable: true };"
        "document.body.dispatchEvent(new DragEvent('drop', how));",
        f"{FAKE}\n{REAL}",
    )
    visit.until("return document.querySelectorAll('tbody .told.fake, tbody .told.real').length === 2")
    assert visit.one("#tab-file").get_attribute("aria-selected") == "true"
    assert (visit.text("#file-name"), visit.focused()) == ("dropped.txt", "file-name")


class TestDownload:
    def test_it_holds_every_row_with_the_same_verdicts_and_opens_in_a_spreadsheet_without_running_anything(
        self, visit: Any, site: Any, write: Write, detector: Any
    ) -> None:
        texts = [FAKE, f'{REAL}\n第二行，带“引号”和"quotes"', FORMULA, "＋86 听说大蒜出大事了"]
        visit.open(site.url).upload(write("数据.json", [*texts, {"id": "-7", "content": 7}]))
        content = visit.download()
        assert [path.name for path in visit.downloads.glob("*.csv")] == ["数据-zhenwei.csv"]
        assert content.startswith(b"\xef\xbb\xbf")
        assert content.count(b"\r\n") == content.replace(b"\r\n", b"").count(b"\r") + 6
        found = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        assert [row["text"] for row in found] == [*texts[:2], f"'{texts[2]}", f"'{texts[3]}", ""]
        for row, predicted in zip(found[:4], detector.predict(texts), strict=True):
            assert row["verdict"] == predicted.verdict
            assert float(row["probability"]) == pytest.approx(predicted.probability, abs=1e-4)
            assert float(row["threshold"]) == predicted.threshold
        assert (found[4]["row"], found[4]["id"], found[4]["problem"]) == ("5", "'-7", "content 不是文字")


class TestTable:
    def test_a_heading_sorts_and_turns_round(self, visit: Any, site: Any, write: Write, make_posts: Any) -> None:
        visit.open(site.url).upload(write("posts.json", make_posts(40, seed=5)))
        shown = lambda: [float(row[2].rstrip("%")) for row in rows(visit)]  # noqa: E731
        visit.click(".of-probability button")
        assert shown() == sorted(shown(), reverse=True)
        assert visit.one("th.of-probability").get_attribute("aria-sort") == "ascending"
        visit.click(".of-probability button")
        assert shown() == sorted(shown())
        assert visit.run("return document.activeElement.dataset.focus") == "sort-probability"

    def test_rows_are_filtered_by_verdict_and_searched(
        self, visit: Any, site: Any, write: Write, make_posts: Any
    ) -> None:
        posts = make_posts(40, seed=5)
        visit.open(site.url).upload(write("posts.json", posts))
        visit.click("[data-kind=fake]")
        assert {row[1] for row in rows(visit)} == {"假"}
        visit.click("[data-kind=all]")
        visit.one("#find").send_keys("第7号")
        assert [row[3].splitlines()[0] for row in rows(visit)] == [posts[7]["content"]]
        assert visit.focused() == "find"

    def test_many_rows_come_in_pages(self, visit: Any, site: Any, write: Write, make_posts: Any) -> None:
        visit.open(site.url).upload(write("posts.json", make_posts(120, seed=5)))
        assert (len(rows(visit)), visit.text(".pager span")) == (50, "第 1–50 行，共 120 行")
        for _ in range(2):
            visit.click("[data-focus=page-after]")
        assert (len(rows(visit)), visit.text(".pager span")) == (20, "第 101–120 行，共 120 行")

    def test_a_row_can_be_looked_at_closer(self, visit: Any, site: Any, write: Write) -> None:
        visit.open(site.url).upload(write("posts.json", [FAKE, REAL]))
        visit.click("tbody tr:nth-child(2) .text-link")
        visit.until("return document.querySelector('#words .highlighted')")
        assert visit.one("#words .highlighted").get_attribute("textContent") == REAL
        assert visit.one("#tab-text").get_attribute("aria-selected") == "true"


class TestTrouble:
    def test_a_busy_service_is_asked_again_after_the_time_that_it_names(
        self, visit: Any, site: Any, write: Write
    ) -> None:
        visit.open(site.url, fetch=BUSY).choose(write("posts.json", [FAKE, REAL]))
        visit.until("return document.getElementById('progress-words').textContent.includes('服务正忙，1 秒后再试')")
        visit.until("return document.getElementById('stop').hidden")
        asked = visit.run("return window.asked")
        assert len(asked) == 3
        assert all(later - earlier >= 990 for earlier, later in pairwise(asked))
        assert [row[1] for row in rows(visit)] == ["假", "真"]

    def test_it_can_be_stopped_and_goes_on_where_it_stopped(
        self, visit: Any, site: Any, write: Write, make_posts: Any
    ) -> None:
        visit.open(site.url, fetch=STUCK).choose(write("posts.json", make_posts(40, seed=5)))
        visit.until("return window.asked === 2 && document.getElementById('progress').value === 32")
        visit.click("#stop")
        visit.until("return !document.getElementById('resume').hidden")
        assert visit.text("#progress-words") == "已判 32 / 40 行 · 已停下"
        assert [row[1] for row in rows(visit)].count("待判") == 8
        visit.click("#resume")
        visit.until("return document.getElementById('resume').hidden && document.getElementById('stop').hidden")
        assert visit.run("return window.asked") == 3
        assert "待判" not in [row[1] for row in rows(visit)]

    def test_a_text_that_the_service_refuses_keeps_no_other_from_being_judged(
        self, visit: Any, site: Any, write: Write
    ) -> None:
        visit.open(site.url, fetch=PICKY).upload(write("posts.json", [FAKE, FAKE, REAL]))
        assert [row[1] for row in rows(visit)] == ["假", "读不了", "真"]
        assert "服务没有接受" in rows(visit)[1][3]
