"""Make a token with full access for a person or a program, under a name that no valid token has."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.errors import TokenExists
from app.store import tokens


def create_full_access(session: Session, name: str, *, actor: str, now: datetime) -> str:
    """Return the text of the new token, which nothing keeps; raises TokenExists."""
    existing = tokens.lock_token(session, name)
    if existing and existing.revoked_at is None:
        raise TokenExists(name)
    return tokens.create(session, name, now, actor=actor)
