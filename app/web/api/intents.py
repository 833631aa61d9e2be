"""Intents over HTTP: list them, ask for one, show, approve and cancel requests, read what builds print.

These routes exist only where the feature `intents` is on.
"""

from __future__ import annotations

from flask import Response

from app.web import intent_actions, intent_views, responses, schemas
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.routes import Answer, Routes

routes = Routes("intents", "/api/v1")


@routes.add("GET", "/intents", {200: Answer("All intents, by name.", schemas.Intents)}, approver=True)
def list_intents(context: WebContext, caller: Caller) -> Response:
    """List what may be wanted."""
    return responses.json({"items": intent_views.read_intents(context)})


@routes.add(
    "POST",
    "/intents/<intent>",
    {
        202: Answer(
            "The request, queued or waiting for its approval.",
            schemas.IntentRequest,
            headers={"Location": "The address of the request."},
        ),
        200: Answer("The plan, for `plan=1`.", schemas.IntentPlan),
    },
    body=schemas.Want,
    query=schemas.WantQuery,
    refuses=(403, 404, 409),
)
def want_intent(
    context: WebContext, caller: Caller, *, intent: str, body: schemas.Want, query: schemas.WantQuery
) -> Response:
    """Ask for an intent.

    The worker of the stack's node builds what has changed, opens a window as the caller, and runs the
    checks. Where the intent asks for an approval, the request waits until another token approves it.
    """
    wanted = intent_actions.wanted_of(caller, body)
    if query.plan:
        plan = intent_actions.plan_intent(context, caller, intent, wanted)
        return responses.json(intent_views.describe_plan(plan, wanted))
    request = intent_actions.request_intent(context, caller, intent, wanted)
    headers = {"Location": f"/api/v1/intent-requests/{request.id}"}
    return responses.json(intent_views.describe_request(request), 202, headers)


@routes.add(
    "GET",
    "/intent-requests",
    {200: Answer("A page of requests, newest first.", schemas.IntentRequests)},
    query=schemas.IntentRequestsQuery,
    approver=True,
)
def list_intent_requests(
    context: WebContext, caller: Caller, *, query: schemas.IntentRequestsQuery
) -> Response:
    """List requests for intents, newest first."""
    return responses.json(intent_views.read_request_page(context, query))


@routes.add(
    "GET",
    "/intent-requests/<request_id>",
    {200: Answer("The request.", schemas.IntentRequest)},
    refuses=(404,),
    approver=True,
)
def show_intent_request(context: WebContext, caller: Caller, *, request_id: str) -> Response:
    """Show a request with its builds and checks."""
    return responses.json(intent_views.read_request(context, request_id))


@routes.add(
    "GET",
    "/intent-requests/<request_id>/output",
    {200: Answer("Pieces of output, oldest first.", schemas.BuildOutputs)},
    query=schemas.BuildOutputQuery,
    refuses=(404,),
    approver=True,
)
def read_build_output(
    context: WebContext, caller: Caller, *, request_id: str, query: schemas.BuildOutputQuery
) -> Response:
    """Read what the builds of a request print, while they go on and afterwards.

    Send `next` back as `after` for what comes later. Of a long output the oldest pieces are dropped.
    """
    return responses.json(intent_views.read_output(context, request_id, query.after, query.limit))


@routes.add(
    "POST",
    "/intent-requests/<request_id>/approve",
    {202: Answer("The request, queued.", schemas.IntentRequest)},
    refuses=(403, 404, 409),
    approver=True,
)
def approve_intent_request(context: WebContext, caller: Caller, *, request_id: str) -> Response:
    """Approve a request that another token has made."""
    request = intent_actions.approve_request(context, caller, request_id)
    return responses.json(intent_views.describe_request(request), 202)


@routes.add(
    "POST",
    "/intent-requests/<request_id>/cancel",
    {
        202: Answer("The request; its build ends and its window closes.", schemas.IntentRequest),
        200: Answer("The request, which was finished already.", schemas.IntentRequest),
    },
    refuses=(404,),
    approver=True,
)
def cancel_intent_request(context: WebContext, caller: Caller, *, request_id: str) -> Response:
    """Cancel a request and close its window; a finished request stays as it is.

    This also refuses a request that waits for an approval.
    """
    was_finished = intent_actions.cancel_request(context, caller, request_id)
    view = intent_views.read_request(context, request_id)
    return responses.json(view, 200 if was_finished else 202)
