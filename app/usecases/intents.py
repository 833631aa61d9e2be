"""Requests for intents: plan one, make it, approve, cancel, begin and finish it. One transaction each.

A request is attended to by the worker of its stack's node. Its window is an ordinary window with the
request's actor, so its services stop at the deadline whatever becomes of the request.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.domain import intents as rules
from app.domain.enums import Event
from app.domain.errors import StackRejected, TokenExists, UnknownStack
from app.domain.intent_errors import (
    IntentStackNeeded,
    NotWaiting,
    OwnRequest,
    TooManyRequests,
    TwoEnds,
    UnknownIntent,
    UnknownIntentRequest,
    UntilPassed,
)
from app.domain.intents import BuildStatus, Intent, IntentOutcome, IntentState
from app.domain.scenarios import StepStatus
from app.domain.stack_id import StackId
from app.store import intents as rows
from app.store import stacks, tokens
from app.store.jobs import lock_job
from app.store.tables import IntentRequest, Stack, Window, stamp
from app.usecases import jobs
from app.usecases.jobs import record_job_entry
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpeningPlan, OpenRequest
from app.usecases.windows.transitions import SYSTEM_ACTOR


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller asks of an intent. `ttl_sec` is in seconds; without it and `until` the intent says it."""

    stack: StackId | None = None
    ttl_sec: float | None = None
    until: datetime | None = None
    reason: str | None = None
    confirmed: bool = False
    """The person who asks has seen the plan and agrees to it."""


@dataclass(frozen=True, slots=True)
class IntentPlan:
    """What a request would do: builds first, then the opening, then the checks."""

    intent: Intent
    opening: OpeningPlan
    until: datetime
    """When the window would end if it opened now."""
    built_at: dict[str, datetime | None]
    """When each service that may be built was last built by a request."""


def published_intents(session: Session) -> list[tuple[Stack, Intent]]:
    """Every intent with its stack, by name."""
    pairs = [(stack, one) for stack in stacks.every(session) for one in stack.spec.intents.values()]
    return sorted(pairs, key=lambda pair: (pair[1].name, pair[0].name))


def resolve_intent(session: Session, name: str, stack: StackId | None) -> tuple[Stack, Intent]:
    """The intent of this name; raises UnknownIntent, UnknownStack or IntentStackNeeded."""
    every = published_intents(session)
    if stack is not None and stacks.stack_by_name(session, stack) is None:
        raise UnknownStack(stack, stacks.names(session))
    known = [pair for pair in every if stack in {None, pair[0].name}]
    matching = [pair for pair in known if pair[1].name == name]
    if not matching:
        raise UnknownIntent(name, {one.name for _stack, one in known})
    if len(matching) > 1:
        raise IntentStackNeeded(name, [row.name for row, _one in matching])
    if matching[0][0].faults:
        raise StackRejected(matching[0][0].name, matching[0][0].faults)
    return matching[0]


def plan_intent(session: Session, name: str, wanted: Wanted, now: datetime) -> IntentPlan:
    """What `request_intent` with the same words would do; changes nothing, refuses the same."""
    stack, intent = resolve_intent(session, name, wanted.stack)
    ttl = wanted_seconds(intent, wanted, now)
    ask = OpenRequest(list(intent.services), stack.name, ttl, wanted.reason)
    planned = opening.plan(session, ask, intent.build)
    built = rows.last_builds(session, stack.name)
    built_at = {service: built[service].built_at if service in built else None for service in intent.build}
    return IntentPlan(intent, planned, wanted.until or now + timedelta(seconds=planned.ttl_sec), built_at)


def wanted_seconds(intent: Intent, wanted: Wanted, now: datetime) -> float | None:
    """How long the window is wanted from now on; None is the stack's default. Raises TwoEnds, UntilPassed."""
    if wanted.until is None:
        return intent.ttl if wanted.ttl_sec is None else wanted.ttl_sec
    if wanted.ttl_sec is not None:
        raise TwoEnds
    left = rules.seconds_until(wanted.until, now)
    if not left:
        raise UntilPassed(stamp(wanted.until))
    return left


def request_intent(
    session: Session, name: str, wanted: Wanted, *, actor: str, now: datetime
) -> IntentRequest:
    """Write the row of a new request, which a worker then attends to, at once or after its approval.

    Raises TooManyRequests, NodeAway, and what `plan_intent` raises.
    """
    plan = plan_intent(session, name, wanted, now)
    intent, stack = plan.intent, stacks.chosen(session, plan.opening.stack)
    jobs.check_node(session, IntentRequest, stack, TooManyRequests, now)
    request = _new_request(stack, plan, wanted, actor, now)
    session.add(request)
    facts = {"services": request.services, "ttl_sec": request.ttl_sec, "builds": list(intent.build)}
    ends = {"until": stamp(request.until)} if request.until else {}
    waits = request.state == IntentState.WAITING
    record_job_entry(session, request, Event.INTENT_REQUESTED, actor, now, **facts, **ends, waits=waits)
    if intent.approval is not rules.Approval.NONE and not waits:
        request.approved_by = actor
        record_job_entry(session, request, Event.INTENT_APPROVED, actor, now)
    return request


