"""Named queries about bound tokens: which route each is good for, and the window it has."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.tables import Wake


def get(session: Session, token: str) -> Wake | None:
    return session.get(Wake, token)


def locked(session: Session, token: str) -> Wake | None:
    """The binding, with its row locked: from here on only this transaction opens for this token."""
    query = select(Wake).where(Wake.token == token).with_for_update()
    return session.execute(query, execution_options={"populate_existing": True}).scalar_one_or_none()


def bind(session: Session, token: str, stack: str, service: str, ttl_sec: float | None) -> None:
    """Bind a token to one route; it has no window yet."""
    session.merge(
        Wake(token=token, stack=stack, service=service, ttl_sec=ttl_sec, window_id=None, failures=0)
    )


def unbind(session: Session, token: str) -> None:
    if bound := locked(session, token):
        session.delete(bound)


def every(session: Session) -> dict[str, Wake]:
    return {row.token: row for row in session.scalars(select(Wake))}
