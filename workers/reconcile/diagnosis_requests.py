"""Decides which services are to be diagnosed, after an inspection and after a call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.domain import dependencies
from app.domain.calls import CallOutcome
from app.domain.enums import Action, CallStatus, Power, Role
from app.domain.planning import ServiceSpec
from app.domain.readiness import Container, ReadinessVerdict
from app.domain.stack_id import StackId
from app.store import windows
from app.store.tables import Lease
from workers.state.context import WorkerContext
from workers.state.diagnosis_queue import DiagnosisRequest

_GRACE = 10.0
_SHARE = 0.9
"""The share of its grace after which a stop counts as having taken all of it."""
_RECENT = timedelta(minutes=2)
"""How long after its beginning a window is looked at whose services a dependency kept from starting."""


def after_inspection(
    context: WorkerContext,
    stack: StackId,
    service: ServiceSpec,
    containers: Iterable[Container],
    verdict: ReadinessVerdict,
    *,
    wanted: bool,
) -> None:
    """Diagnose a service that fails, and once more where it was unhealthy and has become healthy."""
    mine, key = tuple(containers), (stack, service.name)
    if verdict.power is Power.FAILING and (wanted or service.role is Role.CORE):
        context.diagnosing.note_unhealthy(key, mine)
        context.diagnosing.submit(DiagnosisRequest(stack, service.name, verdict.detail, mine))
    elif verdict.ready and context.diagnosing.has_recovered(key, mine):
        context.diagnosing.submit(DiagnosisRequest(stack, service.name, "", mine), again=True)


def after_call(
    context: WorkerContext,
    stack: StackId,
    service: str,
    containers: Sequence[Container] | None,
    *,
    action: Action,
    outcome: CallOutcome,
) -> None:
    """Diagnose a service whose call failed, or whose stop took its whole grace."""
    if outcome.status is CallStatus.OK and action in {Action.STOP, Action.PRE_STOP}:
        graces = [_GRACE if one.grace is None else one.grace for one in containers or () if one.alive]
        seconds = outcome.elapsed_ms / 1000
        if graces and seconds >= max(0.5, _SHARE * min(graces)):
            context.diagnosing.submit(DiagnosisRequest(stack, service, stopped_in=seconds), again=True)
    elif outcome.status in {CallStatus.FAIL, CallStatus.TIMEOUT}:
        context.diagnosing.submit(DiagnosisRequest(stack, service), again=True)


def after_settling(context: WorkerContext, session: Session, stack: StackId, now: datetime) -> None:
    """Diagnose services that never started, since a dependency of theirs has failed or is down."""
    for lease in windows.blocked_leases(session, stack, now - _RECENT):
        context.diagnosing.submit(_request_of(stack, lease))


def after_diagnosis(
    context: WorkerContext, session: Session, stack: StackId, service: str, now: datetime
) -> None:
    """Diagnose what waits for a service once more, now that the cause of that one is known."""
    for lease in windows.blocked_leases(session, stack, now - _RECENT):
        if dependencies.is_blocked_by(lease.blocked, service):
            context.diagnosing.submit(_request_of(stack, lease), again=True)


def _request_of(stack: StackId, lease: Lease) -> DiagnosisRequest:
    return DiagnosisRequest(stack, lease.service, blocked=lease.blocked, window=lease.window_id)
