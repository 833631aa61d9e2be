"""The tables of a report as rows of text, the same for Markdown and HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.reports import spans
from app.reports.spans import Report


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A titled table; `empty` is said in place of rows where there are none."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str


def summary_facts(report: Report) -> list[tuple[str, str]]:
    """What a reader wants to know first, as names and values."""
    run, window, engine = report["run"], report.get("window") or {}, report["engine"]
    proof = report.get("proof") or {}
    facts = [
        ("outcome", f"{run['outcome']}: {run['detail']}" if run["detail"] else str(run["outcome"])),
        ("failed first", spans.first_failure(report)),
        ("proof", str(proof.get("detail", ""))),
        ("services", ", ".join(run["services"])),
        ("images", ", ".join(f"{name}={image}" for name, image in run.get("images", {}).items())),
        ("stack", f"{run['stack']} on node {run['node']}"),
        ("asked by", str(run["actor"])),
        ("began", str(run["started_at"])),
        ("took", f"{run['elapsed_sec']:.1f} s"),
        ("window", _window(window)),
        ("began afresh", "yes" if run.get("fresh") else ""),
        ("engine", f"Docker {engine.get('release')}, API {engine.get('api')}"),
        ("product", f"power-windows {report['product']}"),
        ("run", str(run["id"])),
    ]
    return [(name, value) for name, value in facts if value]


def _window(window: Mapping[str, Any]) -> str:
    if not window:
        return "none was opened"
    why = f", {window['close_detail']}" if window.get("close_detail") else ""
    return f"{window['id']}, {window['ttl_sec']:g} s, {window['state']}{why}"


def report_tables(report: Report) -> list[ReportTable]:
    """Every table of a report, in the order in which they are read."""
    return [
        *([causes_table(report)] if report.get("causes") else []),
        steps_table(report),
        services_table(report),
        calls_table(report),
        changes_table(report),
    ]


def causes_table(report: Report) -> ReportTable:
    """Why services failed, by the diagnosis, with what would mend it."""
    rows = [
        [
            str(one["service"]),
            f"{one['title']} ({one['confidence']:.0%})",
            "; ".join(one["evidence"]),
            str(one["suggestion"]),
            str(one["rule"] or "–"),
        ]
        for one in report["causes"]
    ]
    return ReportTable("Causes", ("service", "cause", "evidence", "what would mend it", "rule"), rows, "")


def steps_table(report: Report) -> ReportTable:
    """Each step with what its last try found."""
    rows = [
        [
            str(one["name"]),
            str(one["status"]),
            str(one["tries"]),
            f"{sum(each['elapsed_ms'] for each in one.get('attempts', [])) / 1000:.2f} s",
            str(one["check"]),
            str(one["detail"]),
        ]
        for one in report["steps"]
    ]
    return ReportTable(
        "Steps", ("step", "status", "tries", "time", "check", "found"), rows, "It has no step."
    )


def services_table(report: Report) -> ReportTable:
    """Each service of the window with its start and its use."""
    rows = [
        [
            name if one["asked"] else f"{name} (dependency)",
            _seconds(one["start_sec"]),
            f"{_seconds(spans.median_start(one))} of {len(one['history'])}" if one["history"] else "–",
            _number(one["peak_cpu_percent"], "%"),
            _number(one["peak_memory_mib"], "MiB"),
            "–" if one["restarts"] is None else str(one["restarts"]),
        ]
        for name, one in sorted(report["services"].items())
    ]
    heads = ("service", "ready after", "earlier median", "peak CPU", "peak memory", "restarts")
    return ReportTable("Services", heads, rows, "No window was opened.")


def calls_table(report: Report) -> ReportTable:
    """Each compose call."""
    rows = [
        [
            f"{spans.seconds_into(report, one['started_at']):.1f} s",
            str(one["service"]),
            str(one["action"]),
            str(one["status"]),
            "–" if one["elapsed_ms"] is None else f"{one['elapsed_ms'] / 1000:.2f} s",
            " ".join(one["argv"]),
        ]
        for one in report["calls"]
    ]
    heads = ("at", "service", "call", "status", "took", "command")
    return ReportTable("Compose calls", heads, rows, "No call was made.")


def changes_table(report: Report) -> ReportTable:
    """Each change of the run, its window and its services."""
    rows = [
        [
            f"{spans.seconds_into(report, one['at']):.1f} s",
            str(one["service"] or one["what"]),
            str(one["detail"]),
        ]
        for one in report["timeline"]
    ]
    return ReportTable("Changes", ("at", "what", "change"), rows, "Nothing has changed.")


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def _number(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:.1f} {unit}"
