"""Compute the coordinates of charts: the use of processors and memory over time, with axes and limits.

The server draws; a script shows the value under the pointer by the numbers that the chart carries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from app.domain.planning import ServiceSpec
from app.store.tables import Sample

WIDE, HIGH = 420, 150
"""The size of a chart, in SVG units."""
LEFT, RIGHT, TOP, BOTTOM = 58, 410, 10, 126
"""Where its curve is drawn; the names of values are to the left of it, those of times below."""
_GAP = timedelta(seconds=35)
"""Samples that are further apart are not joined."""
_STEPS = tuple(
    timedelta(seconds=one) for one in (10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200, 86400)
)
_MOST_STEPS = 5
_GIBIBYTE = 2**30


@dataclass(frozen=True, slots=True)
class ValueMark:
    """A mark of an axis: where it is, in SVG units, and its name."""

    at: float
    name: str


@dataclass(frozen=True, slots=True)
class TimeMark:
    """A mark of the time axis: where it is, in SVG units, and its time."""

    at: float
    moment: datetime


@dataclass(frozen=True, slots=True)
class Chart:
    """One value of one service over time."""

    service: str
    name: str
    unit: str
    lines: list[str]
    """Points of each curve; a new one begins after a gap."""
    top: float
    """The value at the upper edge, in `unit`."""
    values: list[ValueMark]
    times: list[TimeMark]
    limit: ValueMark | None
    """The declared limit, where it is within the chart."""
    last: str
    peak: str
    declared: str
    """The declared limit with its unit; empty without one."""
    since: datetime
    until: datetime


def service_charts(
    spec: ServiceSpec, samples: Sequence[Sample], since: datetime, until: datetime
) -> list[Chart]:
    """Processors and memory of one service between two times; there must be at least one sample."""
    # A service that was on for a short part of a long window fills its chart all the same.
    span = (max(since, samples[0].at - timedelta(seconds=10)), until)
    at = [one.at for one in samples]
    most = max(float(spec.memory_limit), *(one.memory for one in samples))
    unit, size = ("GiB", _GIBIBYTE) if most >= _GIBIBYTE else ("MiB", 2**20)
    memory = [one.memory / size for one in samples]
    cores = [one.cpu for one in samples]
    return [
        _chart(spec.name, _Curve("Processors", "cores", cores, spec.cpu_limit), at, span),
        _chart(spec.name, _Curve("Memory", unit, memory, spec.memory_limit / size), at, span),
    ]


@dataclass(frozen=True, slots=True)
class _Curve:
    name: str
    unit: str
    values: Sequence[float]
    limit: float
    """The declared limit; 0 without one."""

    @property
    def is_limit_near(self) -> bool:
        """A limit that is far above the curve would press it flat; only the caption names it."""
        return 0 < self.limit <= 4 * max(self.values)

    @property
    def marks(self) -> list[float]:
        """The values that the axis names, from 0 to beyond the highest."""
        highest = max(*self.values, self.limit if self.is_limit_near else 0.0) * 1.05 or 1.0
        step = nice_step(highest)
        return [step * number for number in range(math.ceil(highest / step) + 1)]

    def show(self, value: float) -> str:
        digits = {"MiB": 0, "GiB": 1}.get(self.unit, 2)
        return f"{value:.{digits}f} {self.unit}"


def _chart(service: str, curve: _Curve, at: Sequence[datetime], span: tuple[datetime, datetime]) -> Chart:
    marks, x = curve.marks, _scale(*span)

    def y(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * value / marks[-1], 1)

    points = [(x(moment), y(value)) for moment, value in zip(at, curve.values, strict=True)]
    return Chart(
        service=service,
        name=curve.name,
        unit=curve.unit,
        lines=_curves(points, at),
        top=marks[-1],
        values=[ValueMark(y(mark), f"{mark:g}") for mark in marks],
        times=[TimeMark(x(moment), moment) for moment in round_times(*span)],
        limit=ValueMark(y(curve.limit), curve.show(curve.limit)) if curve.is_limit_near else None,
        last=curve.show(curve.values[-1]),
        peak=curve.show(max(curve.values)),
        declared=curve.show(curve.limit) if curve.limit else "",
        since=span[0],
        until=span[1],
    )


def _scale(since: datetime, until: datetime) -> Callable[[datetime], float]:
    length = max(1.0, (until - since).total_seconds())
    return lambda at: round(LEFT + (RIGHT - LEFT) * (at - since).total_seconds() / length, 1)


def nice_step(highest: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten of which five reach this value."""
    power = 10.0**-4
    while True:
        for factor in (1, 2, 2.5, 5):
            if power * factor * _MOST_STEPS >= highest:
                return round(power * factor, 6)
        power *= 10


def round_times(since: datetime, until: datetime) -> list[datetime]:
    """Three to six round times between two others, such as every five minutes; none in a very short time."""
    step = next((one for one in _STEPS if (until - since) / one <= _MOST_STEPS), _STEPS[-1])
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    first = epoch + -(-(since - epoch) // step) * step
    count = max(0, (until - first) // step + 1)
    return [first + step * number for number in range(min(count, 40))]


def _curves(points: Sequence[tuple[float, float]], at: Sequence[datetime]) -> list[str]:
    curves = [[points[0]]]
    for (before, after), point in zip(pairwise(at), points[1:], strict=True):
        if after - before > max(_GAP, 3 * (at[-1] - at[0]) / len(at)):
            curves.append([])
        curves[-1].append(point)
    return [" ".join(f"{x:g},{y:g}" for x, y in curve) for curve in curves]
