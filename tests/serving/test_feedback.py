"""Reviews are stored with the bundle's version, exported as training articles, and compared with predictions."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text as sql
from starlette.testclient import TestClient

from zhenwei.errors import ConfigError, DataError
from zhenwei.news import read_articles
from zhenwei.serving.feedback.drift import drift
from zhenwei.serving.feedback.export import export_reviews
from zhenwei.serving.feedback.recorder import FeedbackRecorder
from zhenwei.serving.feedback.store import FeedbackStore, Review, WeekCount, week_of

from .conftest import FAKE, REAL, client_of, serving

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))  # Debian keeps it out of the PATH
VERSION = "ab" * 32


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL for these tests, which listens on a socket in a folder only."""
    path = shutil.which("pg_ctl") or (str(POSTGRES[-1]) if POSTGRES else None)
    if path is None:
        if os.environ.get("ZHENWEI_REQUIRE_SERVICES"):
            pytest.fail("no PostgreSQL is installed, and ZHENWEI_REQUIRE_SERVICES asks for it")
        pytest.skip("no PostgreSQL is installed")
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp(prefix="zhenwei-pg-"))  # pytest's own folders are closed to other users
    user = _unprivileged_owner(folder)
    pg_ctl, data = Path(path), folder / "data"

    def run(*command: object) -> None:
        subprocess.run([*map(str, command)], check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, timeout=120)

    run(pg_ctl.with_name("initdb"), "-D", data, "-U", "zhenwei", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    run(pg_ctl, "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
    try:
        yield f"postgresql://zhenwei@/postgres?host={folder}"
    finally:
        run(pg_ctl, "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def _unprivileged_owner(folder: Path) -> str | None:
    """Give the folder to a user that is not root, which PostgreSQL does not run as, and return the name."""
    if os.geteuid() != 0:
        return None
    shutil.chown(folder, "nobody")
    return "nobody"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind, as a value of `--feedback`."""
    if request.param == "sqlite":
        return str(tmp_path / "feedback.sqlite")
    url: str = request.getfixturevalue("postgres")
    store = FeedbackStore.open(url)
    with store.engine.begin() as connection:
        connection.execute(sql("TRUNCATE zhenwei_reviews, zhenwei_weekly_predictions RESTART IDENTITY"))
    store.close()
    return url


@pytest.fixture
def store(database: str) -> Iterator[FeedbackStore]:
    opened = FeedbackStore.open(database)
    yield opened
    opened.close()


def review(text: str, verdict: str, **fields: Any) -> Review:
    return Review(text=text, verdict=verdict, bundle_name="demo", bundle_version=VERSION, **fields)


def test_weeks_are_iso_weeks() -> None:
    assert week_of(datetime(2027, 1, 3)) == "2026-W53"
    assert week_of(datetime(2026, 2, 9)) == "2026-W07"


class TestService:
    def test_a_review_is_stored_with_the_served_version(self, tiny_run: Path, database: str) -> None:
        with serving(tiny_run, database) as service:
            client = client_of(service)
            version = client.post("/v1/predict", json={"text": FAKE}).json()["bundle"]["version"]
            body = {"text": FAKE, "verdict": "real", "predicted_verdict": "fake", "predicted_probability": 0.9}
            response = client.post("/v1/feedback", json={**body, "comment": "查过了", "reviewer": "编辑甲"})
            assert response.status_code == 201
            assert response.json() == {"id": 1, "bundle_version": version}
            older = client.post("/v1/feedback", json={**body, "bundle_version": VERSION})
            assert older.json() == {"id": 2, "bundle_version": VERSION}
        store = FeedbackStore.open(database, create=False)
        (row,) = store.latest()
        assert (row["text"], row["verdict"], row["bundle_version"], row["predicted_probability"]) == (
            FAKE, "real", VERSION, 0.9,
        )  # fmt: skip
        store.close()

    def test_drift_has_predictions_and_agreement_with_reviewers(self, tiny_run: Path, database: str) -> None:
        with serving(tiny_run, database) as service:
            client = client_of(service)
            predicted = client.post("/v1/predict", json={"texts": [FAKE, FAKE, REAL, "@小明"]}).json()
            confidences = [max(each["probability"], 1 - each["probability"]) for each in predicted["predictions"][:3]]
            client.post("/v1/feedback", json={"text": FAKE, "verdict": "fake", "predicted_verdict": "fake"})
            client.post("/v1/feedback", json={"text": REAL, "verdict": "fake", "predicted_probability": 0.01})
            client.post("/v1/feedback", json={"text": "没判过", "verdict": "real"})
            (week,) = client.get("/v1/drift").json()["weeks"]
        assert week.pop("confidence") == pytest.approx(sum(confidences) / 3)
        assert week.pop("fake_share") == pytest.approx(2 / 3)
        assert week.pop("week") == week_of(datetime.now(UTC))
        assert week == {
            "predictions": 4, "fakes": 2, "unsure": 1, "reviews": 3, "reviewed_fakes": 2, "compared": 2, "agreed": 1,
            "agreement": 0.5, "bundles": [predicted["bundle"]["version"]],
        }  # fmt: skip

    def test_counts_are_stored_at_the_end_without_texts(self, tiny_run: Path, database: str) -> None:
        for _ in range(2):
            with serving(tiny_run, database) as service:
                client_of(service).post("/v1/predict", json={"texts": [FAKE, REAL]})
        store = FeedbackStore.open(database, create=False)
        (week,) = drift(store, 10)
        assert (week["predictions"], week["fakes"], week["reviews"], week["agreement"]) == (4, 2, 0, None)
        assert list(store.latest()) == []
        store.close()

    def test_without_a_database_the_error_names_the_option(self, tiny_run: Path) -> None:
        with serving(tiny_run) as service:
            client = client_of(service)
            for response in (
                client.get("/v1/drift"),
                client.post("/v1/feedback", json={"text": "a", "verdict": "fake"}),
            ):
                assert response.status_code == 404
                assert response.json()["error"] == "this service stores no feedback; start it with --feedback FILE"

    def test_predictions_work_while_the_database_fails(self, tiny_run: Path, tmp_path: Path) -> None:
        with serving(tiny_run, str(tmp_path / "feedback.sqlite")) as service:
            client = client_of(service)
            assert service.feedback is not None
            with service.feedback.store.engine.begin() as connection:
                connection.execute(sql("ALTER TABLE zhenwei_reviews RENAME TO away"))
                connection.execute(sql("ALTER TABLE zhenwei_weekly_predictions RENAME TO missing"))
            assert client.post("/v1/predict", json={"text": FAKE}).status_code == 200
            failed = client.post("/v1/feedback", json={"text": FAKE, "verdict": "fake"})
            assert (failed.status_code, failed.headers["retry-after"]) == (503, "10")
            assert "the feedback database failed; nothing was stored" in failed.json()["error"]
            assert client.get("/v1/drift").status_code == 503
            with service.feedback.store.engine.begin() as connection:
                connection.execute(sql("ALTER TABLE away RENAME TO zhenwei_reviews"))
                connection.execute(sql("ALTER TABLE missing RENAME TO zhenwei_weekly_predictions"))
            (week,) = client.get("/v1/drift").json()["weeks"]
            assert week["predictions"] == 1  # it was kept in memory


class TestWeeks:
    def test_the_last_weeks_oldest_first(self, store: FeedbackStore) -> None:
        for week, fakes in (("2026-W10", 1), ("2026-W12", 2), ("2026-W11", 3)):
            store.count({(week, VERSION): WeekCount(4, fakes, 3.0)})
        store.add(review(FAKE, "fake", predicted_verdict="fake"), datetime(2026, 3, 25, tzinfo=UTC))  # week 13
        weeks = drift(store, 3)
        assert [(week["week"], week["fake_share"], week["agreement"]) for week in weeks] == [
            ("2026-W11", 0.75, None), ("2026-W12", 0.5, None), ("2026-W13", None, 1.0),
        ]  # fmt: skip

    def test_counts_add_up_over_bundles_and_processes(self, store: FeedbackStore, database: str) -> None:
        other = FeedbackStore.open(database)
        store.count({("2026-W10", "a"): WeekCount(1, 1, 0.9)})
        other.count({("2026-W10", "a"): WeekCount(2, 0, 1.6), ("2026-W10", "b"): WeekCount(1, 0, 0.5)})
        other.close()
        (week,) = drift(store, 1)
        assert (week["predictions"], week["fakes"], week["bundles"]) == (4, 1, ["a", "b"])
        assert week["confidence"] == pytest.approx(0.75)


class TestExport:
    def test_the_latest_verdict_on_a_text_becomes_an_article(self, store: FeedbackStore, tmp_path: Path) -> None:
        store.add(review(FAKE, "real"))
        store.add(review(REAL, "real", reviewer="甲", comment="官方通报", predicted_probability=0.25))
        store.add(review(f" {FAKE}\n", "fake"), datetime(2026, 3, 1, 12, tzinfo=UTC))
        out = tmp_path / "reviewed.json"
        assert export_reviews(store, out) == {"articles": 2, "real": 1, "fake": 1, "superseded": 1}
        real, fake = read_articles(out, require_label=True)
        assert (fake.content.strip(), fake.label, fake.extra["reviewed_at"]) == (FAKE, "fake", "2026-03-01 12:00:00")
        assert real.id is not None
        assert real.id.startswith("review-")
        assert real.time is None
        assert real.extra.items() >= {
            "source": "feedback", "reviewer": "甲", "comment": "官方通报", "predicted_probability": 0.25,
            "bundle_version": VERSION,
        }.items()  # fmt: skip

    def test_an_empty_database_writes_no_file(self, store: FeedbackStore, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="there are no reviews in this database yet"):
            export_reviews(store, tmp_path / "out.json")
        assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("{folder}/none/feedback.sqlite", "there is no folder {folder}/none to store it in"),
        ("{folder}", "cannot be used as a feedback database: unable to open database file"),
        ("{folder}/notes.txt", "cannot be used as a feedback database: file is not a database"),
        ("oddsql://user:secret@host/x", "oddsql://user:***@host/x: no such kind of database"),
        ("://user:secret@host", "--feedback: invalid URL of a database; expected a path or a URL as in postgresql://"),
        ("mysql+pymysql://user:secret@host/x", "pymysql, the driver of this database, is not installed"),
        ("postgresql://u:secret@127.0.0.1:1/x", "postgresql+psycopg://u:***@127.0.0.1:1/x: cannot be used as a"),
    ],
)
def test_an_unusable_database(tmp_path: Path, target: str, message: str) -> None:
    (tmp_path / "notes.txt").write_text("just some notes, not a database\n" * 100)
    with pytest.raises(ConfigError) as caught:
        FeedbackStore.open(target.format(folder=tmp_path))
    assert message.format(folder=tmp_path) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_recorder_without_counts_closes(tiny_run: Path, tmp_path: Path) -> None:
    recorder = FeedbackRecorder(FeedbackStore.open(str(tmp_path / "feedback.sqlite")))
    assert recorder.flush()  # nothing to write
    recorder.close()


def test_an_empty_reviewer_is_accepted(client: TestClient) -> None:
    response = client.post("/v1/feedback", json={"text": FAKE, "verdict": "fake", "reviewer": ""})
    assert response.status_code == 201
