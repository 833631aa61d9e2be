"""Close windows whose deadline has passed, and windows that never began and cannot begin any more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.enums import CloseReason, State, Status
from app.domain.stack_id import StackId
from app.store import services
from app.store import windows as rows
from app.store.tables import Window
from app.usecases.windows.close import close_without_node
from app.usecases.windows.transitions import CLOCK_ACTOR, SYSTEM_ACTOR, advance

TIME_IS_UP = "its time was up"


def expire_due(
    session: Session, now: datetime, node: str | None = None, only: str | None = None
) -> list[Window]:
    """Start closing every window whose time is up, on one node or on all, or `only` this one; return them."""
    due = rows.due(session, now, node, only)
    for window in due:
        expire(session, window, now)
    if only is None:
        give_up_waiting(session, now)
    return due


def expire(session: Session, window: Window, now: datetime) -> None:
    """Start closing a live window whose deadline has passed."""
    advance(
        session,
        window,
        State.CLOSING,
        actor=CLOCK_ACTOR,
        now=now,
        reason=CloseReason.EXPIRED,
        detail=TIME_IS_UP,
    )


def give_up_waiting(session: Session, now: datetime) -> None:
    """Close what waited in vain for its node all its time, and what is forced on a node that is away."""
    for window in rows.claim_unopened(session, now):
        why = f"waited in vain for node {window.node}, which is away"
        end_unopened(session, window, CloseReason.LOST, why, now)
    for window in rows.lock_forced(session):
        close_without_node(session, window, SYSTEM_ACTOR, now)


def end_unopened(session: Session, window: Window, reason: CloseReason, why: str, now: datetime) -> None:
    """End a window that never began: one that waits holds nothing, an opening one has to close."""
    to = State.CLOSED if window.state == State.WAITING else State.CLOSING
    window.status, window.waiting_for = Status.FAIL, None
    advance(session, window, to, actor=SYSTEM_ACTOR, now=now, reason=reason, detail=why)


def lose_stack(session: Session, stack: StackId, now: datetime) -> None:
    """End what never began on a stack that its node has no more; what is on keeps its time."""
    services.lock_services(session, stack)
    for window in rows.not_begun(session, stack):
        end_unopened(session, window, CloseReason.LOST, f"stack {stack} is no longer served by its node", now)
