"""Named queries about bound tokens: which route each is good for, and the window it has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.enums import State
from app.domain.passive_requests import AGENTS, PATHS, PassiveRequestRules
from app.domain.stack_id import StackId
from app.store.tables import Wake, Window


@dataclass(frozen=True, slots=True)
class Ending:
    """A visitors' window that is about to end, and the service that its token is bound to."""

    token: str
    window: str
    stack: StackId
    service: str
    deadline: datetime
    ttl_sec: float | None


def get(session: Session, token: str) -> Wake | None:
    """What this token is bound to, or None."""
    return session.get(Wake, token)


def lock_binding(session: Session, token: str) -> Wake | None:
    """The binding, with its row locked: from here on only this transaction opens for this token."""
    query = select(Wake).where(Wake.token == token).with_for_update()
    return session.execute(query, execution_options={"populate_existing": True}).scalar_one_or_none()


def bind(
    session: Session,
    token: str,
    stack: StackId,
    service: str,
    ttl_sec: float | None,
    *,
    agents: list[str] | None = None,
    paths: list[str] | None = None,
) -> None:
    """Bind a token to one route; it has no window yet."""
    more = {"ttl_sec": ttl_sec, "window_id": None, "failures": 0, "agents": agents, "paths": paths}
    session.merge(Wake(token=token, stack=stack, service=service, **more))


def passive_request_rules(bound: Wake) -> PassiveRequestRules:
    """Which requests to this token's service are passive; empty where all count as visits."""
    return PassiveRequestRules(
        AGENTS if bound.agents is None else bound.agents, PATHS if bound.paths is None else bound.paths
    )


def unbind(session: Session, token: str) -> None:
    """Delete the binding of this token."""
    if bound := lock_binding(session, token):
        session.delete(bound)


def ending(session: Session, node: str, now: datetime, until: datetime) -> list[Ending]:
    """The open windows of this node that bound tokens have now and whose deadline comes by then."""
    query = (
        select(Wake.token, Window.id, Wake.stack, Wake.service, Window.deadline, Wake.ttl_sec)
        .join(Window, Window.id == Wake.window_id)
        .where(
            Window.state == State.OPEN,
            Window.node == node,
            Window.deadline > now,
            Window.deadline <= until,
        )
    )
    return [Ending(*row) for row in session.execute(query)]


def windows_with_visitors(session: Session, windows: Collection[str]) -> set[str]:
    """Those of these windows that a bound token has."""
    return set(session.scalars(select(Wake.window_id).where(Wake.window_id.in_(windows))))


def every(session: Session) -> dict[str, Wake]:
    """All bindings, by the names of their tokens."""
    return {row.token: row for row in session.scalars(select(Wake))}
