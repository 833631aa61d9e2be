"""What was: windows on a line of time, hours off by week, and the trail with filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from flask import request

from app.domain.enums import Event
from app.store import audit, samples, savings, windows
from app.web import problems, request_parsing, schemas
from app.web.authentication import Caller
from app.web.console import drawing
from app.web.console.pages import Pages, Said, render_page
from app.web.context import WebContext
from app.web.problems import ApiError

pages = Pages()

SPANS = {"1h": 3600, "6h": 6 * 3600, "1d": 86400, "1w": 7 * 86400}
_MOST = 500
"""Windows on one picture."""
_PAGE = 50
_WEEKS = 5
_WEEK = timedelta(weeks=1)


class TimelineQuery(schemas.Query):
    """Which part of time is shown."""

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
    """The filters that were filled in: a form sends the empty ones too."""
    return {name: value.strip() for name, value in request.args.items() if value.strip()}


@pages.add("GET", "/timeline")
def timeline(front: WebContext, _caller: Caller) -> Said:
    """Who held what, when."""
    query = request_parsing.validate(TimelineQuery, _filters())
    now, length = front.database.now(), timedelta(seconds=SPANS[query.span])
    until = _moment(query.until) if query.until else now + length / 6
    with front.database.read() as session:
        found = windows.between(session, until - length, until, _MOST)
    picture = drawing.timeline(found, until - length, until, now)
    steps = {"earlier": until - length / 2, "later": until + length / 2}
    moves = {name: _address(query.span, at) for name, at in steps.items()}
    zooms = {span: _address(span, until if query.until else None) for span in SPANS}
    return render_page(
        "timeline.html", picture=picture, span=query.span, moves=moves, zooms=zooms, full=len(found) == _MOST
    )


def _address(span: str, until: datetime | None) -> dict[str, str]:
    return {"span": span, **({"until": f"{until:%Y-%m-%dT%H:%M:%SZ}"} if until else {})}


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        if not 1990 < found.year < 2200:
            raise ValueError("no such time")
    except ValueError as error:
        said = "until: write a time such as 2030-05-01T12:00:00Z"
        raise ApiError(problems.INVALID, said, field="until") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


@pages.add("GET", "/trail")
def trail(front: WebContext, _caller: Caller) -> Said:
    """The audit trail, newest first."""
    asked = _filters()
    try:
        query = request_parsing.validate(TrailQuery, asked)
        before = request_parsing.place(query.before, "before", datetime, str, int) if query.before else None
    except ApiError as wrong:
        return render_page(
            "trail.html", entries=[], asked=asked, events=list(Event), more=None, wrong=str(wrong)
        ), 422
    wanted: dict[str, Any] = query.model_dump(exclude={"before"})
    with front.database.read() as session:
        found = audit.latest(session, **wanted, before=before, limit=_PAGE + 1)
    page, last = found[:_PAGE], found[_PAGE - 1] if len(found) > _PAGE else None
    more = {**asked, "before": request_parsing.cursor(last.at, last.chain, last.seq)} if last else None
    entries = [one.as_json() for one in page]
    return render_page("trail.html", entries=entries, asked=asked, events=list(Event), more=more, wrong="")


@pages.add("GET", "/savings")
def saved_hours(front: WebContext, _caller: Caller) -> Said:
    """Hours off by service and week."""
    now = front.database.now()
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    weeks = [monday - _WEEK * back for back in reversed(range(_WEEKS))]
    with front.database.read() as session:
        found = [savings.saved(session, week, min(now, week + _WEEK)) for week in weeks]
    rows = {
        f"{stack}/{name}": [week[stack, name] / 3600 for week in found] for stack, name in sorted(found[-1])
    }
    with front.database.read() as session:
        means = {f"{stack}/{name}": mean for (stack, name), mean in samples.means(session).items()}
    memory = {
        name: [hours * means[name] / 2**30 for hours in row] for name, row in rows.items() if name in means
    }
    totals = [sum(week.values()) / 3600 for week in found]
    return render_page("savings.html", weeks=weeks, rows=rows, totals=totals, memory=memory)
