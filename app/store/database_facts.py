"""Facts of the database itself: its program and version, its size, and its schema."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session


def version(session: Session) -> str:
    """The database program with its version: `SQLite 3.40.1`, `PostgreSQL 15.4`."""
    if _is_postgres(session):
        return f"PostgreSQL {session.scalar(text('SHOW server_version'))}"
    return f"SQLite {session.scalar(text('SELECT sqlite_version()'))}"


def size(session: Session) -> int:
    """Bytes of the database; of SQLite with its write-ahead log."""
    if _is_postgres(session):
        return int(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)
    file = Path(str(session.get_bind().engine.url.database))
    parts = (file, file.with_name(f"{file.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


def schema_revision(session: Session) -> str:
    """The revision of the schema; empty where the database has none stored."""
    if not inspect(session.connection()).has_table("alembic_version"):
        return ""
    return str(session.scalar(text("SELECT version_num FROM alembic_version")) or "")


def _is_postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