def _new_request(stack: Stack, plan: IntentPlan, wanted: Wanted, actor: str, now: datetime) -> IntentRequest:
    intent = plan.intent
    waits = rules.needs_approval(intent.approval, confirmed=wanted.confirmed)
    return IntentRequest(
        id=secrets.token_hex(8),
        intent=intent.name,
        stack=stack.name,
        node=stack.node,
        actor=actor,
        services=plan.opening.services,
        ttl_sec=None if wanted.until else plan.opening.ttl_sec,
        until=wanted.until,
        reason=wanted.reason or intent.reason,
        approval=intent.approval,
        state=IntentState.WAITING if waits else IntentState.QUEUED,
        detail="waits for an approval" if waits else jobs.AWAITS_WORKER,
        builds=[_pending_build(service) for service in intent.build],
        checks=[
            {**one, "status": str(StepStatus.PENDING), "detail": "", "tries": 0} for one in intent.checks
        ],
        created_at=now,
    )


def _pending_build(service: str) -> dict[str, str]:
    return {"service": service, "status": str(BuildStatus.PENDING), "detail": ""}


def create_approver(session: Session, name: str, *, actor: str, now: datetime) -> str:
    """Make a token that only approves requests; return its text, which is not stored. Raises TokenExists."""
    token = tokens.lock_token(session, name)
    if token and token.revoked_at is None:
        raise TokenExists(name)
    return tokens.create(session, name, now, tokens.APPROVE, actor=actor)


def approve_request(session: Session, request_id: str, *, actor: str, now: datetime) -> IntentRequest:
    """Approve a request that waits; raises UnknownIntentRequest, NotWaiting or OwnRequest."""
    request = lock_job(session, IntentRequest, request_id)
    if request is None:
        raise UnknownIntentRequest(request_id)
    if request.state != IntentState.WAITING:
        raise NotWaiting(request.id, str(request.state))
    if request.actor == actor:
        raise OwnRequest(request.id, actor)
    request.state, request.approved_by, request.detail = IntentState.QUEUED, actor, jobs.AWAITS_WORKER
    record_job_entry(session, request, Event.INTENT_APPROVED, actor, now)
    return request


def cancel_request(session: Session, request_id: str, *, actor: str, now: datetime) -> IntentRequest:
    """Cancel a request and close its window; a finished one stays as it is. Raises UnknownIntentRequest.

    One that a worker attends to is finished by that worker.
    """

    def cut(detail: str) -> None:
        finish_request(session, request_id, IntentOutcome.CUT, detail, now)

    request = jobs.cancel_job(
        session, IntentRequest, request_id, word="request", actor=actor, now=now, cut=cut
    )
    if request is None:
        raise UnknownIntentRequest(request_id)
    return request


def expire_approvals(session: Session, request: IntentRequest, now: datetime) -> None:
    """End a request that has waited too long for its approval, or whose end has come meanwhile."""
    if now - request.created_at >= rules.APPROVAL_LIFETIME:
        finish_request(session, request.id, IntentOutcome.CUT, "was not approved within 24 h", now)
    elif request.until is not None and request.until <= now:
        detail = f"was not approved before {stamp(request.until)}"
        finish_request(session, request.id, IntentOutcome.CUT, detail, now)


def claim_request(session: Session, request_id: str, worker: str, now: datetime) -> IntentRequest | None:
    """Begin a queued request as this worker; None where it is not queued any more."""
    request = jobs.claim_job(session, IntentRequest, request_id, worker, now, queued=IntentState.QUEUED)
    if request is not None:
        request.state = IntentState.BUILDING
    return request


def open_request_window(session: Session, request_id: str, now: datetime) -> Window | None:
    """Open the window of a request as its actor; None where the request was cancelled meanwhile.

    Raises UntilPassed, and what opening a window raises.
    """
    request = jobs.lock_to_open(session, IntentRequest, request_id)
    if request is None:
        return None
    ttl = request.ttl_sec
    if request.until is not None:
        ttl = rules.seconds_until(request.until, now)
        if not ttl:
            raise UntilPassed(stamp(request.until))
    ask = OpenRequest(list(request.services), request.stack, ttl, request.reason or f"wants {request.intent}")
    return jobs.open_job_window(session, request, ask, now)


def finish_request(
    session: Session,
    request_id: str,
    outcome: IntentOutcome,
    detail: str,
    now: datetime,
    *,
    builds: Sequence[dict[str, Any]] | None = None,
    checks: Sequence[dict[str, Any]] | None = None,
) -> bool:
    """Record how a request ended; return False if it had ended before. Its window stays as it is."""
    request = jobs.lock_unfinished(session, IntentRequest, request_id)
    if request is None:
        return False
    request.state, request.outcome, request.finished_at = IntentState.FINISHED, outcome, now
    request.detail = detail[: jobs.LONGEST_JOB_DETAIL]
    request.builds = _settle(request.builds if builds is None else builds)
    request.checks = _settle(request.checks if checks is None else checks)
    event = Event.INTENT_CUT if outcome is IntentOutcome.CUT else Event.INTENT_FINISHED
    actor = request.cancelled_by or (SYSTEM_ACTOR if outcome is IntentOutcome.CUT else request.actor)
    record_job_entry(session, request, event, actor, now, outcome=str(outcome), detail=request.detail)
    return True


def _settle(parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Builds or checks of a finished request: what has not ended is skipped."""
    going = {BuildStatus.PENDING, BuildStatus.RUNNING, StepStatus.PENDING, StepStatus.RUNNING}
    return [dict(one) | ({"status": "skipped"} if one["status"] in going else {}) for one in parts]
