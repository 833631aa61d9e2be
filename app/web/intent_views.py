"""Read intents and their requests from the database and describe them as JSON values."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.domain.intent_errors import UnknownIntentRequest
from app.domain.intents import Intent, needs_approval
from app.domain.stack_id import StackId, namespace_of
from app.store import intents as rows
from app.store.tables import BuildOutput, IntentRequest, stamp
from app.usecases import intents
from app.usecases.intents import IntentPlan, Wanted
from app.web import cursors, request_parsing, row_views, schemas
from app.web.context import WebContext


def require_request_id(request: str) -> None:
    """Raise UnknownIntentRequest for text that cannot be an id; some databases fail on it."""
    request_parsing.check_id(request, UnknownIntentRequest)


def read_intents(context: WebContext) -> list[dict[str, Any]]:
    """All intents as JSON, by name."""
    with context.database.read() as session:
        return [describe_intent(stack.name, one) for stack, one in intents.published_intents(session)]


def describe_intent(stack: StackId, intent: Intent) -> dict[str, Any]:
    """An intent as JSON."""
    return {
        "name": intent.name,
        "stack": stack,
        "description": intent.description,
        "services": list(intent.services),
        "ttl_sec": None if intent.ttl is None else row_views.number(intent.ttl),
        "reason": intent.reason,
        "build": list(intent.build),
        "build_timeout_sec": row_views.number(intent.build_timeout),
        "checks": [dict(check) for check in intent.checks],
        "approval": intent.approval,
    }


def describe_plan(plan: IntentPlan, wanted: Wanted) -> dict[str, Any]:
    """The plan of a request as JSON."""
    opening, built = plan.opening, plan.built_at
    return {
        "intent": describe_intent(opening.stack, plan.intent),
        "builds": [{"service": name, "last_built_at": _stamp(built.get(name))} for name in plan.intent.build],
        "opening": row_views.opening_plan(opening),
        "until": stamp(plan.until),
        "waits": needs_approval(plan.intent.approval, confirmed=wanted.confirmed),
    }


def read_request(context: WebContext, request: str) -> dict[str, Any]:
    """One request as JSON; raises UnknownIntentRequest."""
    require_request_id(request)
    with context.database.read() as session:
        row = rows.get(session, request)
        if row is None:
            raise UnknownIntentRequest(request)
        return describe_request(row)


def read_request_page(context: WebContext, query: schemas.IntentRequestsQuery) -> dict[str, Any]:
    """A page of requests and the cursor of the next one."""
    before = cursors.decode_newest(query.cursor)
    with context.database.read() as session:
        requests = rows.page(session, intent=query.intent, before=before, limit=query.limit + 1)
        page, following = cursors.split_newest(requests, query.limit)
        items = [describe_request(row) for row in page]
    return {"items": items, "next": following}


def read_output(context: WebContext, request: str, after: int, limit: int) -> dict[str, Any]:
    """Pieces of what the builds of a request have printed; raises UnknownIntentRequest."""
    require_request_id(request)
    with context.database.read() as session:
        row = rows.get(session, request)
        if row is None:
            raise UnknownIntentRequest(request)
        items = [
            {"seq": seq, "service": one.service, "at": stamp(one.at), "text": one.text}
            for seq, one in _numbered_pieces(session, row, after, limit)
        ]
    return {"items": items, "next": items[-1]["seq"] if items else after}


def _numbered_pieces(
    session: Session, request: IntentRequest, after: int, limit: int
) -> list[tuple[int, BuildOutput]]:
    """The pieces of output beyond `after` with their numbers, which grow within a request.

    Ids count for the whole server, so in a namespace, which must not see how much others build, a number is
    the piece's age in microseconds since the request was made.
    """
    if not namespace_of(request.stack):
        return [(one.id, one) for one in rows.output(session, request.id, after, limit)]
    numbered, last = [], 0
    for one in rows.output(session, request.id, 0, schemas.DEFAULT_LIMIT):
        last = max(last + 1, (one.at - request.created_at) // timedelta(microseconds=1))
        numbered.append((last, one))
    return [(seq, one) for seq, one in numbered if seq > after][:limit]


def describe_request(row: IntentRequest) -> dict[str, Any]:
    """A request as JSON."""
    plain = ("id", "intent", "stack", "node", "actor", "services", "reason", "approval", "approved_by")
    progress = ("state", "outcome", "detail", "builds", "checks", "cancelled_by")
    moments = ("until", "created_at", "started_at", "finished_at")
    return {
        **{name: getattr(row, name) for name in (*plain, *progress)},
        **{name: _stamp(getattr(row, name)) for name in moments},
        "ttl_sec": None if row.ttl_sec is None else row_views.number(row.ttl_sec),
        "window": row.window_id,
    }


def _stamp(moment: datetime | None) -> str | None:
    return stamp(moment) if moment else None
