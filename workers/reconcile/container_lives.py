"""Tell the containers that say why a service fails now from those that ended before it was to run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.domain.enums import Action, CallStatus
from app.domain.readiness import Container
from app.store import services, windows
from app.store.tables import Call
from workers.state.context import WorkerContext
from workers.state.diagnosis_queue import DiagnosisRequest

_SLACK = timedelta(seconds=1)
"""By how much the clocks of the engine and the database may differ."""
_AFTER = timedelta(seconds=2)
"""How long after the end of its stop a container may be seen to end."""
_STOPS = frozenset({Action.STOP, Action.KILL, Action.PRE_STOP, Action.REMOVE})
_ENDS = _STOPS | {Action.UP}
"""Calls that end a container; a start does where it makes the container anew."""
_FAILED = frozenset({CallStatus.FAIL, CallStatus.TIMEOUT})


def of_this_window(context: WorkerContext, request: DiagnosisRequest) -> DiagnosisRequest | None:
    """The request with those containers only that failed under the windows that hold the service now.

    None where every container ended before, or by a call that the product made: nothing has failed yet.
    A request for a call keeps its meaning and is returned as it is.
    """
    if not request.containers or request.stopped_in is not None:
        return request
    with context.database.read() as session:
        begun = _first_opening(session, request)
        recent = tuple(one for one in request.containers if _is_recent(session, request, one, begun))
        call = services.last_calls(session, [request.stack]).get(request.key)
    if recent:
        return replace(request, containers=recent)
    start_failed = call and call.action == Action.UP and call.status in _FAILED
    is_new = call and (begun is None or call.started_at >= begun - _SLACK)
    return replace(request, containers=()) if start_failed and is_new else None


def of_last_call(context: WorkerContext, project: str, request: DiagnosisRequest) -> list[Container]:
    """The containers of the service without what ended before the last call, if that is a failed start.

    Raises Away where the engine does not answer.
    """
    return since_failed_start(context, request, context.engine.containers(project, [request.service]))


def since_failed_start(
    context: WorkerContext, request: DiagnosisRequest, containers: Iterable[Container]
) -> list[Container]:
    """Those of the containers that did not end before the last call, if that is a start that failed."""
    with context.database.read() as session:
        call = services.last_calls(session, [request.stack]).get(request.key)
    if call is None or call.action != Action.UP or call.status not in _FAILED:
        return list(containers)
    return [one for one in containers if one.error or not ended_before(one, call.started_at)]


def ended_before(container: Container, moment: datetime) -> bool:
    """Had the container ended before this moment, and has it not been started since?"""
    ended = None if container.alive else container.finished_at
    return ended is not None and ended < moment - _SLACK


def ended_by(container: Container, call: Call) -> bool:
    """Did this call of the product end the container, that is, did it run before the call and end in it?"""
    ended, started = container.finished_at, container.started_at
    if container.alive or ended is None or call.action not in _ENDS:
        return False
    is_stop = call.action in _STOPS
    # What a start has just started may end before the start does: it failed by itself.
    if started is not None and started > call.started_at + (_SLACK if is_stop else -_SLACK):
        return False
    after = _AFTER if is_stop else timedelta()
    in_time = call.finished_at is None or call.status == CallStatus.LOST or ended <= call.finished_at + after
    # A program that failed by itself is often stopped a moment later, when its window closes.
    return call.started_at <= ended and in_time


def _is_recent(
    session: Session, request: DiagnosisRequest, container: Container, begun: datetime | None
) -> bool:
    if container.severed:
        return True
    if begun is not None and ended_before(container, begun):
        return False
    ended = container.finished_at
    call = ended and services.call_before(session, request.stack, request.service, ended + _SLACK)
    return not (call and ended_by(container, call))


def _first_opening(session: Session, request: DiagnosisRequest) -> datetime | None:
    """Since when a window has held the service; None where none does, as for core."""
    moving = windows.moving_of(session, request.stack)
    held = [one for one in moving if request.service in {lease.service for lease in one.leases}]
    return min((one.opening_at or one.created_at for one in held), default=None)
