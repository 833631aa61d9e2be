"""The timeline: windows on a time axis, by stack and service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from flask import request

from app.store import stacks, windows
from app.web import problems, request_parsing, schemas
from app.web.authentication import Caller
from app.web.console import timeline_picture
from app.web.console.local_time import reader_zone, zone_label
from app.web.console.pages import PageResponse, Pages, render_page, typed_filters
from app.web.console.timeline_picture import Axis
from app.web.context import WebContext
from app.web.problems import ApiError

pages = Pages()
SPANS = {"1h": 3600, "6h": 6 * 3600, "1d": 86400, "1w": 7 * 86400}
_NAMES = {"1h": "1 h", "6h": "6 h", "1d": "24 h", "1w": "7 d"}
_MOST = 500
"""Windows on one timeline at most."""
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(days=100)


class TimelineQuery(schemas.Query):
    """The time of the timeline: a span that ends at `until` or now, or all between `since` and `until`."""

    span: Literal["1h", "6h", "1d", "1w"] = "6h"
    since: schemas.BoundedName | None = None
    until: schemas.BoundedName | None = None


@pages.add("GET", "/timeline")
def timeline(context: WebContext, _caller: Caller) -> PageResponse:
    """Windows on a time axis."""
    now = context.database.now()
    try:
        query = request_parsing.validate(TimelineQuery, typed_filters(request.args))
        return _timeline_page(context, query, _axis(query, now))
    except ApiError as error:
        query = TimelineQuery()
        return _timeline_page(context, query, _axis(query, now), str(error)), 422


def _timeline_page(context: WebContext, query: TimelineQuery, axis: Axis, wrong: str = "") -> str:
    with context.database.read() as session:
        rows = windows.between(session, axis.since, axis.until, _MOST)
        services = {row.name: row.spec.allowed for row in stacks.every(session)}
    groups = timeline_picture.groups(rows, services, axis)
    return render_page(
        "timeline.html",
        groups=[group for group in groups if group.rows],
        idle=[group.stack for group in groups if not group.rows],
        ticks=timeline_picture.ticks(axis),
        now=axis.x(axis.now) if axis.contains(axis.now) else None,
        axis=axis,
        kinds=timeline_picture.KINDS,
        zone=zone_label(axis.now),
        full=len(rows) == _MOST,
        wrong=wrong,
        is_live=axis.until >= axis.now or not query.until,
        **_moves(query, axis),
    )


def _axis(query: TimelineQuery, now: datetime) -> Axis:
    """The span of the query. The present is near the right edge where no end is named."""
    length = timedelta(seconds=SPANS[query.span])
    until = _moment(query.until, "until") if query.until else None
    if not query.since:
        until = until or now + length / 6
        return Axis(until - length, until, now, reader_zone())
    since = _moment(query.since, "since")
    until = until or now
    if not _SHORTEST <= until - since <= _LONGEST:
        detail = "since: must be one minute to 100 days before `until`"
        raise ApiError(problems.INVALID, detail, field="since")
    return Axis(since, until, now, reader_zone())


def _moves(query: TimelineQuery, axis: Axis) -> dict[str, Any]:
    """The queries of the buttons; a button of another length keeps the middle of the picture."""
    half, middle = (axis.until - axis.since) / 2, axis.since + (axis.until - axis.since) / 2
    chosen = None if query.since else query.span
    zooms = []
    for span, seconds in SPANS.items():
        end = None if axis.contains(axis.now) else middle + timedelta(seconds=seconds / 2)
        zooms.append((_NAMES[span], _query(end, span=span), span == chosen))
    if query.since:
        moves = {"earlier": _between(axis, -half), "later": _between(axis, half)}
    else:
        moves = {
            "earlier": _query(axis.until - half, span=query.span),
            "later": _query(axis.until + half, span=query.span),
        }
    return {"zooms": zooms, "moves": moves, "span": query.span}


def _between(axis: Axis, shift: timedelta) -> dict[str, str]:
    return _query(axis.until + shift, since=_text(axis.since + shift))


def _query(until: datetime | None, **values: str) -> dict[str, str]:
    return {**values, **({"until": _text(until)} if until else {})}


def _text(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _moment(text: str, field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if not 1990 < moment.year < 2200:
            raise ValueError("no such time")
    except ValueError as error:
        detail = f"{field}: write a time such as 2030-05-01T12:00:00Z"
        raise ApiError(problems.INVALID, detail, field=field) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
