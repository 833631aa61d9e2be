"""Compute the coordinates of pictures: windows on a time axis, and the resource use of a service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.windows import LIVE
from app.store.tables import Sample, Window

WIDE, LABELS, ROW, HEAD = 1000, 190, 30, 26
"""The width of the timeline, of its names, and the height of a row and of the axis, in SVG units."""
_TICKS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """The time that one window held one service."""

    x: float
    width: float
    window: str
    state: str
    says: str


@dataclass(frozen=True, slots=True)
class Row:
    """The bars of one service; `y` is in SVG units."""

    name: str
    y: int
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Windows on a time axis; lengths in SVG units."""

    height: int
    rows: list[Row]
    ticks: list[tuple[float, str]]
    now: float | None
    """The x of the present; None where it is outside the picture."""


@dataclass(frozen=True, slots=True)
class _Scale:
    since: datetime
    until: datetime

    def x(self, at: datetime) -> float:
        share = (at - self.since) / (self.until - self.since)
        return round(LABELS + (WIDE - LABELS) * min(1.0, max(0.0, share)), 1)


def timeline(windows: Sequence[Window], since: datetime, until: datetime, now: datetime) -> Timeline:
    """The timeline of these windows between two times."""
    scale, rows = _Scale(since, until), dict[str, list[Bar]]()
    for window in windows:
        for lease in window.leases:
            rows.setdefault(f"{window.stack}/{lease.service}", []).append(_bar(scale, window, now))
    timeline_rows = [Row(name, HEAD + ROW * number, rows[name]) for number, name in enumerate(sorted(rows))]
    here = scale.x(now) if since <= now <= until else None
    return Timeline(HEAD + ROW * max(1, len(timeline_rows)) + 6, timeline_rows, _ticks(scale), here)


def _bar(scale: _Scale, window: Window, now: datetime) -> Bar:
    began, ended = window.opening_at or window.created_at, window.closed_at
    ends = ended or (max(now, window.deadline) if window.state in LIVE else now)
    x, to = scale.x(began), scale.x(ends)
    reason = f", {window.reason}" if window.reason else ""
    till = "until" if ended else "ends"
    says = f"{window.actor}{reason}: {began:%d %b %H:%M:%S} {till} {ends:%H:%M:%S}, {window.state}"
    return Bar(x, max(4.0, round(to - x, 1)), window.id, window.state, says)


def _ticks(scale: _Scale) -> list[tuple[float, str]]:
    step = (scale.until - scale.since) / _TICKS
    form = "%d %b" if step >= timedelta(days=1) else "%H:%M"
    return [(scale.x(at), at.strftime(form)) for at in (scale.since + step * one for one in range(_TICKS))]


CHART_WIDE, CHART_HIGH = 320, 60
"""The size of a chart, in SVG units."""


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line of a chart; `last` and `peak` are values with their unit."""

    points: str
    last: str
    peak: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Processor and memory use of one service."""

    service: str
    cpu: ChartLine
    memory: ChartLine


def chart(service: str, samples: Sequence[Sample], since: datetime, until: datetime) -> Chart:
    """CPU and memory of one service between two times; there must be at least one sample."""
    length = max(1.0, (until - since).total_seconds())
    at = [CHART_WIDE * (one.at - since).total_seconds() / length for one in samples]
    return Chart(
        service,
        _line(at, [one.cpu for one in samples], "{:.2f} cores".format, least=0.1),
        _line(at, [one.memory / 2**20 for one in samples], "{:.0f} MiB".format, least=1.0),
    )


def _line(
    at: Sequence[float], values: Sequence[float], say: Callable[[float], str], *, least: float
) -> ChartLine:
    top = max(least, *values)
    points = [
        f"{x:.1f},{CHART_HIGH - 4 - (CHART_HIGH - 8) * y / top:.1f}" for x, y in zip(at, values, strict=True)
    ]
    return ChartLine(" ".join(points), say(values[-1]), say(max(values)))
