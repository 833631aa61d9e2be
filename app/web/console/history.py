"""The history: all windows, newest first, with filters and pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from flask import request

from app.domain import durations
from app.domain.enums import CloseReason, State, Status
from app.store import stacks
from app.store.tables import Window
from app.store.window_search import WindowSearch, search
from app.web import cursors, request_parsing, schemas
from app.web.authentication import Caller
from app.web.console.local_time import from_reader_zone, reader_zone, zone_label
from app.web.console.pages import PageResponse, Pages, render_page, typed_filters
from app.web.context import WebContext
from app.web.problems import ApiError

pages = Pages()
_PAGE = 50


class HistoryQuery(schemas.Query):
    """Which windows are shown. `since` and `until` are days of the reader's zone, both included."""

    state: State | None = None
    status: Status | None = None
    ended: CloseReason | None = None
    stack: schemas.BoundedName | None = None
    service: schemas.BoundedName | None = None
    actor: schemas.BoundedName | None = None
    since: date | None = None
    until: date | None = None
    stuck: Literal["yes"] | None = None
    partial: Literal["yes"] | None = None
    before: schemas.Cursor | None = None


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One window of the history, and the seconds it lasted; None while it has not begun or ended."""

    window: Window
    lasted: str | None


@pages.add("GET", "/history")
def history(context: WebContext, caller: Caller) -> PageResponse:
    """Windows, newest first."""
    filters = typed_filters(request.args)
    try:
        query = request_parsing.validate(HistoryQuery, filters)
        before = cursors.decode_newest(query.before, "before")
        wanted = _window_search(query, caller)
    except ApiError as wrong:
        return _history_page(context, filters, [], None, str(wrong)), 422
    with context.database.read() as session:
        rows = search(session, wanted, before=before, limit=_PAGE + 1)
    page, older = cursors.split_newest(rows, _PAGE)
    more = {**filters, "before": older} if older else None
    return _history_page(context, filters, [HistoryRow(one, _duration(one)) for one in page], more)


def _history_page(
    context: WebContext, filters: dict[str, str], rows: list[HistoryRow], more: Any, wrong: str = ""
) -> str:
    with context.database.read() as session:
        stack_rows = stacks.every(session)
    services = sorted({name for row in stack_rows for name in row.spec.allowed})
    return render_page(
        "history.html",
        rows=rows,
        filters=filters,
        more=more,
        wrong=wrong,
        stacks=[row.name for row in stack_rows],
        services=services,
        states=list(State),
        statuses=list(Status),
        reasons=list(CloseReason),
        zone=zone_label(context.database.now()),
        is_filtered=bool(set(filters) - {"before"}),
    )


def _window_search(query: HistoryQuery, caller: Caller) -> WindowSearch:
    return WindowSearch(
        state=query.state,
        status=Status.PARTIAL if query.partial else query.status,
        close_reason=query.ended,
        stack=caller.stack_id_or_none(query.stack),
        service=query.service,
        actor=query.actor,
        since=_midnight(query.since),
        until=_midnight(query.until, days=1),
        stuck=bool(query.stuck),
    )


def _midnight(day: date | None, days: int = 0) -> datetime | None:
    """The begin of a day of the reader's zone, so many days later."""
    if day is None or not 1990 < day.year < 2200:
        return None
    return from_reader_zone(datetime.combine(day, datetime.min.time()) + timedelta(days=days), reader_zone())


def _duration(window: Window) -> str | None:
    if window.opening_at is None or window.closed_at is None:
        return None
    return durations.show((window.closed_at - window.opening_at).total_seconds())
