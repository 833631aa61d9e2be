"""The schema's history, and the two things other code wants of it: bring a database up to date, and ask.

There is no ini file: Alembic's settings are in pyproject and here.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

HERE = Path(__file__).parent


def config(database_url: str) -> Config:
    config = Config(attributes={"database_url": database_url})
    # Alembic reads options as those of an ini file, where a percent sign is doubled.
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    return config


def upgrade(database_url: str, to: str = "head") -> None:
    """Bring a database to a revision, from wherever it is."""
    command.upgrade(config(database_url), to)


def downgrade(database_url: str, to: str) -> None:
    command.downgrade(config(database_url), to)


def current(database_url: str) -> str | None:
    """The revision a database is at, or None for an empty one."""
    engine = create_engine(database_url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def head() -> str | None:
    return ScriptDirectory(str(HERE)).get_current_head()
