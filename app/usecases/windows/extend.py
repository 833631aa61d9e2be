"""Move a window's deadline."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.domain import durations, windows
from app.domain.enums import Event, State
from app.domain.errors import (
    BadTTL,
    TimeIsUp,
    TTLTooLong,
    WouldShorten,
)
from app.store import stacks
from app.store.tables import Window, stamp
from app.usecases.windows.open import is_positive
from app.usecases.windows.transitions import lock_window, record_entry


def extend(
    session: Session, window_id: str, ttl: float, *, actor: str, now: datetime, reason: str | None = None
) -> Window:
    """Move a live window's deadline to `ttl` seconds from now.

    Only its owner may move it to an earlier moment. Raises UnknownWindow, BadTTL,
    TTLTooLong, TimeIsUp or WouldShorten.
    """
    if not is_positive(ttl):
        raise BadTTL(ttl)
    window = lock_window(session, window_id)
    # A row lock may have been waited for: a deadline that passed meanwhile has passed.
    if not windows.extendable(State(window.state), window.deadline, now):
        raise TimeIsUp(window.id, window.state, window.deadline)
    # One that waits has not begun: what it is given counts from when it will.
    began = now if window.state == State.WAITING else window.opening_at or window.created_at
    before = window.deadline
    limit = stacks.chosen(session, window.stack).spec.max_ttl
    # Compared as numbers: what is far too long is more than a date can hold.
    if durations.exceeds(ttl, longest := (began - now).total_seconds() + limit):
        raise TTLTooLong(window.stack, ttl, limit, max(0.0, round(longest, 3)))
    deadline = now + timedelta(seconds=ttl)
    if deadline < before and actor != window.actor:
        raise WouldShorten(window.id, window.actor, (before - now).total_seconds())
    window.deadline, window.ttl_sec = deadline, (deadline - began).total_seconds()
    record_entry(
        session,
        window,
        Event.WINDOW_EXTENDED,
        actor,
        now,
        ttl_sec=ttl,
        before=stamp(before),
        deadline=stamp(deadline),
        reason=reason,
    )
    return window
