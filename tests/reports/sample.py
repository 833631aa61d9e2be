"""A report as a worker builds it, for the tests of its forms."""

from __future__ import annotations

from typing import Any


def at(second: float) -> str:
    return f"2026-07-01T10:00:{second:06.3f}Z"


def sample(**more: Any) -> dict[str, Any]:
    """A run of two services whose second step failed."""
    attempt = {"at": at(3), "ok": False, "elapsed_ms": 500, "detail": "status 503, expected 200"}
    step = {"kind": "http", "depends_on": [], "check": "GET http://127.0.0.1:8001/"}
    return {
        "version": 1,
        "run": {
            "id": "0123456789abcdef",
            "name": "cycle",
            "stack": "studio",
            "node": "local",
            "actor": "ada",
            "services": ["forge", "mill"],
            "fresh": True,
            "outcome": "failed",
            "detail": "failed: answers",
            "created_at": at(0),
            "started_at": at(0),
            "finished_at": at(9),
            "elapsed_sec": 9.0,
        },
        "product": "0.1.0",
        "engine": {"release": "20.10.24", "api": "1.41"},
        "window": {
            "id": "w1",
            "state": "closed",
            "status": "ok",
            "ttl_sec": 60.0,
            "close_reason": "manual",
            "close_detail": "run 0123456789abcdef is over",
            "opening_at": at(0.2),
            "opened_at": at(2),
            "deadline": at(59),
            "closing_at": at(6),
            "closed_at": at(8),
        },
        "timeline": [
            {"at": at(0.1), "service": "", "what": "phase", "detail": "opens its window"},
            {"at": at(0.3), "service": "forge", "what": "power", "detail": "starting"},
            {"at": at(2), "service": "forge", "what": "power", "detail": "on"},
            {"at": at(2), "service": "mill", "what": "power", "detail": "failing: exit 1"},
            {"at": at(2.1), "service": "", "what": "phase", "detail": "runs its steps"},
            {"at": at(8), "service": "forge", "what": "power", "detail": "off"},
        ],
        "services": {
            "forge": _service(1.8, [1.5, 1.7, 2.5], [[0.0, 0.0, 5.0], [1.0, 80.5, 6.5], [2.0, 40.0, 6.0]]),
            "mill": {**_service(None, [], []), "asked": False},
        },
        "calls": [
            {
                "service": "forge",
                "action": "up",
                "argv": ["docker", "compose", "-f", "…/docker-compose.yml", "up", "-d", "--", "forge"],
                "status": "ok",
                "returncode": 0,
                "started_at": at(0.3),
                "elapsed_ms": 700,
                "stderr": "",
            }
        ],
        "steps": [
            {**step, "name": "listens", "status": "passed", "detail": "connected", "tries": 1,
             "attempts": [{"at": at(2.2), "ok": True, "elapsed_ms": 3, "detail": "connected"}]},
            {**step, "name": "answers", "status": "failed", "detail": "status 503, expected 200", "tries": 2,
             "attempts": [attempt, {**attempt, "at": at(4)}]},
            {**step, "name": "works", "status": "skipped", "detail": "answers has not passed", "tries": 0,
             "attempts": []},
        ],
        "failed_first": {"what": "step answers", "at": at(4.5), "detail": "status 503, expected 200"},
        "proof": {"at": at(8.5), "running": ["redis"], "core": ["redis"], "held_by_others": [], "left_on": [],
                  "released": True, "only_core": True,
                  "detail": "the engine shows that only core runs: redis"},
        "notes": ["began afresh: the containers of 2 services were removed"],
        "causes": [],
        **more,
    }  # fmt: skip


def _service(start: float | None, history: list[float], points: list[list[float]]) -> dict[str, Any]:
    return {
        "asked": True,
        "wave": 0,
        "start_sec": start,
        "history": history,
        "peak_cpu_percent": 80.5,
        "peak_memory_mib": 6.5,
        "restarts": 0,
        "points": points,
    }
