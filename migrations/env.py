"""How Alembic reaches a database: the one it is given, or the one the environment names."""

from __future__ import annotations

from typing import Literal

from alembic import context
from sqlalchemy import Connection, Engine, create_engine, event, pool, text

from app import settings
from app.store.tables import Moment, Table


def _url() -> str:
    given = context.config.attributes.get("database_url")
    return str(given) if given else settings.load_or_exit().database_url


def _plainly(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Migrations stand alone: they name no type of ours, which may change after them."""
    if kind == "type" and isinstance(item, Moment):
        return "sa.DateTime(timezone=True)"
    return False


_PATIENCE = 300.0
"""Seconds to wait for another process that migrates the same database."""
_LOCK = 7_706_973_657
"""The advisory lock of PostgreSQL that a migrating process takes; any number that no other program uses."""


def _alone(connection: Connection) -> None:
    """Wait for other processes that migrate, so that two upgrades at once are one and then nothing."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _engine() -> Engine:
    url = _url()
    if not url.startswith("sqlite"):
        return create_engine(url, poolclass=pool.NullPool)
    engine = create_engine(url, poolclass=pool.NullPool, connect_args={"timeout": _PATIENCE})
    # The driver would begin no transaction for a change of the schema, and half of one could stay.
    event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _run() -> None:
    """All steps in one transaction: one that is interrupted has changed nothing and is simply run again."""
    engine = _engine()
    with engine.begin() as connection:
        _alone(connection)
        context.configure(
            connection=connection,
            target_metadata=Table.metadata,
            # SQLite cannot alter a table in place; Alembic copies it there.
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
            render_item=_plainly,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


if context.is_offline_mode():
    raise SystemExit("migrations run against a live database: leave out --sql")
_run()
