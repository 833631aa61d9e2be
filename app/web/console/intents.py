"""Pages of intents: a button for each, its plan, and one request; only where the feature is on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import redirect, request

from app.domain.clock_times import resolve_until
from app.domain.errors import Refusal
from app.domain.intents import Approval, IntentState
from app.usecases.intents import Wanted
from app.web import intent_actions, intent_views, problems, request_parsing, schemas
from app.web.authentication import Caller
from app.web.console.local_time import from_reader_zone, reader_zone, zone_label
from app.web.console.open_window import seconds
from app.web.console.pages import PageResponse, Pages, render_page
from app.web.context import WebContext
from app.web.problems import ApiError

pages = Pages()
MOST_LISTED_REQUESTS = 20
"""The newest requests that the page of intents lists."""
LONGEST_SHOWN_OUTPUT = 20_000
"""Characters of the end of a build's output that a page shows."""
_MOST_PIECES = 500


@pages.add("GET", "/intents")
def intents_page(context: WebContext, _caller: Caller) -> PageResponse:
    """What may be wanted, and the newest requests."""
    return _list_page(context)


def _list_page(context: WebContext, fault: str = "", status: int = 200) -> tuple[str, int]:
    query = schemas.IntentRequestsQuery(limit=MOST_LISTED_REQUESTS)
    requests = intent_views.read_request_page(context, query)["items"]
    intents = intent_views.read_intents(context)
    zone = zone_label(context.database.now())
    return render_page("intents.html", intents=intents, requests=requests, fault=fault, zone=zone), status


@pages.add("POST", "/intents/<intent>")
def want_form(context: WebContext, caller: Caller, *, intent: str) -> PageResponse:
    """Show the plan of an intent; at the second step ask for it."""
    try:
        wanted = _read_form(caller, context.database.now())
        if request.form.get("step") == "want":
            made = intent_actions.request_intent(context, caller, intent, wanted)
            return redirect(f"/intent-requests/{made.id}", 303)
        plan = intent_actions.plan_intent(context, caller, intent, wanted)
    except Refusal as refusal:
        return _list_page(context, str(refusal), problems.kind_of(refusal).status)
    except ApiError as error:
        return _list_page(context, str(error), error.kind.status)
    view = intent_views.describe_plan(plan, wanted)
    asks = plan.intent.approval is Approval.PERSON
    ends = {"ttl": request.form.get("ttl", ""), "until": view["until"] if wanted.until else ""}
    return render_page("intent-plan.html", plan=view, **ends, asks=asks)


def _read_until(text: str, now: datetime) -> str:
    """The moment of a time as the reader's clock shows it, in ISO 8601; raises ApiError."""
    zone = reader_zone()
    try:
        moment = resolve_until(text, now.astimezone(zone), lambda local: from_reader_zone(local, zone))
    except ValueError as error:
        raise ApiError(problems.INVALID, str(error), field="until") from error
    return moment.isoformat()


def _read_form(caller: Caller, now: datetime) -> Wanted:
    """What the form asks for; the button of the second step agrees to the plan."""
    form = request.form
    values: dict[str, Any] = {"approve": form.get("step") == "want"}
    if stack := form.get("stack", "").strip():
        values["stack"] = stack
    if ttl := form.get("ttl", "").strip():
        values["ttl_sec"] = seconds(ttl[:100])
    if until := form.get("until", "").strip():
        values["until"] = _read_until(until[:100], now)
    return intent_actions.wanted_of(caller, request_parsing.validate(schemas.Want, values))


@pages.add("GET", "/intent-requests/<request_id>")
def intent_request_page(context: WebContext, caller: Caller, *, request_id: str) -> PageResponse:
    """One request; its builds and checks are live while it goes on."""
    return render_page("intent-request.html", **_values(context, caller, request_id))


@pages.add("GET", "/parts/intent-requests/<request_id>", part=True)
def intent_request_part(context: WebContext, caller: Caller, *, request_id: str) -> PageResponse:
    """The live part of the page of a request."""
    return render_page("_intent-request.html", **_values(context, caller, request_id))


def _values(context: WebContext, caller: Caller, request_id: str) -> dict[str, Any]:
    view = intent_views.read_request(context, request_id)
    pieces = intent_views.read_output(context, request_id, 0, _MOST_PIECES)["items"] if view["builds"] else []
    output = "".join(one["text"] for one in pieces)[-LONGEST_SHOWN_OUTPUT:]
    may_approve = view["state"] == IntentState.WAITING and view["actor"] != caller.name
    return {"one": view, "output": output, "may_approve": may_approve}


@pages.add("POST", "/intent-requests/<request_id>/approve")
def approve_request_form(context: WebContext, caller: Caller, *, request_id: str) -> PageResponse:
    """Approve a request of another token."""
    intent_actions.approve_request(context, caller, request_id)
    return redirect(f"/intent-requests/{request_id}", 303)


@pages.add("POST", "/intent-requests/<request_id>/cancel")
def cancel_request_form(context: WebContext, caller: Caller, *, request_id: str) -> PageResponse:
    """Cancel a request and close its window."""
    intent_actions.cancel_request(context, caller, request_id)
    return redirect(f"/intent-requests/{request_id}", 303)
