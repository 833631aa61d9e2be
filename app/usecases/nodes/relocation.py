"""Where a stack is held: the windows and pending stops that tie it to a location, and their removal.

A stack is served in one location at a time. While a window holds a service in another location, or a stop
is pending there, its worker serves that location, or nothing. With `relocate` an operator gives up a
location that no longer exists.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain.enums import Event, Role
from app.domain.errors import NotDisplaced
from app.domain.locations import Holding, Location
from app.domain.stack_id import StackId
from app.store import audit, services, stacks, workers
from app.store import windows as rows
from app.store.tables import Lease, Service, Stack


def holdings(session: Session, stack: StackId) -> list[Holding]:
    """What a stack's windows hold and which stops are pending, one value for each location."""
    windows, pending_stops, core = (defaultdict[Location, set[str]](set) for _ in range(3))
    for lease in _leases(session, stack):
        windows[lease.location].add(lease.window_id)
    for row in _owing(session, stack):
        pending_stops[row.location].add(row.name)
        if row.role == Role.CORE:
            core[row.location].add(row.name)
    return [
        Holding(at, frozenset(windows[at]), frozenset(pending_stops[at]), frozenset(core[at]))
        for at in windows.keys() | pending_stops.keys()
    ]


def _leases(session: Session, stack: StackId) -> list[Lease]:
    return [lease for window in rows.moving_of(session, stack) for lease in window.leases]


def _owing(session: Session, stack: StackId) -> list[Service]:
    return [row for row in services.of(session, stack).values() if row.stop_pending]


def _tied_rows(session: Session, stack: StackId) -> list[Lease | Service]:
    return [*_leases(session, stack), *_owing(session, stack)]


def complete(session: Session, stack: StackId, at: Location) -> None:
    """Complete the locations of leases and pending stops of which a part was not known."""
    for one in _tied_rows(session, stack):
        one.project, one.engine_id = one.project or at.project, one.engine_id or at.engine_id


def relocate(session: Session, name: StackId, *, actor: str, now: datetime) -> Stack:
    """Move a stack's windows and pending stops to the location where its worker serves it next.

    What may still run in the old location is not turned off any more. Raises UnknownStack
    or NotDisplaced.
    """
    stack = stacks.chosen(session, name)
    stacks.lock_stack(session, name)
    held_elsewhere = holdings(session, name)
    if not held_elsewhere or not (stack.faults or stack.refused or workers.is_away(session, stack, now)):
        raise NotDisplaced(name)
    for one in _tied_rows(session, name):
        one.project = one.engine_id = ""
    facts = [_relocation_facts(one) for one in held_elsewhere]
    audit.record(
        session, Event.STACK_RELOCATED, actor=actor, now=now, stack=name, node=stack.node, left=facts
    )
    return stack


def _relocation_facts(one: Holding) -> dict[str, Any]:
    at = {"project": one.location.project, "engine": one.location.engine_id}
    return at | {"windows": sorted(one.windows), "owing": sorted(one.pending_stops)}
