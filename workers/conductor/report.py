"""Builds the report of a run: what the record, the database and the engine know of it, as JSON values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy.orm import Session

from app.domain import untrusted_text
from app.domain.scenarios import RunOutcome
from app.domain.stack_id import StackId
from app.store import diagnoses, runs
from app.store import windows as rows
from app.store.tables import Call, ScenarioRun, Window, stamp
from workers.conductor.run_record import RunRecord
from workers.conductor.statistics import UsageCollector
from workers.engine import negotiation
from workers.state.context import WorkerContext

REPORT_VERSION = 1
"""The version of the report's form."""
LARGEST_REPORT = 512 * 1024
"""Characters of a report as JSON, at most; of a larger one the points and the calls' output are left out."""
HISTORY = 20
"""Earlier start times of each service, at most."""
MOST_CALLS = 1000
"""Compose calls in a report, at most; the newest ones."""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, and when."""

    outcome: RunOutcome
    detail: str
    at: datetime


def prove_only_core(context: WorkerContext, stack: StackId, services: Sequence[str]) -> dict[str, Any]:
    """Ask the engine what runs of a stack, and compare it with core and with what live windows hold.

    `released`: none of these services runs that no live window holds. `only_core`: nothing but core runs.
    """
    served, now = context.stacks.get(stack), context.database.now()
    core = sorted(context.core.get(stack, ()))
    if served is None:
        return _unproven(core, now, "the stack is not served here any more")
    try:
        there = context.engine.containers(served.spec.project)
    except negotiation.Unable as error:
        return _unproven(core, now, negotiation.why(error))
    running = sorted({one.service for one in there if one.alive})
    with context.database.read() as session:
        held = {lease.service for lease in rows.live_leases(session, [stack], now)}
    left = sorted(name for name in running if name in set(services) - held)
    others = sorted(set(running) - set(core))
    return {
        "at": stamp(now),
        "running": running,
        "core": core,
        "held_by_others": sorted(held & set(running)),
        "left_on": left,
        "released": not left,
        "only_core": not others,
        "detail": _proof_sentence(running, others, left),
    }


def _unproven(core: Sequence[str], now: datetime, why: str) -> dict[str, Any]:
    return {"at": stamp(now), "running": [], "core": list(core), "held_by_others": [], "left_on": [],
            "released": False, "only_core": False, "detail": f"not proved: {why}"}  # fmt: skip


def _proof_sentence(running: Sequence[str], others: Sequence[str], left: Sequence[str]) -> str:
    if not others:
        return f"the engine shows that only core runs: {', '.join(running) or 'nothing'}"
    if left:
        return f"the engine shows that {', '.join(left)} still runs"
    return f"the run's services are off; {', '.join(others)} runs for others"


def build_report(
    context: WorkerContext,
    run_id: str,
    record: RunRecord,
    end: RunEnd,
    *,
    usage: UsageCollector | None,
    proof: Mapping[str, Any] | None,
    extra_calls: Sequence[int] = (),
) -> dict[str, Any]:
    """The whole report, bounded in size."""
    with context.database.read() as session:
        row = runs.with_report(session, run_id)
        assert row is not None
        window = rows.get(session, row.window_id) if row.window_id else None
        made = [stored for call in extra_calls if (stored := session.get(Call, call))]
        made += rows.calls(session, [window.id])[window.id] if window else []
        history = runs.start_times(session, window, HISTORY) if window else {}
        report = {
            "version": REPORT_VERSION,
            "run": _run(row, end),
            "product": version("power-windows"),
            "engine": _engine(context),
            "window": _window(window) if window else None,
            "timeline": record.timeline(),
            "services": _services(window, usage, history) if window else {},
            "calls": [_call(call) for call in made[-MOST_CALLS:]],
            "steps": record.reported_steps(),
            "failed_first": record.failed_first,
            "proof": dict(proof) if proof else None,
            "causes": _causes(session, window) if window else [],
            "notes": record.notes(),
        }
    return bounded_report(report)


def _run(row: ScenarioRun, end: RunEnd) -> dict[str, Any]:
    began = row.started_at or row.created_at
    return {
        "id": row.id,
        "name": row.name,
        "stack": row.stack,
        "node": row.node,
        "actor": row.actor,
        "services": list(row.services),
        "fresh": bool(row.document.get("fresh")),
        **({"images": given} if (given := row.document.get("images")) else {}),
        "outcome": str(end.outcome),
        "detail": end.detail,
        "created_at": stamp(row.created_at),
        "started_at": stamp(began),
        "finished_at": stamp(end.at),
        "elapsed_sec": round((end.at - began).total_seconds(), 3),
    }


def _causes(session: Session, window: Window) -> list[dict[str, Any]]:
    """What the diagnosis says of each service that failed in the window, the most certain cause first."""
    by_service = diagnoses.of_windows(session, [window])[window.id]
    return [
        {"service": name, **cause, "patch": _without_directory(cause["patch"])}
        for name, row in sorted(by_service.items())
        for cause in row.causes
    ]


def _without_directory(patch: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A report goes to other people: it names the file of a patch, not where it lies on this host."""
    return {"file": patch["file"], "diff": patch["diff"]} if patch else None


