"""The pictures of a report as SVG, coloured by the classes of the page around them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from app.domain.untrusted_text import harmless
from app.reports import spans
from app.reports.spans import Report, ReportSpan

PICTURE_WIDE, NAMES_WIDE, ROW_HIGH, AXIS_HIGH = 960, 200, 24, 24
"""The time line's width, the room for names, the height of a row and of the axis, in its own units."""
CURVE_WIDE, CURVE_HIGH = 420, 140
"""The size of one curve, in its own units."""
_CURVE_LEFT, _CURVE_TOP, _CURVE_BOTTOM = 56, 24, CURVE_HIGH - 20
_CURVE_STEPS = 4
_TICKS = 8
_NAME = 28


def text(value: object) -> str:
    """Text as a page may have it: harmless, and with its signs escaped."""
    return escape(harmless(value), quote=True)


def draw_timeline(report: Report) -> str:
    """What the run did, the power of each service and the tries of each step, on one axis of seconds."""
    rows: list[tuple[str, list[ReportSpan]]] = [("run", spans.phase_spans(report))]
    rows += sorted(spans.service_spans(report).items())
    rows += [(f"step {name}", tries) for name, tries in spans.step_spans(report).items()]
    length, high = spans.run_length(report), AXIS_HIGH + ROW_HIGH * len(rows) + 4
    parts = [_axis(length, high)]
    for number, (name, row) in enumerate(rows):
        y = AXIS_HIGH + ROW_HIGH * number
        parts.append(f'<text class="name" x="0" y="{y + 16}">{_short(name)}</text>')
        parts += [_bar(one, length, y) for one in row]
    return _svg(PICTURE_WIDE, high, "Time line of the run, its services and its steps", "".join(parts))


def _short(name: str) -> str:
    text = harmless(name)
    return escape(text if len(text) <= _NAME else f"{text[: _NAME - 1]}…")


def _svg(wide: int, high: int, label: str, inside: str) -> str:
    return (
        f'<svg class="picture" role="img" aria-label="{text(label)}" viewBox="0 0 {wide} {high}" '
        f'width="{wide}" height="{high}" xmlns="http://www.w3.org/2000/svg">{inside}</svg>'
    )


def _x(seconds: float, length: float) -> float:
    return round(NAMES_WIDE + (PICTURE_WIDE - NAMES_WIDE - 2) * min(1.0, max(0.0, seconds / length)), 1)


def _axis(length: float, high: int) -> str:
    step = _round_step(length / _TICKS)
    marks, at = [], 0.0
    while at <= length:
        x = _x(at, length)
        line = f'<line class="tick" x1="{x}" x2="{x}" y1="{AXIS_HIGH - 4}" y2="{high}"/>'
        marks.append(f'{line}<text x="{x}" y="12">{at:g} s</text>')
        at = round(at + step, 6)
    return "".join(marks)


