"""A database that was restored is behind the engine: what it does not know of is turned off.

Something may run that a window opened after the backup, and no row says so. So every
allowed service of every stack owes an off, also those of stacks that are published for
the first time since; what a live window still holds stays on.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain.plans import StackSpec
from app.domain.words import Event, Role
from app.store import audit, services, stacks
from app.store.tables import Mark, Stack

MARK = "restored"


def restored(session: Session, *, actor: str, now: datetime, **facts: Any) -> None:
    """Mark this database as restored; the trail goes on from where the backup ended, and says so."""
    session.merge(Mark(name=MARK, at=now))
    for stack in stacks.every(session):
        doubt(session, stack.spec)
    audit.record(session, Event.DATABASE_RESTORED, actor=actor, now=now, **facts)


def behind(session: Session, before: Stack | None) -> bool:
    """Is this what was known of a stack before the database was restored, with no worker's word since?"""
    mark = session.get(Mark, MARK)
    return mark is not None and (before is None or before.loaded_at <= mark.at)


def doubt(session: Session, spec: StackSpec) -> None:
    """Every allowed service may run, or yet come up, for a window that is not known here."""
    allowed = {name: one.role for name, one in spec.services.items() if one.role is Role.ALLOWED}
    services.locked(session, spec.name)
    services.ensure(session, spec.name, allowed)
    services.doubt(session, spec.name, allowed)
