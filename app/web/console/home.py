"""The first page: open windows, then stacks with their services; and the event stream that updates pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from flask import Response, g, request
from sqlalchemy.orm import Session

from app.domain.enums import Power, State
from app.store import samples, stacks, windows
from app.store.tables import Stack, Window
from app.web import event_stream, schemas, stack_views, window_views
from app.web.authentication import Caller
from app.web.console import sessions
from app.web.console.pages import PageResponse, Pages, render_page
from app.web.console.service_rows import ServiceRow, service_rows
from app.web.context import WebContext
from app.web.problems import DATABASE_ERRORS

pages = Pages()
_FEW = 30
"""Services with which all stacks are unfolded at first."""
_FAILS = {Power.FAILING, Power.UNKNOWN}
_CLOSED_READ, _CLOSED_SHOWN = 20, 4


@pages.add("GET", "/")
def home(context: WebContext, _caller: Caller) -> PageResponse:
    """Windows, and stacks with their services."""
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
    search = request.args.get("q", "")[:100].strip().lower()
    with context.database.read() as session:
        now = context.database.now()
        stack_rows = list(stacks.every(session))
        described = stack_views.describe_stacks(session, stack_rows, now)
        unfinished = window_views.describe_windows(session, _unfinished_windows(session, stack_rows), now)
        memory = {key: one.memory for key, one in samples.newest(session, now - samples.CURRENT_FOR).items()}
        closed = windows.page(session, state=State.CLOSED, limit=_CLOSED_READ)
    by_id = {one["id"]: one for one in unfinished}
    _add_failing(unfinished, described)
    specs = {row.name: row.spec for row in stack_rows}
    for stack in described:
        spec = specs[stack["name"]]
        rows = service_rows(stack, spec, by_id, memory, spec.address or host_of(context, stack["node"]))
        stack["rows"] = _matching(rows, search)
        stack["counts"] = Counter(_count_name(row) for row in stack["rows"])
    is_small = sum(len(stack["rows"]) for stack in described) <= _FEW
    for stack in described:
        stack["unfolded"] = bool(search) or is_small or _needs_attention(stack)
    newest_first = sorted(unfinished, key=lambda one: str(one["created_at"]), reverse=True)
    return {
        "stacks": described,
        "windows": newest_first,
        "closed": _distinct(closed),
        "search": search,
        "totals": sum((stack["counts"] for stack in described), Counter()),
    }


def _add_failing(unfinished: list[dict[str, Any]], described: Sequence[dict[str, Any]]) -> None:
    """Give each window the names of its services that fail, as `failing`."""
    failing: dict[str, list[str]] = {}
    for service in (one for stack in described for one in stack["services"] if one["power"] in _FAILS):
        for window in service["holders"]:
            failing.setdefault(window, []).append(service["name"])
    for one in unfinished:
        one["failing"] = failing.get(one["id"], [])


def host_of(context: WebContext, node: str) -> str:
    """The name by which this browser reaches a node; empty for another node than the server's own."""
    try:
        here = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return ""
    return here if node == context.settings.node else ""


def _unfinished_windows(session: Session, stack_rows: Sequence[Stack]) -> list[Window]:
    waiting = windows.page(session, state=State.WAITING, limit=100)
    return [*waiting, *(row for stack in stack_rows for row in windows.moving_of(session, stack.name))]


def _matching(rows: list[ServiceRow], search: str) -> list[ServiceRow]:
    """The rows that have the text in their name or their stack's; in the browser a script does this."""
    return [row for row in rows if search in f"{row.stack} {row.name}".lower()]


def _count_name(row: ServiceRow) -> str:
    """Under which count of its stack a service is."""
    if row.power in _FAILS:
        return "failing"
    if row.power in {Power.STARTING, Power.STOPPING}:
        return "moving"
    return "off" if row.power == Power.OFF else "on"


def _needs_attention(stack: dict[str, Any]) -> bool:
    """Whether a stack is unfolded where there are many: something of it is held, moves or fails."""
    return not stack.get("faults") and any(not row.is_quiet for row in stack["rows"])


def _distinct(closed: Sequence[Window]) -> list[Window]:
    """The newest closed windows, one for each choice of services."""
    by_choice = {(one.stack, *sorted(one.services)): one for one in reversed(closed)}
    newest = sorted(by_choice.values(), key=lambda one: one.created_at, reverse=True)
    return newest[:_CLOSED_SHOWN]
