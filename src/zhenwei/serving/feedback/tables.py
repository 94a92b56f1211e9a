"""The tables of the feedback database, and how to open it."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from zhenwei.errors import ConfigError

SQLITE_WAIT = 10.0  # seconds to wait for another process's write

metadata = sa.MetaData()

reviews = sa.Table(
    "zhenwei_reviews",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("time", sa.DateTime, nullable=False),  # UTC
    sa.Column("week", sa.String(8), nullable=False),  # ISO, as in 2026-W07
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("text_sha256", sa.String(64), nullable=False),
    sa.Column("verdict", sa.String(4), nullable=False),
    sa.Column("predicted_verdict", sa.String(6)),
    sa.Column("predicted_probability", sa.Float),
    sa.Column("comment", sa.Text),
    sa.Column("reviewer", sa.String(200)),
    sa.Column("bundle_name", sa.String(255), nullable=False),
    sa.Column("bundle_version", sa.String(64), nullable=False),
    sa.Index("zhenwei_reviews_by_text", "text_sha256", "id"),
    sa.Index("zhenwei_reviews_by_week", "week"),
)

weekly_predictions = sa.Table(
    "zhenwei_weekly_predictions",
    metadata,
    sa.Column("week", sa.String(8), primary_key=True),
    sa.Column("bundle_version", sa.String(64), primary_key=True),
    sa.Column("predictions", sa.Integer, nullable=False),
    sa.Column("fakes", sa.Integer, nullable=False),
    sa.Column("unsure", sa.Integer, nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),  # sum over predictions
)


def open_database(target: str, *, create: bool) -> sa.Engine:
    """Open the feedback database.

    Args:
        target: The path of an SQLite file, or the URL of any database that SQLAlchemy supports.
        create: Create missing tables, and a missing file.

    Raises:
        ConfigError: If there is no database, it cannot be opened, or its driver is not installed.
    """
    url = _url(target)
    file = Path(url.database) if url.drivername.startswith("sqlite") and url.database else None
    if file is not None and not create and not file.is_file():
        raise ConfigError(f"{file}: no such file; expected the database that `zhenwei serve --feedback` wrote")
    if file is not None and not file.absolute().parent.is_dir():
        raise ConfigError(f"{file}: there is no folder {file.parent} to store it in")
    name = str(file) if file is not None else url.render_as_string(hide_password=True)
    try:
        engine = sa.create_engine(url, pool_pre_ping=True)
        if file is not None:
            sa.event.listen(engine, "connect", _set_up_sqlite)
        if create:
            metadata.create_all(engine)
        with engine.connect() as connection:
            connection.execute(reviews.select().limit(0))
            connection.execute(weekly_predictions.select().limit(0))
    except ModuleNotFoundError as error:
        raise ConfigError(f"{name}: {error.name}, the driver of this database, is not installed") from None
    except NoSuchModuleError as error:
        raise ConfigError(f"{name}: no such kind of database: {error}") from None
    except SQLAlchemyError as error:
        raise ConfigError(f"{name}: cannot be used as a feedback database: {reason_of(error)}") from None
    return engine


def reason_of(error: SQLAlchemyError) -> str:
    """Return in one line why a database failed, without the statement and its texts."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:300]


def _url(target: str) -> URL:
    if "://" not in target:
        return URL.create("sqlite", database=target)
    try:
        url = make_url(target)
    except (ArgumentError, ValueError):  # its message would show the password
        raise ConfigError(
            "--feedback: invalid URL of a database; expected a path or a URL as in postgresql://user:password@host/name"
        ) from None
    # The driver that zhenwei installs; the default driver depends on the version of SQLAlchemy.
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def _set_up_sqlite(connection: object, _record: object) -> None:
    """Let reads and writes overlap, and let several processes write one after the other."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(f"PRAGMA busy_timeout={int(SQLITE_WAIT * 1000)}")
    cursor.close()
