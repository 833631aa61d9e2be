"""What was saved: the hours that services were off, from the day of installation, in all and by week."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from flask import current_app
from sqlalchemy.orm import Session

from app.store import samples, stacks
from app.store import savings as queries
from app.store.savings import Saving, ServiceOfStack
from app.web.authentication import Caller
from app.web.console.local_time import from_reader_zone, in_reader_zone, reader_zone, zone_label
from app.web.console.pages import PageResponse, Pages, render_page
from app.web.context import WebContext
from app.web.viewing import current_viewer

pages = Pages()
PAST_KEPT = 600.0
"""Seconds for which what was computed of past weeks is used again."""
_MOST_WEEKS = 53
_RECENT = 5
"""Weeks that have a column in the table."""
_WEEK = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class SavedRow:
    """The savings of one service or of all, since the first day; hours by recent week."""

    stack: str
    name: str
    off: float
    whole: float
    recent: list[float]
    memory: float | None
    """GiB-hours; None where its use was not measured."""

    @property
    def percent(self) -> float:
        """The share of the time that it was off."""
        return _percent(self.off, self.whole)


@dataclass(frozen=True, slots=True)
class SavedWeek:
    """One week of the chart; `x` and `width` in percent of the picture."""

    begins: datetime
    off: float
    percent: float
    x: float
    width: float


@pages.add("GET", "/savings")
def saved_hours(context: WebContext, _caller: Caller) -> PageResponse:
    """Hours off by service and week, since the first day."""
    now = context.database.now()
    with context.database.read() as session:
        begins = [queries.known_since(session, stack) for stack in stacks.every(session)]
        bounds = _week_bounds(min(begins, default=now), now)
        held = _held_seconds(session, bounds)
        savings = queries.savings_by_period(session, bounds, held)
        means = samples.means(session)
    rows = [_row(key, periods, means.get(key)) for key, periods in sorted(savings.items())]
    weeks = _weeks(bounds, list(savings.values()))
    return render_page(
        "savings.html",
        rows=rows,
        total=_total(rows),
        weeks=weeks,
        recent=[week.begins for week in weeks[-_RECENT:]],
        since=max(min(begins, default=now), bounds[0]),
        zone=zone_label(now),
    )


def _held_seconds(session: Session, bounds: Sequence[datetime]) -> queries.HeldSeconds:
    """How long each service was held by week: of past weeks as last computed, of this week as of now."""
    past = _past_weeks(session, bounds[:-1])
    current = queries.held_seconds(session, bounds[-2:])
    none = [0.0] * (len(bounds) - 2)
    return {key: [*past.get(key, none), *current.get(key, [0.0])] for key in {*past, *current}}


def _past_weeks(session: Session, bounds: Sequence[datetime]) -> queries.HeldSeconds:
    """The same for past weeks, which is kept for `PAST_KEPT` seconds: a year has many windows."""
    cache = current_app.extensions.setdefault("power-windows-past-weeks", {})
    key, now = (current_viewer().namespace, *bounds), time.monotonic()
    for other in [one for one, (until, _) in list(cache.items()) if until <= now]:
        cache.pop(other, None)
    if key not in cache:
        cache[key] = (now + PAST_KEPT, queries.held_seconds(session, bounds))
    return cast(queries.HeldSeconds, cache[key][1])


def _week_bounds(begun: datetime, now: datetime) -> list[datetime]:
    """The Mondays from the first day on, at most 53, and now."""
    local = in_reader_zone(now)
    monday = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    monday -= timedelta(days=local.weekday())
    bounds: list[datetime] = []
    for back in range(_MOST_WEEKS):
        bounds.insert(0, from_reader_zone(monday - _WEEK * back, reader_zone()))
        if bounds[0] <= begun:
            break
    return [*bounds, max(now, bounds[-1] + timedelta(seconds=1))]


def _row(key: ServiceOfStack, periods: Sequence[Saving], mean: float | None) -> SavedRow:
    off, whole = sum(one.off for one in periods) / 3600, sum(one.whole for one in periods) / 3600
    memory = None if mean is None else off * mean / 2**30
    recent = [one.off / 3600 for one in periods[-_RECENT:]]
    return SavedRow(key[0], key[1], off, whole, recent, memory)


def _total(rows: Sequence[SavedRow]) -> SavedRow:
    recent = [sum(hours) for hours in zip(*(row.recent for row in rows), strict=True)]
    measured = [row.memory for row in rows if row.memory is not None]
    return SavedRow(
        "",
        "All",
        sum(row.off for row in rows),
        sum(row.whole for row in rows),
        recent,
        sum(measured) if measured else None,
    )


def _weeks(bounds: Sequence[datetime], savings: Sequence[Sequence[Saving]]) -> list[SavedWeek]:
    count = len(bounds) - 1
    weeks = []
    for number, begins in enumerate(bounds[:-1]):
        off = sum(periods[number].off for periods in savings)
        whole = sum(periods[number].whole for periods in savings)
        left, width = 100 * number / count, 100 / count
        share = min(0.7, 8 / width)
        x = left + width * (1 - share) / 2
        weeks.append(
            SavedWeek(begins, off / 3600, _percent(off, whole), round(x, 2), round(width * share, 2))
        )
    return weeks


def _percent(off: float, whole: float) -> float:
    return round(100 * off / whole, 1) if whole else 0.0
