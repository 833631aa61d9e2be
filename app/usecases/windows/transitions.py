"""What people and the clock do with windows: open, extend, close, expire, refuse.

One transaction each, no HTTP and no engine. A window's state and its audit entry
change in one private function, so neither changes alone. What workers report is
taken in by `app.usecases.reconciliation.observations`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain import windows
from app.domain.enums import CloseReason, Event, State
from app.domain.errors import (
    UnknownWindow,
)
from app.store import audit
from app.store import windows as rows
from app.store.tables import Window

CLOCK_ACTOR = "clock"
"""The actor of what happens because a deadline has come."""


SYSTEM_ACTOR = "power-windows"
"""The actor of what the product does by itself."""


def lock_window(session: Session, window_id: str) -> Window:
    """The window with its row locked; raises UnknownWindow."""
    window = rows.lock_window(session, window_id)
    if window is None:
        raise UnknownWindow(window_id)
    return window


_EVENTS = {
    State.OPENING: Event.WINDOW_OPENING,
    State.OPEN: Event.WINDOW_OPEN,
    State.CLOSING: Event.WINDOW_CLOSING,
    State.CLOSED: Event.WINDOW_CLOSED,
}


def advance(
    session: Session,
    window: Window,
    to: State,
    *,
    actor: str,
    now: datetime,
    reason: CloseReason | None = None,
    detail: str | None = None,
) -> None:
    """Change a window's state and record it. No other function changes a state.

    `reason` and `detail` say why it ends; None keeps the present value.
    """
    window.state = windows.move(State(window.state), to)
    # A window that has just moved needs a worker's attention.
    window.attended_at = None
    if to is State.OPEN:
        window.opened_at = now
    if to is State.CLOSING:
        window.closing_at = now
    if to is State.CLOSED:
        window.closed_at, window.stuck, window.waiting_for = now, False, None
    if to in windows.ENDED:
        set_ending(window, reason, actor, detail)
    late = (
        {"late_ms": round((now - window.deadline).total_seconds() * 1000, 1)} if actor == CLOCK_ACTOR else {}
    )
    ending = ending_facts(window) if to in windows.ENDED else {}
    record_entry(session, window, _EVENTS[to], actor, now, status=window.status, **ending, **late)


def set_ending(window: Window, reason: CloseReason | None, actor: str, detail: str | None) -> None:
    """Store why a window ends: the reason and actor of the first request, or of a later forced one."""
    if reason is not None:
        window.close_reason, window.closed_by = reason, actor
    window.close_detail = detail or window.close_detail


def ending_facts(window: Window) -> dict[str, Any]:
    """Why a window ends, as its entries tell it; `reason` is what they called the sentence at first."""
    return {
        "reason": window.close_detail,
        "close_reason": window.close_reason,
        "closed_by": window.closed_by,
        "close_detail": window.close_detail,
        "forced": True if window.forced else None,
    }


def record_entry(
    session: Session, window: Window, event: Event, actor: str, now: datetime, **facts: Any
) -> None:
    """Write an audit entry about a window, with those of the facts that are not None."""
    known_facts = {name: value for name, value in facts.items() if value is not None}
    audit.record(session, event, actor=actor, now=now, stack=window.stack, window=window.id, **known_facts)
