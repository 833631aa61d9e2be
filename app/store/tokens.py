"""Bearer tokens: made here, shown once, kept only as a digest."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.enums import Event
from app.domain.stack_id import DEFAULT_NAMESPACE, namespace_of
from app.store import audit
from app.store.tables import Token

ADMIN = "admin"
WAKE = "wake"
"""Good for one waiting page and for nothing else."""
APPROVE = "approve"
"""Good for requests for intents: to read, approve and cancel them."""


def create(
    session: Session, name: str, now: datetime, scope: str = ADMIN, *, actor: str | None = None, **facts: Any
) -> str:
    """Make a token and return its text, which nothing keeps; a token of that name is replaced."""
    text = f"pw_{secrets.token_urlsafe(32)}"
    session.merge(Token(name=name, digest=_digest(text), scope=scope, created_at=now, revoked_at=None))
    audit.record(session, Event.TOKEN_CREATED, actor=actor or name, now=now, name=name, scope=scope, **facts)
    return text


def revoke(session: Session, token: Token, *, actor: str, now: datetime) -> None:
    """Mark the token revoked; keep its row and name."""
    token.revoked_at = now
    audit.record(session, Event.TOKEN_REVOKED, actor=actor, now=now, name=token.name, scope=token.scope)


def bearer(session: Session, text: str) -> Token | None:
    """The token of this text; None where it is unknown or revoked."""
    query = select(Token).where(Token.digest == _digest(text), Token.revoked_at.is_(None))
    return session.scalar(query)


def token_by_name(session: Session, name: str) -> Token | None:
    """The token of this name; None where there is none that has not been revoked."""
    token = session.get(Token, name)
    return token if token and token.revoked_at is None else None


def lock_token(session: Session, name: str) -> Token | None:
    """The token of that name, revoked or not, with its row locked where the database locks rows."""
    query = select(Token).where(Token.name == name).with_for_update()
    return session.execute(query, execution_options={"populate_existing": True}).scalar_one_or_none()


def every(session: Session) -> list[Token]:
    """All tokens by name, those that were revoked included."""
    return list(session.scalars(select(Token).order_by(Token.name)))


def is_valid(session: Session, name: str) -> bool:
    """Is there a token of this name that has not been revoked?"""
    return token_by_name(session, name) is not None


def count_full_access(session: Session) -> int:
    """How many valid tokens there are with every right in every namespace."""
    query = select(Token.name).where(Token.scope == ADMIN, Token.revoked_at.is_(None))
    return sum(namespace_of(name) == DEFAULT_NAMESPACE for name in session.scalars(query))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
