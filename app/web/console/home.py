"""The first page: stacks, services, their windows and times left; and the event stream that updates pages."""

from __future__ import annotations

from typing import Any

from flask import Response, g

from app.domain.enums import State
from app.store import stacks, windows
from app.web import event_stream, schemas, stack_views, window_views
from app.web.authentication import Caller
from app.web.console import sessions
from app.web.console.pages import PageResponse, Pages, render_page
from app.web.context import WebContext
from app.web.problems import DATABASE_ERRORS

pages = Pages()


@pages.add("GET", "/")
def home(context: WebContext, _caller: Caller) -> PageResponse:
    """Stacks, services and windows."""
    return render_page("home.html", **_overview(context))


@pages.add("GET", "/parts/home", part=True)
def home_part(context: WebContext, _caller: Caller) -> PageResponse:
    """The part of the first page that is replaced when something changes."""
    return render_page("_home.html", **_overview(context))


@pages.add("GET", "/live", part=True)
def live(context: WebContext, caller: Caller) -> Response:
    """The event stream of the API, for a signed-in browser."""
    identifier = g.session.identifier

    def is_valid() -> bool:
        try:
            return sessions.caller_of(context, identifier) is not None
        except DATABASE_ERRORS:
            # While the database is away no session can be ended either.
            return True

    return event_stream.stream(context, caller, schemas.EventsQuery(last_event_id=None), is_valid)


def _overview(context: WebContext) -> dict[str, Any]:
    with context.database.read() as session:
        now = context.database.now()
        stack_payloads = stack_views.describe_stacks(session, stacks.every(session), now)
        waiting = windows.page(session, state=State.WAITING, limit=100)
        rows = [row for stack in stack_payloads for row in windows.moving_of(session, stack["name"])]
        moving = window_views.describe_windows(session, [*waiting, *rows], now)
    by_id = {one["id"]: one for one in moving}
    for stack in stack_payloads:
        for service in stack["services"]:
            service["last"] = _last([by_id[one] for one in service["holders"] if one in by_id])
    return {"stacks": stack_payloads, "windows": moving}


def _last(holders: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The window that ends last; the page shows its time left for the service."""
    return max(holders, key=lambda one: one["ttl_remaining_sec"], default=None)
