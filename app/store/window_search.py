"""Windows by what a reader looks for, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.domain.enums import CloseReason, State, Status
from app.domain.stack_id import StackId
from app.store import paging
from app.store.tables import Lease, Window


@dataclass(frozen=True, slots=True)
class WindowSearch:
    """What a window must be; None and False ask for nothing. Times are those of its creation."""

    state: State | None = None
    status: Status | None = None
    close_reason: CloseReason | None = None
    stack: StackId | None = None
    service: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    stuck: bool = False


def search(
    session: Session, wanted: WindowSearch, *, before: paging.RowPlace | None = None, limit: int = 50
) -> list[Window]:
    """The windows that are all of this, newest first, from beyond `before` (created_at, id)."""
    query = select(Window).where(*_conditions(wanted))
    return list(session.scalars(paging.newest_first(query, Window, before, limit)))


def _conditions(wanted: WindowSearch) -> list[ColumnElement[bool]]:
    equal = {
        Window.state: wanted.state,
        Window.status: wanted.status,
        Window.close_reason: wanted.close_reason,
        Window.stack: wanted.stack,
        Window.actor: wanted.actor,
    }
    conditions: list[ColumnElement[bool]] = [
        column == value for column, value in equal.items() if value is not None
    ]
    if wanted.service is not None:
        held = select(Lease.window_id).where(Lease.service == wanted.service)
        conditions.append(Window.id.in_(held))
    if wanted.since is not None:
        conditions.append(Window.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Window.created_at < wanted.until)
    if wanted.stuck:
        conditions += [Window.stuck.is_(True), Window.state == State.CLOSING]
    return conditions
