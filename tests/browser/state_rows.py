"""Rows of runs, requests for intents, notifications and tokens in every state: for pictures of pages."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from app.domain.intents import Approval, IntentOutcome, IntentState
from app.domain.stack_id import StackId
from app.store import tokens, windows
from app.store.database import Database
from app.store.tables import BuildOutput, Delivery, IntentRequest, Notice, ScenarioRun
from app.usecases import wake

WORKSHOP = StackId("workshop")
LONG = "transcription-worker-for-long-recordings-of-the-customer-desk"
_REPORTS = Path(__file__).parents[2] / "docs" / "audit"


def add_runs(database: Database, now: datetime) -> None:
    """A run for each state and outcome; reports are those of docs."""
    reports = [
        json.loads((_REPORTS / name / "report.json").read_text()) for name in ("vx11-cycle", "vx11-crash")
    ]
    steps = [
        {
            "name": "answers",
            "kind": "http",
            "check": "GET http://127.0.0.1:8080/health is 200",
            "depends_on": [],
            "status": "passed",
            "detail": "200 in 12 ms",
            "tries": 3,
            "attempts": [],
        },
        {
            "name": "translates-a-recording",
            "kind": "exec",
            "check": "in model: python3 -m translate sample.wav",
            "depends_on": ["answers"],
            "status": "running",
            "detail": "",
            "tries": 1,
            "attempts": [],
        },
        {
            "name": "writes-it",
            "kind": "file",
            "check": "/srv/out/sample.txt in model",
            "status": "pending",
            "depends_on": ["translates-a-recording"],
            "detail": "",
            "tries": 0,
            "attempts": [],
        },
    ]
    rows: list[dict[str, Any]] = [
        {
            "id": "a1" * 8,
            "state": "finished",
            "outcome": "passed",
            "report": reports[0],
            "name": "vx11-cycle",
            "steps": reports[0]["steps"],
            "detail": reports[0]["run"]["detail"],
        },
        {
            "id": "a2" * 8,
            "state": "finished",
            "outcome": "failed",
            "report": reports[1],
            "name": "vx11-crash",
            "steps": reports[1]["steps"],
            "detail": reports[1]["run"]["detail"],
        },
        {
            "id": "a3" * 8,
            "state": "running",
            "steps": steps,
            "name": "translate-cycle",
            "detail": "2 of 3 steps",
        },
        {"id": "a4" * 8, "state": "queued", "steps": [], "name": "translate-cycle", "detail": ""},
        {
            "id": "a5" * 8,
            "state": "finished",
            "outcome": "cut",
            "steps": [],
            "name": "translate-cycle",
            "detail": "cancelled by grace",
            "cancelled_by": "grace",
        },
    ]
    with database.write() as session:
        for number, row in enumerate(rows):
            at = now - timedelta(minutes=5 + 7 * number)
            ends = at + timedelta(seconds=40) if row["state"] == "finished" else None
            about = {
                "stack": WORKSHOP,
                "node": "local",
                "actor": "ada",
                "services": ["api", "model"],
                "document": {},
            }
            session.add(
                ScenarioRun(created_at=at, started_at=at, finished_at=ends, **(about | _subject(row) | row))
            )


def _subject(row: dict[str, Any]) -> dict[str, Any]:
    """Stack and services of a run that has a report."""
    run = row["report"]["run"] if row.get("report") else {}
    return {name: run[name] for name in ("stack", "services") if run}


def add_requests(database: Database, now: datetime) -> None:
    """A request that waits for an approval, one that builds, and one for each outcome."""
    building = [
        {"service": LONG, "status": "built", "detail": "in 41.2 s"},
        {"service": "model", "status": "running", "detail": "step 4 of 9"},
    ]
    with database.read() as session:
        window = windows.moving_of(session, WORKSHOP)[0].id
    rows: list[dict[str, Any]] = [
        {
            "id": "b1" * 8,
            "state": IntentState.WAITING,
            "approval": Approval.OTHER,
            "intent": "train",
            "detail": "waits for the approval of another token than ada",
        },
        {
            "id": "b2" * 8,
            "state": IntentState.BUILDING,
            "intent": "train",
            "builds": building,
            "detail": "builds model",
            "approved_by": "grace",
        },
        {
            "id": "b3" * 8,
            "state": IntentState.FINISHED,
            "outcome": IntentOutcome.PASSED,
            "intent": "translate",
            "detail": "the window is open, and all checks passed",
            "window_id": window,
        },
        {
            "id": "b4" * 8,
            "state": IntentState.FINISHED,
            "outcome": IntentOutcome.FAILED,
            "intent": "demo",
            "detail": "the check answers failed: GET http://127.0.0.1:8080/health: 502, not 200",
        },
        {
            "id": "b5" * 8,
            "state": IntentState.FINISHED,
            "outcome": IntentOutcome.CUT,
            "intent": "train",
            "detail": "refused by grace",
        },
    ]
    with database.write() as session:
        for number, row in enumerate(rows):
            about = {
                "stack": WORKSHOP,
                "node": "local",
                "actor": "ada",
                "services": ["api"],
                "ttl_sec": 7200.0,
            }
            session.add(IntentRequest(created_at=now - timedelta(minutes=3 + number), **about, **row))
        for number in range(12):
            text = f"#{number + 5} [{number + 1}/12] RUN pip install --no-deps part-{number}.whl\n"
            session.add(BuildOutput(request_id="b2" * 8, service="model", at=now, text=text))


def add_notices(database: Database, now: datetime) -> None:
    """More than a page of notifications, in each state."""
    with database.write() as session:
        for number in range(60):
            at = now - timedelta(minutes=11 * number)
            state = (
                ("delivered", "delivered", "pending", "given_up")[number % 4] if number < 8 else "delivered"
            )
            event = ("window.open", "window.ending", "window.closed", "service.failing")[number % 4]
            identifier = f"{number:032x}"
            about: dict[str, Any] = {
                "node": "local",
                "sink": "phone",
                "stack": WORKSHOP,
                "body": {"text": "api is open"},
            }
            session.add(
                Notice(
                    id=identifier,
                    key=f"k{number}",
                    event=event,
                    window_id=None,
                    state=state,
                    attempts=1,
                    next_at=at + timedelta(minutes=30),
                    created_at=at,
                    **about,
                )
            )
            for attempt in range(3 if state != "delivered" else 1):
                ok = state == "delivered"
                session.add(
                    Delivery(
                        notice_id=identifier,
                        at=at + timedelta(minutes=attempt),
                        elapsed_ms=84,
                        ok=ok,
                        said="HTTP 200" if ok else "connection refused",
                    )
                )


def add_tokens(database: Database, now: datetime) -> str:
    """Tokens of each kind, one of them with a long name, and two that were revoked."""
    with database.write() as session:
        for name in ("ada", "grace", "night-build-of-the-translation-team", "phone", "old-laptop"):
            tokens.create(session, name, now - timedelta(days=2))
        tokens.create(session, "approver", now - timedelta(days=1), tokens.APPROVE)
        bound: dict[str, Any] = {"stack": WORKSHOP, "actor": "admin", "now": now}
        wake.create(session, "gone-proxy", service="model", ttl_sec=900.0, **bound)
        for name in ("old-laptop", "gone-proxy"):
            wake.revoke(session, name, actor="admin", now=now)
        return wake.create(session, "proxy", service="database", ttl_sec=900.0, **bound)
