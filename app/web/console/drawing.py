"""Compute the coordinates of charts: the resource use of a service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.store.tables import Sample

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
