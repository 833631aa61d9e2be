"""Import what workers did while the database was away.

A worker keeps a journal on disk of its offline calls, and of the ends of calls that it could not report.
A second import of a record changes nothing, so a worker may be killed between the import and the removal
of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.calls import CallOutcome, StartedCall
from app.domain.enums import CallStatus, Event
from app.store import audit, services
from app.store import windows as rows
from app.store.tables import Call, Service, stamp
from app.usecases.reconciliation import calls
from app.usecases.windows.transitions import SYSTEM_ACTOR


@dataclass(frozen=True, slots=True)
class OfflineCall:
    """A call that was made while the database was away; without an outcome, its end was not seen."""

    id: str
    begun: StartedCall
    started_at: datetime
    outcome: CallOutcome | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OfflineEnd:
    """The end of a call whose start was recorded in the database."""

    call: int
    outcome: CallOutcome
    at: datetime


@dataclass(frozen=True, slots=True)
class OfflineRecord:
    """A time in which a worker could not reach the database, and how many calls it made in it."""

    id: str
    worker: str
    since: datetime
    until: datetime | None
    calls: int


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Everything in the journal of one worker."""

    made: Sequence[OfflineCall] = field(default_factory=list)
    ended: Sequence[OfflineEnd] = field(default_factory=list)
    blind: Sequence[OfflineRecord] = field(default_factory=list)


def import_journals(session: Session, node: str, pages: Sequence[JournalPage], now: datetime) -> None:
    """Import offline calls, oldest first, and record how long the node was without the database."""
    for ended in sorted((one for page in pages for one in page.ended), key=lambda one: one.at):
        calls.finish_call(session, ended.call, ended.outcome, ended.at)
    for made in sorted((one for page in pages for one in page.made), key=lambda one: one.started_at):
        if not services.is_in_journal(session, made.id):
            import_call(session, made, now)
    _say(session, node, [one for page in pages for one in page.blind], now)


def import_call(session: Session, made: OfflineCall, now: datetime) -> None:
    """Record one call of the journal, with its audit entries and its effect on the service."""
    begun = made.begun
    holding = rows.holding(session, begun.stack, begun.service, made.started_at)
    call = calls.call_row(begun, made.started_at)
    call.window_id = begun.window or _newest(session, begun)
    call.status, call.journal_id, call.blind = CallStatus.RUNNING, made.id, True
    session.add(call)
    session.flush()
    cut = sorted(window.id for window in holding)
    calls.record_call_entry(session, call, Event.CALL_STARTED, made.started_at, cut=cut)
    if made.outcome and made.finished_at:
        calls.finish_call(session, call.id, made.outcome, made.finished_at)
    else:
        calls.lose_call(session, call, now)
    if cut:
        _explain(session, call)


def _newest(session: Session, begun: StartedCall) -> str | None:
    """The window that lets go of this service, where the worker knew of none that holds it."""
    closing = [
        window.id
        for window in rows.moving_of(session, begun.stack)
        if any(lease.service == begun.service for lease in window.leases)
    ]
    return closing[-1] if closing else None


def _explain(session: Session, call: Call) -> None:
    """The windows that were cut short say why, until the service is up again or no window wants it."""
    service = session.get(Service, (call.stack, call.service), with_for_update=True)
    if service and not services.started_since(session, call):
        at = stamp(call.started_at)
        service.fault = (
            f"it was stopped blind at {at}, while the database was away: an extension was not seen"
        )


def _say(session: Session, node: str, blind: Sequence[OfflineRecord], now: datetime) -> None:
    """Write one audit entry for one outage, however many workers it affected."""
    untold = [one for one in blind if not audit.has_entry_with(session, Event.NODE_BLIND, one.id, one.since)]
    if not untold:
        return
    audit.record(
        session,
        Event.NODE_BLIND,
        actor=SYSTEM_ACTOR,
        now=now,
        node=node,
        outages=sorted({one.id for one in untold}),
        workers=sorted({one.worker for one in untold}),
        since=stamp(min(one.since for one in untold)),
        until=stamp(max(one.until or now for one in untold)),
        calls=sum(one.calls for one in untold),
    )
