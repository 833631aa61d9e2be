"""Notifications over HTTP, with their deliveries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Response

from app.store import notifications
from app.store.tables import Delivery, Notice, stamp
from app.web import cursors, responses, schemas
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
def list_notices(context: WebContext, caller: Caller, *, query: schemas.NoticesQuery) -> Response:
    """List notices with their deliveries, newest first."""
    before = cursors.decode_newest(query.cursor)
    with context.database.read() as session:
        rows = notifications.page(session, state=query.state, before=before, limit=query.limit + 1)
        page, after = cursors.split_newest(rows, query.limit)
        deliveries = notifications.deliveries(session, [notice.id for notice in page])
    return responses.json(
        {
            "items": [
                _describe_notice(notice, [one for one in deliveries if one.notice_id == notice.id])
                for notice in page
            ],
            "next": after,
        }
    )


def _describe_notice(notice: Notice, deliveries: Iterable[Delivery]) -> dict[str, Any]:
    """The notification without its body, which may hold a one-tap link for its reader alone."""
    return {
        "id": notice.id,
        "node": notice.node,
        "sink": notice.sink,
        "event": notice.event,
        "stack": notice.stack,
        "window": notice.window_id,
        "state": notice.state,
        "created_at": stamp(notice.created_at),
        "next_at": stamp(notice.next_at) if notice.state == notifications.PENDING else None,
        "deliveries": [
            {"at": stamp(one.at), "elapsed_ms": one.elapsed_ms, "ok": one.ok, "said": one.said}
            for one in deliveries
        ],
    }
