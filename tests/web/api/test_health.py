"""Alive, ready, figures, and how every fault is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.settings import Settings
from app.store.database import Database
from app.store.tables import Node
from app.usecases.nodes import published_stacks
from app.web import create_app
from tests.system import System
from tests.web.api.test_windows import opened
from tests.web.caller import Caller, Remembering


def come_up(system: System, name: str = "local") -> None:
    with system.database.write() as session:
        node = Node(name=name, engine_id="e", worker="w", started_at=system.now, seen_at=system.now)
        published_stacks.record_node(session, node)


def test_it_is_alive_and_ready_with_everything_ok(api: Caller, system: System) -> None:
    come_up(system)
    assert api.get("/healthz").json == {"status": "ok"}
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json["ready"]) == (200, True)
    assert answer.json["broker"]["status"] == answer.json["database"]["status"] == "ok"
    assert [node["status"] for node in answer.json["nodes"]] == ["ok"]


def test_a_dead_broker_and_a_silent_node_are_degraded_and_no_more(
    api: Caller, system: System, broker: Remembering
) -> None:
    come_up(system)
    system.now += timedelta(seconds=30)
    broker.away = True
    answer = api.get("/readyz")
    assert answer.status_code == 200
    assert answer.json["broker"] == {"status": "degraded", "detail": "connection refused"}
    assert [node["status"] for node in answer.json["nodes"]] == ["degraded"]


def test_a_standalone_is_ready_once_its_own_worker_is_up(
    settings: Settings, database: Database, broker: Remembering, system: System
) -> None:
    come_up(system)
    started = system.now + timedelta(seconds=1)
    settings = replace(settings, await_node="local", started_at=started)
    api = Caller.of(create_app(settings, database, broker), "")
    assert api.get("/readyz").status_code == 503

    system.now = started
    come_up(system, "another")
    assert api.get("/readyz").status_code == 503
    come_up(system)
    assert api.get("/readyz").status_code == 200
    system.now += timedelta(hours=1)
    assert api.get("/readyz").status_code == 200


def test_windows_and_requests_are_figures(api: Caller) -> None:
    opened(api, "forge")
    api.get("/no/such/place")
    text = api.get("/metrics").text
    assert 'power_windows{state="opening"} 1.0' in text
    assert 'power_requests_total{method="POST",route="/api/v1/windows",status="202"} 1.0' in text
    assert 'power_requests_total{method="none",route="none",status="404"} 1.0' in text


def figure(api: Caller, name: str) -> float:
    text = api.get("/metrics").text
    return float(next(line for line in text.splitlines() if line.startswith(f"{name}{{")).split()[-1])


TROUBLES = ("windows_stuck", "services_owing", "services_drifting", "failed_stops", "services_retried")


def troubles(api: Caller) -> list[float]:
    return [figure(api, f"power_{name}") for name in TROUBLES]


def test_what_is_stuck_owing_and_drifting_is_figures(api: Caller, system: System) -> None:
    window = opened(api, "forge")["id"]
    system.work()
    assert troubles(api) == [0, 0, 0, 0, 0]
    system.will_not_stop.add("forge")
    api.post(f"/windows/{window}/close")
    system.work()
    assert troubles(api) == [0, 1, 0, 1, 1]
    system.tick(11)
    system.tick(21)
    assert troubles(api) == [1, 1, 0, 3, 1]
    api.post(f"/windows/{window}/close", {"force": True})
    system.work()
    assert troubles(api) == [0, 1, 1, 4, 1]
    system.will_not_stop.clear()
    system.tick(301)
    assert troubles(api) == [0, 0, 0, 0, 0]


def test_calls_are_figures_by_how_they_ended(api: Caller, system: System) -> None:
    opened(api, "mill")
    system.work()
    assert "power_calls_total{" not in api.get("/metrics").text
    window = opened(api, "forge")["id"]
    system.work()
    system.will_not_stop.add("forge")
    api.post(f"/windows/{window}/close")
    system.work()
    for _ in range(2):
        text = api.get("/metrics").text
        assert 'power_calls_total{action="up",status="ok"} 1.0' in text
        assert 'power_calls_total{action="stop",status="fail"} 1.0' in text


FAULTS: list[Exception] = [
    OperationalError("", None, Exception("gone")),
    InterfaceError("", None, Exception("closed")),
    PoolTimeout("too many"),
]


def fail(api: Caller, monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def failing(**_patient: bool) -> Any:
        raise fault

    front = api.client.application.extensions["power-windows"]
    api.get("/windows")
    database = front.refusals.database
    monkeypatch.setattr(database, "read", failing)
    monkeypatch.setattr(database, "write", failing)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_while_the_database_is_away_everything_says_so(
    api: Caller, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    fail(api, monkeypatch, fault)
    for answer in (
        api.get("/windows"),
        api.get("/windows/abc"),
        api.get("/stacks"),
        api.get("/audit"),
        api.get("/events"),
        api.post("/windows", {"services": ["forge"]}),
        api.patch("/windows/abc", {"ttl_sec": 5}),
        api.post("/windows/abc/close"),
        api.get("/madre/power/status"),
    ):
        assert (answer.status_code, answer.json["type"]) == (503, "/problems/database-away")
        assert answer.headers["Retry-After"]
    assert api.get("/readyz").status_code == 503
    assert api.get("/healthz").status_code == 200
    assert "power_open_streams" in api.get("/metrics").text


def test_a_fault_of_ours_is_in_the_log_and_no_500(
    api: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail(api, monkeypatch, ValueError("a bug"))
    answer = api.get("/windows")
    assert (answer.status_code, answer.json["type"]) == (503, "/problems/fault")
    assert "a bug" in caplog.text


def test_what_is_not_there_is_a_problem_too(app: Flask, api: Caller) -> None:
    assert api.get("/nothing").json["type"] == "/problems/no-such-route"
    answer = api.call("DELETE", "/windows")
    assert (answer.status_code, answer.json["type"]) == (405, "/problems/no-such-method")
    assert {"GET", "POST"} <= set(answer.json["allowed"])
    assert "POST" in answer.headers["Allow"]
