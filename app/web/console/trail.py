"""The audit trail as sentences, newest first, with filters and pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import request

from app.domain.enums import Event
from app.domain.event_sentences import EventSentences
from app.store import audit, stacks
from app.store.tables import Entry
from app.web import cursors, request_parsing, schemas
from app.web.authentication import Caller
from app.web.console.local_time import in_reader_zone, zone_label
from app.web.console.pages import PageResponse, Pages, render_page, typed_filters
from app.web.context import WebContext
from app.web.problems import ApiError
from app.web.viewing import current_viewer

pages = Pages()
_PAGE = 50
_ALARMS = {
    Event.SERVICE_FAILING,
    Event.WINDOW_STUCK,
    Event.DRIFT_FOUND,
    Event.REFUSED,
    Event.STACK_REJECTED,
    Event.CALL_LOST,
    Event.NODE_REFUSED,
}


class TrailQuery(schemas.Query):
    """Which entries of the audit trail are shown."""

    window: schemas.BoundedName | None = None
    actor: schemas.BoundedName | None = None
    stack: schemas.BoundedName | None = None
    event: Event | None = None
    before: schemas.Cursor | None = None


@dataclass(frozen=True, slots=True)
class TrailRow:
    """One entry: its sentence, the lines of a failure below it, and its facts by name."""

    entry: dict[str, Any]
    sentence: str
    lines: list[str]
    facts: dict[str, str]
    is_alarm: bool


@dataclass(frozen=True, slots=True)
class TrailDay:
    """The entries of one day of the reader's zone, newest first."""

    title: str
    rows: list[TrailRow]


@pages.add("GET", "/trail")
def trail(context: WebContext, caller: Caller) -> PageResponse:
    """The audit trail, newest first."""
    filters = typed_filters(request.args)
    try:
        query = request_parsing.validate(TrailQuery, filters)
        before = cursors.decode(query.before, "before", datetime, str, int) if query.before else None
    except ApiError as wrong:
        return _trail_page(context, filters, [], None, str(wrong)), 422
    wanted: dict[str, Any] = query.model_dump(exclude={"before"})
    wanted["stack"] = caller.stack_id_or_none(query.stack)
    with context.database.read() as session:
        rows = audit.latest(session, **wanted, before=before, limit=_PAGE + 1)
    page, older = cursors.split_page(rows, _PAGE, lambda entry: (entry.at, entry.chain, entry.seq))
    more = {**filters, "before": older} if older else None
    return _trail_page(context, filters, _days(page), more)


def _trail_page(
    context: WebContext, filters: dict[str, str], days: list[TrailDay], more: Any, wrong: str = ""
) -> str:
    with context.database.read() as session:
        names = stacks.names(session)
    zone = zone_label(context.database.now())
    values = {"days": days, "filters": filters, "events": list(Event), "more": more, "wrong": wrong}
    return render_page("trail.html", **values, zone=zone, stacks=names)


def _days(entries: Sequence[Entry]) -> list[TrailDay]:
    days: list[TrailDay] = []
    for row in _rows(entries):
        title = f"{in_reader_zone(datetime.fromisoformat(row.entry['at'])):%A, %d %B %Y}"
        if not days or days[-1].title != title:
            days.append(TrailDay(title, []))
        days[-1].rows.append(row)
    return days


def _rows(entries: Sequence[Entry]) -> list[TrailRow]:
    """The entries as rows. They are described from the oldest on, so that each step knows what it took."""
    sentences = EventSentences(complete=True)
    rows = []
    for entry in reversed(entries):
        described = current_viewer().shorten_answer(entry.as_json())
        sentence, *lines = sentences.describe(described) or [entry.event]
        facts = {
            name: _fact(value) for name, value in described["facts"].items() if value not in (None, "", [])
        }
        rows.append(TrailRow(described, sentence, lines, facts, entry.event in _ALARMS))
    return rows[::-1]


def _fact(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