def _engine(context: WorkerContext) -> dict[str, str]:
    try:
        agreed = context.engine.agreement()
    except negotiation.Unable as error:
        return {"release": "", "api": "", "fault": negotiation.why(error)}
    return {"release": agreed.release, "api": agreed.api}


def _window(window: Window) -> dict[str, Any]:
    moments = ("opening_at", "opened_at", "deadline", "closing_at", "closed_at")
    times = {name: getattr(window, name) for name in moments}
    return {
        "id": window.id,
        "state": str(window.state),
        "status": str(window.status) if window.status else None,
        "ttl_sec": window.ttl_sec,
        "close_reason": str(window.close_reason) if window.close_reason else None,
        "close_detail": window.close_detail,
        **{name: stamp(at) if at else None for name, at in times.items()},
    }


def _services(
    window: Window, usage: UsageCollector | None, history: Mapping[str, list[float]]
) -> dict[str, Any]:
    service_facts: dict[str, Any] = {}
    for lease in window.leases:
        used = usage.of(lease.service) if usage else None
        began = window.opening_at
        ready = (lease.ready_at - began).total_seconds() if lease.ready_at and began else None
        service_facts[lease.service] = {
            "asked": lease.asked,
            "wave": lease.wave,
            "start_sec": None if ready is None else round(ready, 3),
            "history": history.get(lease.service, []),
            "peak_cpu_percent": used.peak_cpu if used else None,
            "peak_memory_mib": used.peak_memory if used else None,
            "restarts": used.restarts if used else None,
            "points": [list(point) for point in used.points] if used else [],
        }
    return service_facts


def _call(call: Call) -> dict[str, Any]:
    return {
        "service": call.service,
        "action": str(call.action),
        "argv": [without_directory(word) for word in call.argv],
        "status": str(call.status),
        "returncode": call.returncode,
        "started_at": stamp(call.started_at),
        "elapsed_ms": call.elapsed_ms,
        "stderr": untrusted_text.shorten(call.stderr, 300),
    }


def without_directory(word: str) -> str:
    """An argument of a command line without the directories of an absolute path, which are the host's own."""
    return f"…/{PurePosixPath(word).name}" if word.startswith("/") else word


def bounded_report(report: dict[str, Any]) -> dict[str, Any]:
    """Return the report, shortened by its long optional parts if it is too large."""
    if len(json.dumps(report)) <= LARGEST_REPORT:
        return report
    services = {name: {**one, "points": []} for name, one in report["services"].items()}
    calls = [{**one, "stderr": ""} for one in report["calls"][-200:]]
    steps = [{**one, "attempts": one["attempts"][-2:]} for one in report["steps"]]
    notes = [*report["notes"], "the report was too large: points of curves and older calls are left out"]
    less = {"services": services, "calls": calls, "steps": steps, "notes": notes}
    return {**report, **less, "timeline": report["timeline"][-500:]}
