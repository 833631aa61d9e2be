"""What API and console do with intents: plan, request, approve, cancel, and message the stack's node."""

from __future__ import annotations

from app.domain.intents import IntentState
from app.store.tables import IntentRequest
from app.task_queue import about
from app.usecases import intents
from app.usecases.intents import IntentPlan, Wanted
from app.web import schemas
from app.web.actions import audit_refusals, dispatch_closing, is_finished
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.intent_views import require_request_id


def wanted_of(caller: Caller, body: schemas.Want) -> Wanted:
    """What a request's body asks for."""
    stack = caller.stack_id_or_none(body.stack)
    return Wanted(stack, body.ttl_sec, body.until, body.reason, body.approve)


def plan_intent(context: WebContext, caller: Caller, name: str, wanted: Wanted) -> IntentPlan:
    """The plan of a request; raises the same refusals as the request."""
    with audit_refusals(context, caller, "plan", wanted.stack), context.database.read() as session:
        return intents.plan_intent(session, name, wanted, context.database.now())


def request_intent(context: WebContext, caller: Caller, name: str, wanted: Wanted) -> IntentRequest:
    """Commit a new request, and message its node unless it waits for an approval."""
    with audit_refusals(context, caller, "want", wanted.stack), context.database.write() as session:
        now = context.database.now()
        request = intents.request_intent(session, name, wanted, actor=caller.name, now=now)
    _dispatch(context, request)
    return request


def approve_request(context: WebContext, caller: Caller, request: str) -> IntentRequest:
    """Approve a request of another token, and message its node."""
    require_request_id(request)
    with audit_refusals(context, caller, "approve"), context.database.write() as session:
        now = context.database.now()
        approved = intents.approve_request(session, request, actor=caller.name, now=now)
    _dispatch(context, approved)
    return approved


def cancel_request(context: WebContext, caller: Caller, request: str) -> bool:
    """Cancel a request; return True where it was finished already."""
    require_request_id(request)
    with context.database.write() as session:
        was_finished = is_finished(session.get(IntentRequest, request))
        row = intents.cancel_request(session, request, actor=caller.name, now=context.database.now())
    if not was_finished:
        _dispatch(context, row)
        dispatch_closing(context, row)
    return was_finished


def _dispatch(context: WebContext, request: IntentRequest) -> None:
    if request.state in {IntentState.WAITING, IntentState.FINISHED}:
        return
    label = about(request.id, request.stack, request.services)
    context.count_unsent(context.dispatch.building(request.id, request.node, label))
