"""Pages of the past: windows on a time axis, hours off by week, and the audit trail with filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from flask import request

from app.domain.enums import Event
from app.store import audit, samples, savings, windows
from app.web import cursors, problems, request_parsing, schemas
from app.web.authentication import Caller
from app.web.console import drawing
from app.web.console.pages import PageResponse, Pages, render_page
from app.web.context import WebContext
from app.web.problems import ApiError

pages = Pages()

SPANS = {"1h": 3600, "6h": 6 * 3600, "1d": 86400, "1w": 7 * 86400}
_MOST = 500
"""Windows on one timeline at most."""
_PAGE = 50
_WEEKS = 5
_WEEK = timedelta(weeks=1)


class TimelineQuery(schemas.Query):
    """The time span of the timeline."""

    span: Literal["1h", "6h", "1d", "1w"] = "6h"
    until: schemas.BoundedName | None = None


class TrailQuery(schemas.Query):
    """Which entries of the audit trail are shown."""

    window: schemas.BoundedName | None = None
    actor: schemas.BoundedName | None = None
    stack: schemas.BoundedName | None = None
    event: Event | None = None
    before: schemas.Cursor | None = None


def _filters() -> dict[str, str]:
    """The filters of the request that are not empty; a form sends empty ones too."""
    return {name: value.strip() for name, value in request.args.items() if value.strip()}


@pages.add("GET", "/timeline")
def timeline(context: WebContext, _caller: Caller) -> PageResponse:
    """Windows on a time axis."""
    query = request_parsing.validate(TimelineQuery, _filters())
    now, length = context.database.now(), timedelta(seconds=SPANS[query.span])
    until = _moment(query.until) if query.until else now + length / 6
    with context.database.read() as session:
        rows = windows.between(session, until - length, until, _MOST)
    picture = drawing.timeline(rows, until - length, until, now)
    steps = {"earlier": until - length / 2, "later": until + length / 2}
    moves = {name: _address(query.span, at) for name, at in steps.items()}
    zooms = {span: _address(span, until if query.until else None) for span in SPANS}
    return render_page(
        "timeline.html", picture=picture, span=query.span, moves=moves, zooms=zooms, full=len(rows) == _MOST
    )


def _address(span: str, until: datetime | None) -> dict[str, str]:
    return {"span": span, **({"until": f"{until:%Y-%m-%dT%H:%M:%SZ}"} if until else {})}


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if not 1990 < moment.year < 2200:
            raise ValueError("no such time")
    except ValueError as error:
        detail = "until: write a time such as 2030-05-01T12:00:00Z"
        raise ApiError(problems.INVALID, detail, field="until") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


@pages.add("GET", "/trail")
def trail(context: WebContext, _caller: Caller) -> PageResponse:
    """The audit trail, newest first."""
    filters = _filters()
    try:
        query = request_parsing.validate(TrailQuery, filters)
        before = cursors.decode(query.before, "before", datetime, str, int) if query.before else None
    except ApiError as wrong:
        return render_page(
            "trail.html", entries=[], filters=filters, events=list(Event), more=None, wrong=str(wrong)
        ), 422
    wanted: dict[str, Any] = query.model_dump(exclude={"before"})
    with context.database.read() as session:
        rows = audit.latest(session, **wanted, before=before, limit=_PAGE + 1)
    page, older = cursors.split_page(rows, _PAGE, lambda entry: (entry.at, entry.chain, entry.seq))
    more = {**filters, "before": older} if older else None
    entries = [one.as_json() for one in page]
    return render_page(
        "trail.html", entries=entries, filters=filters, events=list(Event), more=more, wrong=""
    )


@pages.add("GET", "/savings")
def saved_hours(context: WebContext, _caller: Caller) -> PageResponse:
    """Hours off by service and week."""
    now = context.database.now()
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    weeks = [monday - _WEEK * back for back in reversed(range(_WEEKS))]
    with context.database.read() as session:
        saved_by_week = [savings.saved_seconds(session, week, min(now, week + _WEEK)) for week in weeks]
    rows = {
        f"{stack}/{name}": [week[stack, name] / 3600 for week in saved_by_week]
        for stack, name in sorted(saved_by_week[-1])
    }
    with context.database.read() as session:
        means = {f"{stack}/{name}": mean for (stack, name), mean in samples.means(session).items()}
    memory = {
        name: [hours * means[name] / 2**30 for hours in row] for name, row in rows.items() if name in means
    }
    totals = [sum(week.values()) / 3600 for week in saved_by_week]
    return render_page("savings.html", weeks=weeks, rows=rows, totals=totals, memory=memory)
