"""Audit entries for refused requests: the first in full, repetitions as a count."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.enums import Event
from app.domain.errors import (
    Refusal,
)
from app.domain.stack_id import StackId
from app.store import audit, stacks
from app.store.tables import stamp
from app.usecases.windows.transitions import SYSTEM_ACTOR


def record_refusal(
    session: Session, refusal: Refusal, *, actor: str, now: datetime, stack: StackId | None = None, what: str
) -> None:
    """Write an audit entry for a refused request, whose own transaction was rolled back."""
    existing = stack if stack in stacks.names(session) else None
    facts = {name: value for name, value in refusal.facts.items() if name != "stack"}
    audit.record(
        session,
        Event.REFUSED,
        actor=actor,
        now=now,
        stack=existing,
        what=what,
        why=str(refusal),
        **facts,
    )


def record_repeated_refusals(
    session: Session,
    actor: str,
    now: datetime,
    *,
    stack: StackId | None,
    what: str,
    why: str,
    times: int,
    since: datetime,
    until: datetime,
) -> None:
    """Record how many more requests were refused for a reason whose first refusal has an entry of its own."""
    existing = stack if stack in stacks.names(session) else None
    audit.record(
        session,
        Event.REFUSED,
        actor=actor or SYSTEM_ACTOR,
        now=now,
        stack=existing,
        what=what,
        why=why,
        times=times,
        since=stamp(since),
        until=stamp(until),
    )
