"""The first page: stacks and services, who holds them and for how long; and the stream that moves it."""

from __future__ import annotations

from typing import Any

from flask import Response, g

from app.domain.enums import State
from app.store import stacks, windows
from app.web import event_stream, schemas, stack_views, window_views
from app.web.authentication import Caller
from app.web.console import sessions
from app.web.console.pages import Pages, Said, render_page
from app.web.context import WebContext
from app.web.problems import DATABASE_ERRORS

pages = Pages()


@pages.add("GET", "/")
def home(front: WebContext, _caller: Caller) -> Said:
    """Stacks, services and windows."""
    return render_page("home.html", **_standing(front))


@pages.add("GET", "/parts/home", part=True)
def home_part(front: WebContext, _caller: Caller) -> Said:
    """The same, to be put in its place."""
    return render_page("_home.html", **_standing(front))


@pages.add("GET", "/live", part=True)
def live(front: WebContext, caller: Caller) -> Response:
    """What happens, as the API tells it."""
    identifier = g.session.identifier

    def is_valid() -> bool:
        try:
            return sessions.caller_of(front, identifier) is not None
        except DATABASE_ERRORS:
            # Nobody can sign out either while the database is away.
            return True

    return event_stream.stream(front, caller, schemas.EventsQuery(last_event_id=None), is_valid)


def _standing(front: WebContext) -> dict[str, Any]:
    with front.database.read() as session:
        now = front.database.now()
        found = stack_views.describe_stacks(session, stacks.every(session), now)
        waiting = windows.page(session, state=State.WAITING, limit=100)
        rows = [row for stack in found for row in windows.moving_of(session, stack["name"])]
        moving = window_views.describe_windows(session, [*waiting, *rows], now)
    by_id = {one["id"]: one for one in moving}
    for stack in found:
        for service in stack["services"]:
            service["last"] = _last([by_id[one] for one in service["holders"] if one in by_id])
    return {"stacks": found, "windows": moving}


def _last(holders: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The holder that ends last: the ring of a service is its ring."""
    return max(holders, key=lambda one: one["ttl_remaining_sec"], default=None)
