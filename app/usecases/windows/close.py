"""Close a window before its deadline, politely or by force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain import windows
from app.domain.enums import CloseReason, Event, State
from app.domain.locations import Location
from app.store import services, stacks, workers
from app.store import windows as rows
from app.store.tables import Service, Stack, Window
from app.usecases.windows.transitions import advance, ending_facts, lock_window, record_entry, set_ending


def close(
    session: Session,
    window_id: str,
    *,
    actor: str,
    now: datetime,
    reason: str | None = None,
    force: bool = False,
) -> Window:
    """Start closing a window; one that is closed or closing already stays as it is.

    `force` kills what does not stop and lets the window go even if that fails, with
    the stops of its services still pending. Raises UnknownWindow.
    """
    if force and (seen := rows.get(session, window_id)):
        # Services are locked before windows, here as everywhere.
        services.lock_services(session, seen.stack)
    window = lock_window(session, window_id)
    if force and window.state in _FORCEABLE and not window.forced:
        _force(session, window, actor, now, _forced_reason(actor, reason))
    elif window.state in windows.LIVE | {State.WAITING}:
        to = State.CLOSED if window.state == State.WAITING else State.CLOSING
        detail = reason or f"closed by {actor}"
        advance(session, window, to, actor=actor, now=now, reason=CloseReason.MANUAL, detail=detail)
    if window.state == State.CLOSING and window.forced:
        close_without_node(session, window, actor, now)
    return window


_FORCEABLE = windows.LIVE | {State.CLOSING}


def _forced_reason(actor: str, reason: str | None) -> str:
    return f"forced by {actor}: {reason}" if reason else f"forced by {actor}"


def _force(session: Session, window: Window, actor: str, now: datetime, detail: str) -> None:
    """Have the services killed from now on, and write one audit entry with the actor."""
    window.forced = True
    _hurry(session, window)
    if window.state in windows.LIVE:
        advance(
            session, window, State.CLOSING, actor=actor, now=now, reason=CloseReason.FORCED, detail=detail
        )
    else:
        # The trail has the close already; this entry has who forced it, and why.
        set_ending(window, CloseReason.FORCED, actor, detail)
        record_entry(session, window, Event.WINDOW_CLOSING, actor, now, **ending_facts(window))


def close_without_node(session: Session, window: Window, actor: str, now: datetime) -> None:
    """A forced close waits for no node or engine that is away; what was held is stopped when it is back."""
    stack = stacks.stack_by_name(session, window.stack)
    if stack is None:
        return
    rows = services.of(session, window.stack)
    pending_stops = [
        rows[one.service] for one in window.leases if one.service in rows and rows[one.service].stop_pending
    ]
    away = _away(session, stack, pending_stops, now)
    if not away:
        return
    left = ", ".join(sorted(row.name for row in pending_stops)) or "nothing"
    why = f"{window.close_detail}, with {away} away; not confirmed off: {left}"
    advance(session, window, State.CLOSED, actor=actor, now=now, detail=why)


def _away(session: Session, stack: Stack, pending_stops: Sequence[Service], now: datetime) -> str:
    """Return the node or former engine that would have to stop these services and is away; else empty."""
    if workers.is_away(session, stack, now):
        return f"node {stack.node}"
    node = stacks.node(session, stack.node)
    here = Location(engine_id=node.engine_id if node else "")
    return next(
        (f"engine {row.engine_id}" for row in pending_stops if row.has_stop_pending_outside(here)), ""
    )


def _hurry(session: Session, window: Window) -> None:
    """Make the kill due at once, however often a stop has failed before."""
    for lease in window.leases:
        lease.killed = False
    services.retry_stops_now(session, window.stack, [lease.service for lease in window.leases])
