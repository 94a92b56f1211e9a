"""A file of many texts: bad rows do not affect the others; the results are downloaded as CSV."""

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

# The first two predictions get 503 with a Retry-After of one second.
BUSY = """
    window.calls = (window.calls ?? []);
    if (!String(url).endsWith("/predict")) return real(url, options);
    window.calls.push(performance.now());
    if (window.calls.length > 2) return real(url, options);
    return Promise.resolve(new Response('{"error": "busy"}', { status: 503, headers: { "retry-after": "1" } }));
"""
# The second prediction hangs until it is aborted; the others work.
STUCK = """
    if (!String(url).endsWith("/predict")) return real(url, options);
    window.calls = (window.calls ?? 0) + 1;
    if (window.calls !== 2) return real(url, options);
    return new Promise((_, reject) => options.signal.addEventListener("abort", () => reject(options.signal.reason)));
"""
# The service rejects the second text of the first prediction.
PICKY = """
    if (!String(url).endsWith("/predict") || window.calls) return real(url, options);
    window.calls = true;
    const body = '{"error": "texts[1]: found something; expected something else", "field": "texts[1]"}';
    return Promise.resolve(new Response(body, { status: 422 }));
"""


def rows(visit: Any) -> list[list[str]]:
    """The rows of the table: number, verdict, probability, text with its notes."""
    return visit.run(
        "return [...document.querySelectorAll('table.rows tbody tr')].map((row) => "
        "[...row.cells].map((cell) => cell.innerText.trim()));"
    )


class TestFormats:
    def test_a_bad_row_has_its_line_and_problem_and_the_others_are_predicted(
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
            ("1", "假"), ("2", "无效"), ("3", "无效"), ("4", "无效"), ("5", "真"), ("6", "无效"),
        ]  # fmt: skip
        assert found[0][2] == f"{detector.predict(FAKE)[0].probability:.1%}"
        assert [row[3].splitlines()[-1] for row in found if row[1] == "无效"] == [
            "内容为空", "不是有效的 JSON", "没有 content 或 text", "既不是文字，也不是含 content 的对象",
        ]  # fmt: skip
        assert visit.text("#progress-text") == "检测完成 · 1 行更像假新闻，1 行更像真新闻，0 行无法判断，4 行无效。"

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
    def test_every_format_and_encoding(self, visit: Any, site: Any, write: Write, name: str, content: Any) -> None:
        visit.open(site.url).upload(write(name, content))
        assert [row[3].splitlines()[0] for row in rows(visit)] == [FAKE, REAL]
        assert [row[1] for row in rows(visit)] == ["假", "真"]

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.docx", "x", "a.docx：不支持这种文件，请用 .json、.jsonl、.csv 或 .txt。"),
            ("a.json", '{"rows": []}', "a.json：应为列表，或含 texts 列表的对象。"),
            ("a.csv", "title,label\nx,1\n", "a.csv：第一行没有 content 或 text 列，只有：title, label。"),
            ("a.txt", "\n \n", "a.txt 里没有可检测的内容。"),
        ],
    )
    def test_an_unreadable_file_has_an_error_message(
        self, visit: Any, site: Any, write: Write, name: str, content: str, message: str
    ) -> None:
        visit.open(site.url).choose(write(name, content.encode()))
        visit.until("return document.getElementById('file-error').textContent")
        assert visit.text("#file-error") == message
        assert not visit.seen("#scoring")


def test_a_file_can_be_dropped_anywhere_on_the_page(visit: Any, site: Any) -> None:
    visit.open(site.url)
    visit.run(
        "const dragged = new DataTransfer(); dragged.items.add(new File([arguments[0]], 'dropped.txt'));"
        "const how = { dataTransfer: dragged, bubbles: true, cancelable: true };"
        "document.body.dispatchEvent(new DragEvent('drop', how));",
        f"{FAKE}\n{REAL}",
    )
    visit.until("return document.querySelectorAll('tbody .verdict-label.fake, tbody .verdict-label.real').length === 2")
    assert visit.one("#tab-file").get_attribute("aria-selected") == "true"
    assert (visit.text("#file-name"), visit.focused()) == ("dropped.txt", "file-name")


class TestDownload:
    def test_it_has_every_row_with_its_prediction_and_runs_no_formula_in_a_spreadsheet(
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
    def test_a_heading_sorts_in_both_directions(self, visit: Any, site: Any, write: Write, make_posts: Any) -> None:
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

    def test_many_rows_have_pages(self, visit: Any, site: Any, write: Write, make_posts: Any) -> None:
        visit.open(site.url).upload(write("posts.json", make_posts(120, seed=5)))
        assert (len(rows(visit)), visit.text(".pager span")) == (50, "第 1–50 行，共 120 行")
        for _ in range(2):
            visit.click("[data-focus=page-after]")
        assert (len(rows(visit)), visit.text(".pager span")) == (20, "第 101–120 行，共 120 行")

    def test_a_row_opens_in_detail(self, visit: Any, site: Any, write: Write) -> None:
        visit.open(site.url).upload(write("posts.json", [FAKE, REAL]))
        visit.click("tbody tr:nth-child(2) .text-link")
        visit.until("return document.querySelector('#words .highlighted')")
        assert visit.one("#words .highlighted").get_attribute("textContent") == REAL
        assert visit.one("#tab-text").get_attribute("aria-selected") == "true"


class TestErrors:
    def test_a_busy_service_gets_the_request_again_after_retry_after(self, visit: Any, site: Any, write: Write) -> None:
        visit.open(site.url, fetch=BUSY).choose(write("posts.json", [FAKE, REAL]))
        visit.until("return document.getElementById('progress-text').textContent.includes('服务正忙，1 秒后重试')")
        visit.until("return document.getElementById('stop').hidden")
        calls = visit.run("return window.calls")
        assert len(calls) == 3
        assert all(later - earlier >= 990 for earlier, later in pairwise(calls))
        assert [row[1] for row in rows(visit)] == ["假", "真"]

    def test_it_can_be_stopped_and_resumed(self, visit: Any, site: Any, write: Write, make_posts: Any) -> None:
        visit.open(site.url, fetch=STUCK).choose(write("posts.json", make_posts(40, seed=5)))
        visit.until("return window.calls === 2 && document.getElementById('progress').value === 32")
        visit.click("#stop")
        visit.until("return !document.getElementById('resume').hidden")
        assert visit.text("#progress-text") == "已检测 32 / 40 行 · 已停止"
        assert [row[1] for row in rows(visit)].count("待检测") == 8
        visit.click("#resume")
        visit.until("return document.getElementById('resume').hidden && document.getElementById('stop').hidden")
        assert visit.run("return window.calls") == 3
        assert "待检测" not in [row[1] for row in rows(visit)]

    def test_a_rejected_text_does_not_affect_the_others(self, visit: Any, site: Any, write: Write) -> None:
        visit.open(site.url, fetch=PICKY).upload(write("posts.json", [FAKE, FAKE, REAL]))
        assert [row[1] for row in rows(visit)] == ["假", "无效", "真"]
        assert "服务没有接受" in rows(visit)[1][3]
