"""How Alembic reaches a database: the one it is given, or the one the environment names."""

from __future__ import annotations

from typing import Literal

from alembic import context
from sqlalchemy import create_engine, pool

from app import settings
from app.store.tables import Moment, Table


def _url() -> str:
    given = context.config.attributes.get("database_url")
    return str(given) if given else settings.load().database_url


def _plainly(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Migrations stand alone: they name no type of ours, which may change after them."""
    if kind == "type" and isinstance(item, Moment):
        return "sa.DateTime(timezone=True)"
    return False


def _run() -> None:
    engine = create_engine(_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
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
