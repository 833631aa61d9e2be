"""Named queries about services and the calls made for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.domain.enums import Action, CallStatus, Power, Role
from app.domain.locations import Location
from app.domain.stack_id import StackId
from app.store.tables import Call, Service, Stack, insert_if_new

_OFF = {Action.PRE_STOP, Action.STOP, Action.KILL}


def of(session: Session, stack: StackId) -> dict[str, Service]:
    """The services of a stack, by name."""
    return {row.name: row for row in session.scalars(select(Service).where(Service.stack == stack))}


def lock_services(session: Session, stack: StackId) -> dict[str, Service]:
    """All services of a stack, locked in name order, as they are after any other change to them."""
    query = select(Service).where(Service.stack == stack).order_by(Service.name).with_for_update()
    rows = session.scalars(query, execution_options={"populate_existing": True})
    return {row.name: row for row in rows}


def ensure(session: Session, stack: StackId, roles: Mapping[str, Role]) -> None:
    """A row for each of these; one that another transaction makes at the same moment will do."""
    new = [{"stack": stack, "name": name, "role": role} for name, role in sorted(roles.items())]
    if new:
        session.execute(insert_if_new(session, Service).values(new))


def retry_stops_now(session: Session, stack: StackId, names: Collection[str]) -> None:
    """Make the next stop of these services due now, without the wait after a failure."""
    those = update(Service).where(Service.stack == stack, Service.name.in_(names))
    session.execute(those.values(retry_at=None))


def mark_stops_pending(session: Session, stack: StackId, names: Collection[str], at: Location) -> None:
    """Mark these stops as pending at this location; a stop that is pending already keeps its location."""
    for row in _of(session, stack, names):
        row.mark_stop_pending(at)


def mark_possibly_running(session: Session, stack: StackId, names: Collection[str], at: Location) -> None:
    """Mark these services as possibly running: only a confirmed stop shows that they are off."""
    for row in _of(session, stack, names):
        row.mark_stop_pending(at)
        row.unsure, row.observed_at, row.retry_at = True, None, None


def _of(session: Session, stack: StackId, names: Collection[str]) -> list[Service]:
    query = select(Service).where(Service.stack == stack, Service.name.in_(names)).order_by(Service.name)
    return list(session.scalars(query.with_for_update(), execution_options={"populate_existing": True}))


def location(session: Session, row: Service) -> Location:
    """Where this service would run if it were started now."""
    stack = session.get(Stack, row.stack)
    return stack.location if stack else Location()


def troubled_services(session: Session) -> list[Service]:
    """Every service whose stop is pending or failed, or that drifts."""
    those = Service.stop_pending | Service.drift_since.is_not(None) | (Service.failures > 0)
    return list(session.scalars(select(Service).where(those)))


def core_down(session: Session) -> list[str]:
    """The stack of every core service that is known to be down."""
    down = Service.power.in_((Power.OFF, Power.FAILING))
    return list(session.scalars(select(Service.stack).where(Service.role == Role.CORE, down)))


def calling(session: Session, stack: StackId) -> dict[str, Action]:
    """The call that is under way for each service of a stack, where there is one."""
    query = select(Call.service, Call.action).where(Call.stack == stack, Call.status == CallStatus.RUNNING)
    return {service: Action(action) for service, action in session.execute(query)}


def last_calls(session: Session, stacks: Collection[StackId]) -> dict[tuple[StackId, str], Call]:
    """The newest call of each service, by one look into the index each, however many calls there were."""
    newest = (
        select(func.max(Call.id))
        .where(Call.stack == Service.stack, Call.service == Service.name)
        .correlate(Service)
        .scalar_subquery()
    )
    rows = session.scalars(select(Call).where(Call.id.in_(select(newest).where(Service.stack.in_(stacks)))))
    return {(row.stack, row.service): row for row in rows}


def call_before(session: Session, stack: StackId, service: str, moment: datetime) -> Call | None:
    """The newest call of a service that began at this moment or before."""
    query = select(Call).where(Call.stack == stack, Call.service == service, Call.started_at <= moment)
    return session.scalar(query.order_by(Call.id.desc()).limit(1))


def cut_off_since(session: Session, stack: StackId, service: str, since: datetime) -> bool:
    """Has the last start of a service ended since then, and not well? The engine may go on with it."""
    starts = select(Call.status, Call.finished_at).where(Call.stack == stack, Call.service == service)
    last = session.execute(starts.where(Call.action == Action.UP).order_by(Call.id.desc()).limit(1)).first()
    return bool(last and last.status != CallStatus.OK and last.finished_at and last.finished_at > since)


def lost_before(session: Session, call: Call) -> bool:
    """Was the call that was made for this service before this one a stop that was lost, too?"""
    query = select(Call.action, Call.status).where(Call.stack == call.stack, Call.service == call.service)
    # What came of hooks says nothing of the stop after them, unless their worker died.
    hooks = (Call.action == Action.PRE_STOP) & (Call.status != CallStatus.LOST)
    earlier = query.where(Call.id < call.id, ~hooks)
    before = session.execute(earlier.order_by(Call.id.desc()).limit(1)).first()
    return before is not None and before.action in _OFF and before.status == CallStatus.LOST


def running_calls(session: Session, node: str) -> list[Call]:
    """Calls of a node that were started and have not finished."""
    return list(session.scalars(select(Call).where(Call.status == CallStatus.RUNNING, Call.node == node)))


def store_live_output(session: Session, outputs: Mapping[int, str]) -> None:
    """Store what these calls, by id, have printed so far; one that has ended stays as it is.

    A row that another transaction has locked is skipped, so that no end of a call waits for this.
    """
    running = select(Call.id).where(Call.id.in_(outputs), Call.status == CallStatus.RUNNING)
    for call in list(session.scalars(running.order_by(Call.id).with_for_update(skip_locked=True))):
        session.execute(update(Call).where(Call.id == call).values(stderr=outputs[call]))


def is_in_journal(session: Session, journal_id: str) -> bool:
    """Was this line of a worker's journal taken in already?"""
    return session.scalar(select(Call.id).where(Call.journal_id == journal_id)) is not None


def started_since(session: Session, call: Call) -> bool:
    """Was the service of this call started since that call began?"""
    query = select(Call.id).where(Call.stack == call.stack, Call.service == call.service)
    later = query.where(Call.action == Action.UP, Call.started_at >= call.started_at, Call.id != call.id)
    return session.scalar(later.limit(1)) is not None