def _round_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below."""
    size = 0.001
    while True:
        for factor in (1, 2, 5):
            if size * factor >= least:
                return round(size * factor, 6)
        size *= 10


def _bar(span: ReportSpan, length: float, y: int) -> str:
    x, to = _x(span.since, length), _x(span.until, length)
    title = f"{span.word}: {span.detail}" if span.detail else span.word
    kind = span.word if span.word.isalpha() else "phase"
    return (
        f'<rect class="bar-{text(kind)}" x="{x}" y="{y + 4}" width="{max(2.0, round(to - x, 1))}" '
        f'height="{ROW_HIGH - 8}" rx="2"><title>{text(title)}, '
        f"{span.since:.1f} s to {span.until:.1f} s</title></rect>"
    )


def draw_curves(report: Report) -> list[tuple[str, str, str]]:
    """For each service that was sampled its name, its curve of CPU use and its curve of memory use."""
    return [
        (
            name,
            _curve(f"CPU of {name}", "%", _column(one["points"], 1)),
            _curve(f"Memory of {name}", "MiB", _column(one["points"], 2)),
        )
        for name, one in sorted(report["services"].items())
        if len(one.get("points") or []) > 1
    ]


def _column(points: Iterable[Sequence[float]], at: int) -> list[tuple[float, float]]:
    return [(float(point[0]), float(point[at])) for point in points]


def _curve(label: str, unit: str, points: Sequence[tuple[float, float]]) -> str:
    """A curve over the run's seconds, with the peak and the last value in its title."""
    peak, last = max(value for _, value in points), points[-1][1]
    step = _round_step(max(peak, 0.1) / _CURVE_STEPS)
    top = step * max(1, math.ceil(peak / step))
    since, until = points[0][0], max(points[-1][0], points[0][0] + 0.001)
    across, up = (CURVE_WIDE - _CURVE_LEFT - 8) / (until - since), (_CURVE_BOTTOM - _CURVE_TOP) / top
    drawn = " ".join(
        f"{_CURVE_LEFT + across * (at - since):.1f},{_CURVE_BOTTOM - up * value:.1f}" for at, value in points
    )
    title = f"{label}: at most {peak:.1f} {unit}, last {last:.1f} {unit}"
    return _svg(
        CURVE_WIDE,
        CURVE_HIGH,
        title,
        _value_axis(step, top, unit)
        + _time_axis(since, until, across)
        + f'<polyline class="curve" points="{drawn}"><title>{text(title)}</title></polyline>'
        + f'<text x="0" y="12">{text(title)}</text>',
    )


def _value_axis(step: float, top: float, unit: str) -> str:
    lines = []
    for number in range(round(top / step) + 1):
        y = round(_CURVE_BOTTOM - (_CURVE_BOTTOM - _CURVE_TOP) * step * number / top, 1)
        lines.append(f'<line class="tick" x1="{_CURVE_LEFT}" x2="{CURVE_WIDE}" y1="{y}" y2="{y}"/>')
        if number % 2 == 0:
            lines.append(
                f'<text class="value" x="{_CURVE_LEFT - 6}" y="{y + 4}">{step * number:g} {unit}</text>'
            )
    return "".join(lines)


def _time_axis(since: float, until: float, across: float) -> str:
    step, marks = _round_step((until - since) / _CURVE_STEPS), []
    for number in range(math.ceil(since / step), math.floor(until / step) + 1):
        x = round(_CURVE_LEFT + across * (step * number - since), 1)
        marks.append(f'<line class="tick" x1="{x}" x2="{x}" y1="{_CURVE_BOTTOM}" y2="{_CURVE_BOTTOM + 4}"/>')
        marks.append(f'<text class="time" x="{x}" y="{CURVE_HIGH - 4}">{round(step * number, 6):g} s</text>')
    return "".join(marks)


def draw_starts(report: Report) -> str:
    """The start time of each service as a bar, with a mark for each earlier one."""
    rows = [
        (name, one) for name, one in sorted(report["services"].items()) if one.get("start_sec") is not None
    ]
    if not rows:
        return ""
    longest = max(max([one["start_sec"], *(one.get("history") or [])]) for _, one in rows) or 0.001
    high, parts = AXIS_HIGH + ROW_HIGH * len(rows) + 4, [_axis(longest, AXIS_HIGH + ROW_HIGH * len(rows) + 4)]
    for number, (name, one) in enumerate(rows):
        y = AXIS_HIGH + ROW_HIGH * number
        parts.append(f'<text class="name" x="0" y="{y + 16}">{_short(name)}</text>')
        parts.append(_bar(ReportSpan(0.0, one["start_sec"], "start", _compare(one)), longest, y))
        parts += [_mark(seconds, longest, y) for seconds in one.get("history") or []]
    return _svg(PICTURE_WIDE, high, "Start time of each service, with marks for earlier ones", "".join(parts))


def _compare(service: Mapping[str, Any]) -> str:
    median = spans.median_start(service)
    duration = f"{service['start_sec']:.2f} s"
    return f"{duration}, no earlier start" if median is None else f"{duration}, earlier median {median:.2f} s"


def _mark(seconds: float, longest: float, y: int) -> str:
    x = _x(seconds, longest)
    return f'<line class="mark" x1="{x}" x2="{x}" y1="{y + 2}" y2="{y + ROW_HIGH - 2}"/>'
