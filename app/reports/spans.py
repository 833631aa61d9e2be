"""A report's time line as spans in seconds since the run began: what the pictures and the tables show."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Report = Mapping[str, Any]
"""A report as the worker has built it."""


@dataclass(frozen=True, slots=True)
class ReportSpan:
    """A period with one state, `word`. Times are seconds since the run began."""

    since: float
    until: float
    word: str
    detail: str = ""


def seconds_into(report: Report, moment: str) -> float:
    """Seconds from the beginning of the run to a moment in ISO 8601."""
    began = datetime.fromisoformat(str(report["run"]["started_at"]))
    return round((datetime.fromisoformat(moment) - began).total_seconds(), 3)


def run_length(report: Report) -> float:
    """Seconds that the run took; never zero, so that it can divide."""
    return max(0.001, float(report["run"]["elapsed_sec"]))


def service_spans(report: Report) -> dict[str, list[ReportSpan]]:
    """The power of each service of the window over time."""
    spans: dict[str, list[ReportSpan]] = {}
    for name in report["services"]:
        changes = [one for one in report["timeline"] if one["service"] == name and one["what"] == "power"]
        spans[name] = _spans(report, changes)
    return spans


def phase_spans(report: Report) -> list[ReportSpan]:
    """What the run did over time."""
    changes = [one for one in report["timeline"] if one["what"] == "phase"]
    return [ReportSpan(one.since, one.until, one.word) for one in _spans(report, changes, whole=True)]


def _spans(report: Report, changes: list[Mapping[str, Any]], *, whole: bool = False) -> list[ReportSpan]:
    end, spans = run_length(report), []
    for number, one in enumerate(changes):
        since = min(end, max(0.0, seconds_into(report, one["at"])))
        until = (
            min(end, seconds_into(report, changes[number + 1]["at"])) if number + 1 < len(changes) else end
        )
        word, _, detail = (str(one["detail"]), "", "") if whole else str(one["detail"]).partition(": ")
        spans.append(ReportSpan(since, max(since, until), word, detail))
    return spans


def step_spans(report: Report) -> dict[str, list[ReportSpan]]:
    """The tries of each step over time."""
    spans = {}
    for step in report["steps"]:
        tries = []
        for one in step.get("attempts", []):
            since = seconds_into(report, one["at"])
            word = "passed" if one["ok"] else "failed"
            tries.append(ReportSpan(since, since + one["elapsed_ms"] / 1000, word, str(one["detail"])))
        spans[str(step["name"])] = tries
    return spans


def median_start(service: Mapping[str, Any]) -> float | None:
    """The median of a service's earlier start times in seconds; None where there is none."""
    history = service.get("history") or []
    return round(statistics.median(history), 3) if history else None


def first_failure(report: Report) -> str:
    """What failed first, in a sentence; empty where nothing has."""
    first = report.get("failed_first")
    if not first:
        return ""
    at = seconds_into(report, str(first["at"]))
    lines = [line.strip() for line in str(first["detail"]).splitlines() if line.strip()]
    why = "; ".join(dict.fromkeys([lines[0], lines[-1]])) if lines else "no reason is known"
    return f"{first['what']} at {at:.1f} s: {why}"
