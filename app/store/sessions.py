"""Sessions of the console: random ids, of which the database keeps only a hash.

A session belongs to the very token that began it: it is valid while that token is neither
revoked nor replaced. No key signs anything, so a copy of the database opens no session.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.store.tables import ConsoleSession, Token

SESSION_LIFETIME = timedelta(hours=12)
MOST_SESSIONS = 50
"""Sessions that one token has at most; the oldest ends when another begins."""


def begin(session: Session, token: Token, now: datetime) -> str:
    """Begin a session and return its id, which is not stored."""
    identifier = secrets.token_urlsafe(32)
    delete_expired(session, now)
    _delete_surplus(session, token.digest)
    session.add(
        ConsoleSession(
            digest=digest(identifier),
            token_digest=token.digest,
            created_at=now,
            expires_at=now + SESSION_LIFETIME,
        )
    )
    return identifier


def find(session: Session, identifier: str) -> tuple[Token, datetime] | None:
    """The valid token of a session and when the session expires; None for an unknown or ended session."""
    query = (
        select(Token, ConsoleSession.expires_at)
        .join(ConsoleSession, ConsoleSession.token_digest == Token.digest)
        .where(ConsoleSession.digest == digest(identifier), Token.revoked_at.is_(None))
    )
    row = session.execute(query).one_or_none()
    return (row[0], row[1]) if row else None


def end(session: Session, identifier: str) -> None:
    """Delete the session of this identifier."""
    session.execute(delete(ConsoleSession).where(ConsoleSession.digest == digest(identifier)))


def end_all(session: Session) -> None:
    """Delete every session."""
    session.execute(delete(ConsoleSession))


def delete_expired(session: Session, now: datetime) -> None:
    """Delete expired sessions, and those whose token was revoked or replaced."""
    valid = select(Token.digest).where(Token.revoked_at.is_(None))
    session.execute(
        delete(ConsoleSession).where(
            (ConsoleSession.expires_at <= now) | ConsoleSession.token_digest.not_in(valid)
        )
    )


def _delete_surplus(session: Session, token_digest: str) -> None:
    """Leave room for one more session of this token."""
    of_token = select(ConsoleSession.digest).where(ConsoleSession.token_digest == token_digest)
    in_order = of_token.order_by(ConsoleSession.created_at.desc(), ConsoleSession.digest)
    newest = in_order.limit(MOST_SESSIONS - 1)
    session.execute(
        delete(ConsoleSession).where(
            ConsoleSession.token_digest == token_digest,
            ConsoleSession.digest.not_in(session.scalars(newest).all()),
        )
    )


def digest(identifier: str) -> str:
    """What the database stores of an identifier: its SHA-256."""
    return hashlib.sha256(identifier.encode(errors="replace")).hexdigest()
