"""Notifications: what was sent to whom, what failed, and a button that sends it again."""

from __future__ import annotations

from typing import Any, Literal

from flask import redirect, request

from app.store import notifications
from app.usecases.notifications import retry
from app.web import cursors, request_parsing, schemas
from app.web.actions import audit_refusals
from app.web.authentication import Caller
from app.web.console.local_time import zone_label
from app.web.console.pages import PageResponse, Pages, render_page, typed_filters
from app.web.context import WebContext
from app.web.problems import ApiError

pages = Pages()
_PAGE = 50
_STATES = {"pending": "waiting", "delivered": "ok", "given_up": "failed"}
"""The state of a notification, and the state whose shape and colour it has on the page."""


class OutboxQuery(schemas.Query):
    """Which notifications are shown."""

    state: Literal["pending", "delivered", "given_up"] | None = None
    before: schemas.Cursor | None = None


@pages.add("GET", "/notices")
def notices_page(context: WebContext, _caller: Caller) -> PageResponse:
    """Notifications, newest first."""
    filters = typed_filters(request.args)
    try:
        query = request_parsing.validate(OutboxQuery, filters)
        before = cursors.decode_newest(query.before, "before")
    except ApiError as wrong:
        return _outbox_page(context, filters, wrong=str(wrong)), 422
    with context.database.read() as session:
        rows = notifications.page(session, state=query.state, before=before, limit=_PAGE + 1)
        page, older = cursors.split_newest(rows, _PAGE)
        tries = notifications.deliveries(session, [notice.id for notice in page])
    more = {**filters, "before": older} if older else None
    notices = [(notice, [one for one in tries if one.notice_id == notice.id]) for notice in page]
    return _outbox_page(context, filters, notices=notices, more=more)


def _outbox_page(
    context: WebContext, filters: dict[str, str], *, notices: Any = (), more: Any = None, wrong: str = ""
) -> str:
    with context.database.read() as session:
        counts = notifications.counts(session)
    values = {"filters": filters, "notices": notices, "more": more, "wrong": wrong, "counts": counts}
    return render_page("notices.html", **values, states=_STATES, zone=zone_label(context.database.now()))


@pages.add("POST", "/notices/<notice>/retry")
def retrying(context: WebContext, caller: Caller, *, notice: str) -> PageResponse:
    """Send a notification again."""
    with audit_refusals(context, caller, "notice"), context.database.write() as session:
        retry(session, notice[:32].replace("\0", ""), actor=caller.name, now=context.database.now())
    return redirect("/notices", 303)
