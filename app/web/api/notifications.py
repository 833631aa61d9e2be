"""What was to be told to whom, and how that went."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from flask import Response

from app.store import notifications as rows
from app.store.tables import Delivery, Notice, stamp
from app.web import request_parsing, responses, schemas
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.routes import Answer, Routes

routes = Routes("notices", "/api/v1")


@routes.add(
    "GET",
    "/notices",
    {200: Answer("A page of notices, newest first.", schemas.Notices)},
    query=schemas.NoticesQuery,
)
def list_notices(front: WebContext, caller: Caller, *, query: schemas.NoticesQuery) -> Response:
    """List notices with their deliveries, newest first."""
    before = request_parsing.place(query.cursor, "cursor", datetime, str) if query.cursor else None
    with front.database.read() as session:
        found = rows.page(session, state=query.state, before=before, limit=query.limit + 1)
        page = found[: query.limit]
        tries = rows.deliveries(session, [one.id for one in page])
    more = len(found) > query.limit
    return responses.json(
        {
            "items": [
                _describe_notice(one, [each for each in tries if each.notice_id == one.id]) for one in page
            ],
            "next": request_parsing.cursor(page[-1].created_at, page[-1].id) if more else None,
        }
    )


def _describe_notice(notice: Notice, tries: Iterable[Delivery]) -> dict[str, Any]:
    """Without the body: a one-tap link in it is for its reader alone."""
    return {
        "id": notice.id,
        "node": notice.node,
        "sink": notice.sink,
        "event": notice.event,
        "stack": notice.stack,
        "window": notice.window_id,
        "state": notice.state,
        "created_at": stamp(notice.created_at),
        "next_at": stamp(notice.next_at) if notice.state == rows.PENDING else None,
        "deliveries": [
            {"at": stamp(one.at), "elapsed_ms": one.elapsed_ms, "ok": one.ok, "said": one.said}
            for one in tries
        ],
    }
