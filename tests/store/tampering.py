"""What a user with write access to the database can do to the trail."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.store.database import Database


def tamper(database: Database, *statements: str) -> None:
    """Run these past the triggers that guard the trail."""
    with Session(database.engine) as session:
        _unguard(session, sqlite=database.sqlite)
        for statement in statements:
            session.execute(text(statement))
        session.commit()


def _unguard(session: Session, *, sqlite: bool) -> None:
    if not sqlite:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        return
    for verb in ("update", "delete", "replace"):
        session.execute(text(f"DROP TRIGGER IF EXISTS audit_refuses_{verb}"))
