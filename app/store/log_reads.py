"""Named queries about requests for logs: a row each, deleted as soon as its answer is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.store.tables import LogRead


def open_request(session: Session, identifier: str) -> LogRead | None:
    """Return the request for logs; None if it is answered or deleted."""
    query = select(LogRead).where(LogRead.id == identifier, LogRead.answered_at.is_(None))
    return session.scalar(query)


def answer(
    session: Session,
    identifier: str,
    lines: Sequence[Mapping[str, Any]],
    notes: Mapping[str, str],
    now: datetime,
) -> None:
    """Store the answer in a request's row; the first one counts, and a request that was left gets none."""
    waiting = update(LogRead).where(LogRead.id == identifier, LogRead.answered_at.is_(None))
    session.execute(waiting.values(lines=list(lines), notes=dict(notes), answered_at=now))


def answered_request(session: Session, identifier: str) -> LogRead | None:
    """The request for logs with its answer, or None where there is no answer yet."""
    query = select(LogRead).where(LogRead.id == identifier, LogRead.answered_at.is_not(None))
    return session.scalar(query)


def forget(session: Session, identifier: str) -> None:
    """Delete a request for logs."""
    session.execute(delete(LogRead).where(LogRead.id == identifier))


def forget_before(session: Session, moment: datetime) -> None:
    """Delete requests whose answer was not fetched."""
    session.execute(delete(LogRead).where(LogRead.asked_at < moment))
