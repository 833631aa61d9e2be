"""After a restore the database is behind the engine: services that it does not know of are stopped.

A window that was opened after the backup may still hold a running service. So every allowed service of
every stack gets a pending stop, also of stacks that are published for the first time since. A service
that a live window holds stays on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain.enums import Event, Role
from app.domain.locations import Location
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.store import audit, services, sessions, stacks
from app.store import windows as rows
from app.store.tables import Mark, Service, Stack

RESTORED_MARK = "restored"


def mark_restored(session: Session, *, actor: str, now: datetime, **facts: Any) -> None:
    """Mark this database as restored, with an audit entry after the last entry of the backup."""
    session.merge(Mark(name=RESTORED_MARK, at=now))
    # Who signed out since the backup stays signed out.
    sessions.end_all(session)
    for stack in stacks.every(session):
        mark_services_possibly_running(session, stack.spec, stack.location)
    audit.record(session, Event.DATABASE_RESTORED, actor=actor, now=now, **facts)


def behind_snapshot(
    session: Session,
    spec: StackSpec,
    *,
    windows: Collection[str],
    services_on: Mapping[str, Location],
    place: tuple[int, str] | None,
    actor: str,
    now: datetime,
) -> list[str]:
    """Mark the services of a worker's snapshot as doubtful if the database is behind it; return their
    names.

    The database is behind if it lacks one of the snapshot's `windows`, or if the stack's chain does not
    contain the entry `place` (its seq and hash). `services_on` has the location of each service that may
    be on.
    """
    unknown = sorted(set(windows) - rows.known_ids(session, windows))
    if not unknown and (place is None or audit.has_come_to(session, spec.name, *place)):
        return []
    allowed = {name: Role.ALLOWED for name in services_on if _may_be_on(session, spec, name)}
    if allowed:
        _doubt(session, spec.name, allowed, services_on)
        facts: dict[str, Any] = {"services": sorted(allowed), "windows": unknown}
        audit.record(session, Event.DATABASE_BEHIND, actor=actor, now=now, stack=spec.name, **facts)
    return sorted(allowed)


def _may_be_on(session: Session, spec: StackSpec, name: str) -> bool:
    """Core is never turned off, whether the backup or the worker calls it core."""
    row = session.get(Service, (spec.name, name))
    role = spec.services[name].role if name in spec.services else None
    return Role.CORE not in {role, Role(row.role) if row else None}


def behind(session: Session, before: Stack | None) -> bool:
    """Is this row of a stack from the backup, so that no worker has published it since the restore?"""
    mark = session.get(Mark, RESTORED_MARK)
    return mark is not None and (before is None or before.loaded_at <= mark.at)


def mark_services_possibly_running(session: Session, spec: StackSpec, at: Location) -> None:
    """Mark every allowed service as possibly running, for a window that the backup does not have."""
    allowed = {name: one.role for name, one in spec.services.items() if one.role is Role.ALLOWED}
    _doubt(session, spec.name, allowed, dict.fromkeys(allowed, at))


def _doubt(
    session: Session, stack: StackId, allowed: Mapping[str, Role], locations: Mapping[str, Location]
) -> None:
    services.lock_services(session, stack)
    services.ensure(session, stack, allowed)
    for name in sorted(allowed):
        services.mark_possibly_running(session, stack, [name], locations[name])
