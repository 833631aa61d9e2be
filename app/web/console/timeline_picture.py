"""The timeline as values: windows on a time axis, in rows by stack and service.

Positions are percentages of the axis, so a page draws them at any width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from app.domain.enums import CloseReason, State, Status
from app.domain.stack_id import StackId
from app.domain.windows import LIVE
from app.store.tables import Window
from app.web.console.local_time import from_reader_zone

LANE = 18
"""The height of one bar with its gap, in pixels."""
_LEAST_WIDTH = 0.5
_MOST_LANES = 6
_MOST_TICKS = 8
_STEPS = [timedelta(minutes=minutes) for minutes in (1, 5, 10, 15, 30, 60, 120, 180, 360, 720)]
_STEPS += [timedelta(days=days) for days in (1, 2, 7, 14, 28)]

KINDS = {
    "ok": "open, or closed in the ordinary way",
    "moving": "opening or closing",
    "waiting": "waiting",
    "partial": "partial: some services failed",
    "failed": "failed or lost",
    "forced": "forced to close",
    "stuck": "stuck: its services refuse to stop",
}
"""The kinds of bars and what each means, as the legend shows them."""


@dataclass(frozen=True, slots=True)
class Bar:
    """The time that one window held one service; `x` and `width` in percent."""

    x: float
    width: float
    lane: int
    window: str
    kind: str
    says: str

    @property
    def y(self) -> int:
        """The distance from the top of the row in pixels."""
        return 3 + self.lane * LANE


@dataclass(frozen=True, slots=True)
class Row:
    """The bars of one service, in lanes where windows overlap."""

    service: str
    bars: list[Bar]

    @property
    def height(self) -> int:
        """The height of the row in pixels."""
        return 6 + LANE * (1 + max((bar.lane for bar in self.bars), default=0))


@dataclass(frozen=True, slots=True)
class Group:
    """One stack: the rows of services that were held, and the names of those that were not."""

    stack: str
    rows: list[Row]
    idle: list[str]
    windows: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A round time on the axis; `x` in percent. A day's begin is drawn stronger."""

    x: float
    label: str
    is_day: bool


@dataclass(frozen=True, slots=True)
class Axis:
    """A span of time, as wide as the picture, seen at `now` by clocks of a zone (None: the server's)."""

    since: datetime
    until: datetime
    now: datetime
    zone: tzinfo | None = None

    def x(self, at: datetime) -> float:
        """The place of a moment in percent; moments outside are at the edges."""
        share = (at - self.since) / (self.until - self.since)
        return round(100 * min(1.0, max(0.0, share)), 2)

    def contains(self, at: datetime) -> bool:
        """True where the moment is within the span."""
        return self.since <= at <= self.until


def groups(windows: Sequence[Window], services: Mapping[StackId, Sequence[str]], axis: Axis) -> list[Group]:
    """The windows by stack and service. `services` has the allowed services of each stack."""
    bars: dict[StackId, dict[str, list[Bar]]] = {stack: {} for stack in services}
    windows_of: dict[StackId, set[str]] = {}
    for window in sorted(windows, key=lambda one: (one.opening_at or one.created_at, one.id)):
        windows_of.setdefault(window.stack, set()).add(window.id)
        for lease in window.leases:
            row = bars.setdefault(window.stack, {}).setdefault(lease.service, [])
            row.append(_bar(window, lease.service, row, axis))
    return [
        Group(
            stack,
            [Row(name, rows[name]) for name in sorted(rows)],
            sorted(set(services.get(stack, ())) - set(rows)),
            len(windows_of.get(stack, ())),
        )
        for stack, rows in sorted(bars.items())
    ]


def _bar(window: Window, service: str, before: Iterable[Bar], axis: Axis) -> Bar:
    began, ends = window.opening_at or window.created_at, _end(window, axis.now)
    x = axis.x(began)
    width = max(_LEAST_WIDTH, round(axis.x(ends) - x, 2))
    x = min(x, 100 - _LEAST_WIDTH)
    lane = _free_lane(before, x)
    return Bar(x, width, lane, window.id, kind(window), _sentence(window, service, began, ends, axis.zone))


def _end(window: Window, now: datetime) -> datetime:
    return window.closed_at or (max(now, window.deadline) if window.state in LIVE else now)


def _free_lane(before: Iterable[Bar], x: float) -> int:
    """The first lane without a bar at this place; the last lane where all are taken."""
    taken = {bar.lane for bar in before if bar.x + bar.width > x}
    return next((lane for lane in range(_MOST_LANES) if lane not in taken), _MOST_LANES - 1)


def kind(window: Window) -> str:
    """The kind of a window's bars, a key of KINDS."""
    if window.stuck and window.state == State.CLOSING:
        return "stuck"
    if window.state == State.WAITING:
        return "waiting"
    if window.close_reason == CloseReason.FORCED:
        return "forced"
    if window.status == Status.FAIL or window.close_reason in {CloseReason.FAILED, CloseReason.LOST}:
        return "failed"
    if window.status == Status.PARTIAL:
        return "partial"
    return "moving" if window.state in {State.OPENING, State.CLOSING} else "ok"


def _sentence(window: Window, service: str, began: datetime, ends: datetime, zone: tzinfo | None) -> str:
    """Who held the service, why, when, and how it went."""
    reason = f": {window.reason}" if window.reason else ""
    begin, end = began.astimezone(zone), ends.astimezone(zone)
    until = f"{end:%H:%M}" if begin.date() == end.date() else f"{end:%d %b %H:%M}"
    how = window.close_reason or window.state
    status = f", {window.status}" if window.status not in {None, Status.OK} else ""
    return f"{service} · {window.actor}{reason} · {begin:%d %b %H:%M} to {until} · {how}{status}"


def ticks(axis: Axis) -> list[Tick]:
    """Round times of the axis's zone within the span, at most eight or so."""
    length = axis.until - axis.since
    step = next((one for one in _STEPS if length / one <= _MOST_TICKS), _STEPS[-1])
    at = axis.since.astimezone(axis.zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    tick_at: dict[datetime, Tick] = {}
    while (moment := from_reader_zone(at, axis.zone)) <= axis.until:
        if axis.contains(moment):
            tick_at[moment] = Tick(axis.x(moment), _label(at, step), at.hour == at.minute == 0)
        at += step
    return list(tick_at.values())


def _label(at: datetime, step: timedelta) -> str:
    if step >= timedelta(days=1) or at.hour == at.minute == 0:
        return f"{at:%a %d %b}"
    return f"{at:%H:%M}"
