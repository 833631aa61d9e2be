"""Record compose calls as started, finished or lost, and update the service of each call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.domain import backoff, call_output, untrusted_text
from app.domain.calls import CallOutcome, StartedCall
from app.domain.enums import Action, CallStatus, Event, Power
from app.domain.stack_id import namespace_of
from app.store import audit, services
from app.store import windows as rows
from app.store.tables import LONGEST_MS, Call, Lease, Service, stamp
from app.usecases.windows.transitions import SYSTEM_ACTOR

TRIES = 2
"""Calls to bring a service up for one window; the second only where the outcome of the first is unknown."""


ENDING_ACTIONS = {Action.PRE_STOP, Action.STOP, Action.KILL}


RETRY_FIRST, RETRY_CAP = timedelta(seconds=10), timedelta(minutes=5)
"""A stop that failed is tried again after this long, doubled each time, up to the cap."""


def start_call(session: Session, begun: StartedCall, now: datetime) -> int:
    """Record a call before the worker runs it; return its id."""
    call = call_row(begun, now)
    session.add(call)
    mark_service_changing(session, begun, now)
    session.flush()
    facts = {"image": begun.image, "image_digest": begun.image_digest, "config_hash": begun.config_hash}
    record_call_entry(session, call, Event.CALL_STARTED, now, **facts)
    return call.id


def call_row(begun: StartedCall, started_at: datetime) -> Call:
    """Return the row of a started call, not yet in any session."""
    return Call(
        window_id=begun.window,
        stack=begun.stack,
        service=begun.service,
        node=begun.node,
        worker=begun.worker,
        action=begun.action,
        argv=list(begun.argv),
        started_at=started_at,
    )


def mark_service_changing(session: Session, begun: StartedCall, now: datetime) -> None:
    """Store what a call that starts now means for its service: its power, and the stop that is pending."""
    service = session.get(Service, (begun.stack, begun.service), with_for_update=True)
    if service is None:
        return
    if begun.action is Action.UP:
        service.mark_stop_pending(services.location(session, service))
        service.unsure = True
        service.power, service.ready, service.detail = Power.STARTING, False, ""
        if lease := lease_of_call(session, begun.window, begun.service):
            lease.tried += 1
    elif service.power == Power.UNKNOWN:
        # Nothing is seen of what this call does.
        return
    elif begun.action in ENDING_ACTIONS and service.alive:
        service.power, service.ready = Power.STOPPING, False
    service.changed_at = now


def finish_call(session: Session, call_id: int, outcome: CallOutcome, now: datetime) -> None:
    """Record how a call ended, and update its service accordingly."""
    call = session.get(Call, call_id, with_for_update=True)
    if call is None or call.status != CallStatus.RUNNING:
        return
    call.status, call.returncode = outcome.status, outcome.returncode
    call.elapsed_ms = min(outcome.elapsed_ms, LONGEST_MS)
    call.stdout, call.stderr, call.finished_at = (
        bounded_output(outcome.stdout),
        bounded_output(outcome.stderr),
        now,
    )
    _conclude(session, call, now)
    facts = {"status": outcome.status, "returncode": outcome.returncode, "elapsed_ms": call.elapsed_ms}
    record_call_entry(session, call, Event.CALL_FINISHED, now, **facts, stderr=call.stderr)


def bounded_output(output: str) -> str:
    """The beginning and the end of the output, without characters that a database cannot store."""
    return untrusted_text.storable(call_output.shorten_output(output))


def lose_call(session: Session, call: Call, now: datetime) -> bool:
    """Record that a call was started and its end was not seen; the engine is then asked for the truth.

    False where its end is known after all.
    """
    # Another worker may have recorded it as lost, or recorded its end, since it was read as running.
    session.refresh(call, with_for_update=True)
    if call.status != CallStatus.RUNNING:
        return False
    call.status, call.finished_at = CallStatus.LOST, now
    _conclude(session, call, now)
    record_call_entry(session, call, Event.CALL_LOST, now)
    return True


def _conclude(session: Session, call: Call, now: datetime) -> None:
    service = session.get(Service, (call.stack, call.service), with_for_update=True)
    if service is None or (call.blind and services.started_since(session, call)):
        # An offline call says nothing about what was started after it.
        return
    if call.action == Action.UP:
        service.fault = "" if call.status == CallStatus.OK else _fault(call)
        service.start_failed = call.status != CallStatus.OK
        _record_try(lease_of_call(session, call.window_id, call.service), CallStatus(call.status), now)
    elif call.action == Action.PRE_STOP:
        if call.status == CallStatus.LOST and services.lost_before(session, call):
            record_failed_stop(service, now)
    elif call.action in {Action.STOP, Action.KILL}:
        conclude_stop(session, service, call, now)
        if call.action == Action.KILL:
            rows.record_kill(session, call.stack, call.service)


def _record_try(lease: Lease | None, status: CallStatus, now: datetime) -> None:
    unknown = status in {CallStatus.TIMEOUT, CallStatus.LOST, CallStatus.CANCELLED}
    if lease and not (unknown and lease.tried < TRIES):
        lease.tried_at = now


def conclude_stop(session: Session, service: Service, call: Call, now: datetime) -> None:
    """Store what the end of a stop or kill means for its service, and when it is retried."""
    if call.status == CallStatus.OK:
        # Whether it has failed all the same, only a look can tell; see `_in_vain`.
        service.unsure, service.retry_at = False, _unseen_until(service, now)
    elif _is_failure(session, call):
        record_failed_stop(service, now)


def _unseen_until(service: Service, now: datetime) -> datetime | None:
    """When a stop that returned 0 is made again while the engine shows nothing; None where it shows a state.

    Each pause is as long as nothing has been shown so far. The first look that shows the service ends it.
    """
    if service.power != Power.UNKNOWN:
        return None
    return now + min(max(now - (service.changed_at or now), RETRY_FIRST), RETRY_CAP)


def _is_failure(session: Session, call: Call) -> bool:
    """Does this stop, which was not confirmed, say anything against its service?

    A cancelled stop does not. A lost stop only shows that its worker died: it is repeated at once, in the
    same way. A second lost stop in a row counts as a failure, so the next one waits.
    """
    if call.status == CallStatus.LOST:
        return services.lost_before(session, call)
    return call.status != CallStatus.CANCELLED


def record_failed_stop(service: Service, now: datetime) -> None:
    """Count a failed stop, and set when it is tried again."""
    service.failures += 1
    service.retry_at = now + backoff.delay(service.failures, RETRY_FIRST, RETRY_CAP)


def _fault(call: Call) -> str:
    if call.status == CallStatus.TIMEOUT:
        return f"its start did not finish within {(call.elapsed_ms or 0) / 1000:.0f} s"
    if call.status in {CallStatus.LOST, CallStatus.CANCELLED}:
        return "its start was cut off before it ended"
    printed = call.stderr.strip() or call.stdout.strip()
    cause = call_output.reason(printed) or "no output"
    if mended_by := call_output.advice(printed, _project(call), call.service):
        cause = f"{cause.splitlines()[0]}; {mended_by}"
    # Without an exit code nothing was run at all, and what was said is why.
    code = "" if call.returncode is None else f" (exit {call.returncode})"
    return f"could not be started{code}: {cause}"


def _project(call: Call) -> str:
    argv = list(call.argv)
    return argv[argv.index("-p") + 1] if "-p" in argv[:-1] else call.stack


def lease_of_call(session: Session, window: str | None, service: str) -> Lease | None:
    """The lease that a call was made for, locked; None where it was made for none."""
    return session.get(Lease, (window, service), with_for_update=True) if window else None


def record_lost_calls(session: Session, node: str, dead: Mapping[str, bool], now: datetime) -> list[Call]:
    """Declare every running call of workers that are `dead` lost; return them."""
    dead_calls = [call for call in services.running_calls(session, node) if dead.get(call.worker, False)]
    return [call for call in dead_calls if lose_call(session, call, now)]


def record_call_entry(session: Session, call: Call, event: Event, now: datetime, **facts: Any) -> None:
    """Write an audit entry about a call. The entry of an offline call has its real times."""
    details = {name: value for name, value in facts.items() if value not in (None, "", [])}
    if call.blind:
        details |= {"blind": True, "started_at": stamp(call.started_at)}
        details |= {"finished_at": stamp(call.finished_at)} if call.finished_at else {}
    # Ids of calls count for the whole server: they would show a namespace how much others do.
    identity = {} if namespace_of(call.stack) else {"call": call.id}
    audit.record(
        session,
        event,
        actor=SYSTEM_ACTOR,
        now=now,
        stack=call.stack,
        window=call.window_id,
        service=call.service,
        **identity,
        action=call.action,
        argv=call.argv,
        **details,
    )
