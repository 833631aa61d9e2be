"""Bearer tokens: made here, shown once, kept only as a digest."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.words import Event
from app.store import audit
from app.store.tables import Token

ADMIN = "admin"


def create(session: Session, name: str, now: datetime, scope: str = ADMIN) -> str:
    """Make a token and return its text, which nothing keeps; a token of that name is replaced."""
    text = f"pw_{secrets.token_urlsafe(32)}"
    session.merge(Token(name=name, digest=_digest(text), scope=scope, created_at=now, revoked_at=None))
    audit.record(session, Event.TOKEN_CREATED, actor=name, now=now, name=name, scope=scope)
    return text


def bearer(session: Session, text: str) -> Token | None:
    """Whose token this is; None for a stranger's or a revoked one."""
    query = select(Token).where(Token.digest == _digest(text), Token.revoked_at.is_(None))
    return session.scalar(query)


def named(session: Session, name: str) -> Token | None:
    """The token of this name; None where there is none that has not been revoked."""
    token = session.get(Token, name)
    return token if token and token.revoked_at is None else None


def good(session: Session, name: str) -> bool:
    """Is there a token of this name that has not been revoked?"""
    return named(session, name) is not None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
