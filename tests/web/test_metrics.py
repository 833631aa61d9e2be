"""Figures that are counted along, and that docs/metrics.md lists every one there is."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from app.domain.enums import Loop
from app.domain.nodes import Heartbeat
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.domain.throttling import CallLimit
from app.store import loop_failures, workers
from app.store.audit import Place
from app.store.tables import Node
from app.usecases.nodes import published_stacks
from app.web import event_feed as tail_module
from app.web.event_feed import EventFeed, FeedEntry
from tests.system import System
from tests.web.api.test_windows import opened
from tests.web.caller import Caller, Remembering

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


def samples(api: Caller) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(api.get("/metrics").text)
        for one in family.samples
    }


def figure(api: Caller, name: str, **labels: str) -> float:
    return samples(api)[name, tuple(sorted(labels.items()))]


def test_the_docs_list_every_metric_and_no_other(api: Caller) -> None:
    families = re.findall(r"^# TYPE (power_\w+) (\w+)$", api.get("/metrics").text, re.MULTILINE)
    exported = {(name, kind) for name, kind in families if not name.endswith("_created")}
    listed = re.findall(r"^\| `(power_\w+)` \| (\w+) \|", DOCS.read_text(), re.MULTILINE)
    assert set(listed) == exported


def test_a_stack_that_is_rejected_has_a_figure(api: Caller, system: System) -> None:
    named = {"stack": "studio", "node": "local"}
    assert figure(api, "power_stack_rejected", **named) == 0
    with system.database.write() as session:
        published_stacks.reject_stack(
            session, StackSpec(StackId("studio"), "studio", "local", {}), ["no file"], system.now
        )
    assert figure(api, "power_stack_rejected", **named) == 1


def test_calls_are_timed_by_service_and_outcome(api: Caller, system: System) -> None:
    samples(api)
    window = opened(api, "forge")["id"]
    system.work()
    system.will_not_stop.add("forge")
    api.post(f"/windows/{window}/close")
    system.work()
    named = {"stack": system.spec.name, "service": "forge"}
    system.now += timedelta(seconds=1)
    assert figure(api, "power_call_duration_seconds_count", **named, action="up", status="ok") == 1
    assert figure(api, "power_call_duration_seconds_count", **named, action="stop", status="fail") == 1


def test_a_window_is_timed_until_it_is_open_and_from_its_deadline(api: Caller, system: System) -> None:
    samples(api)
    window = opened(api, "forge", ttl_sec=60)["id"]
    system.now += timedelta(seconds=3)
    system.work()
    assert system.state(window) == "open"
    assert figure(api, "power_window_ready_seconds_sum", stack=system.spec.name) == pytest.approx(3, abs=0.5)

    system.now += timedelta(seconds=59)
    system.tick(0)
    system.work()
    assert system.state(window) == "closed"
    late = figure(api, "power_expiry_lateness_seconds_sum", stack=system.spec.name)
    assert late == pytest.approx(2, abs=0.5)
    assert figure(api, "power_expiry_lateness_seconds_count", stack=system.spec.name) == 1


def test_a_close_by_hand_is_not_late(api: Caller, system: System) -> None:
    samples(api)
    window = opened(api, "forge")["id"]
    system.work()
    api.post(f"/windows/{window}/close")
    system.work()
    assert "power_expiry_lateness_seconds_count" not in {name for name, _ in samples(api)}


def test_what_is_off_is_saved_and_what_is_held_is_not(api: Caller, system: System) -> None:
    samples(api)
    opened(api, "forge")
    system.work()
    system.now += timedelta(seconds=100)
    name = "power_saved_service_seconds_total"
    assert figure(api, name, stack=system.spec.name, service="forge") == pytest.approx(0, abs=1)
    assert figure(api, name, stack=system.spec.name, service="mill") == pytest.approx(100, abs=2)


def test_what_waits_in_the_queues_is_a_figure_while_the_broker_says_so(
    api: Caller, broker: Remembering
) -> None:
    opened(api, "forge")
    assert figure(api, "power_queue_depth", queue="power.local") == 1
    broker.away = True
    assert "power_queue_depth" not in {name for name, _ in samples(api)}


def test_the_limit_of_starting_calls_is_that_of_a_nodes_live_workers(api: Caller, system: System) -> None:
    with system.database.write() as session:
        for name, seen_at in (
            ("one", system.now),
            ("two", system.now),
            ("old", system.now - timedelta(hours=1)),
        ):
            limit = CallLimit(8, "")
            heartbeat = Heartbeat(name, "local", "e", "l", [StackId("studio")], system.now, seen_at, limit)
            workers.write(session, heartbeat)
    assert figure(api, "power_call_limit", node="local") == 16


def test_failures_of_loops_come_from_the_workers_and_from_the_front(
    api: Caller, system: System, app: Flask
) -> None:
    named = {"node": "local", "loop": "looks"}
    with system.database.write() as session:
        session.merge(
            Node(name="local", engine_id="e", worker="w", started_at=system.now, seen_at=system.now)
        )
    assert figure(api, "power_loop_failures_total", **named) == 0
    for _ in range(2):
        with system.database.write() as session:
            loop_failures.add(session, "local", {Loop.LOOKS: 3, Loop.CLOCK: 1})
    app.extensions["power-windows"].event_feed.guard.record_failure(Loop.EVENT_STREAM, KeyError("x"))

    assert figure(api, "power_loop_failures_total", **named) == 6
    assert figure(api, "power_loop_failures_total", node="local", loop="clock") == 2
    assert figure(api, "power_loop_failures_total", node="", loop="event_stream") == 1
    assert figure(api, "power_loop_failures_total", node="", loop="event_stream") == 1


def test_an_event_stream_outlives_what_cannot_be_read(
    api: Caller, system: System, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail: EventFeed = app.extensions["power-windows"].event_feed
    missed, broken = tail.read_after, [KeyError("an entry that cannot be read"), ValueError("another")]

    def breaks(place: Place) -> list[FeedEntry]:
        if broken:
            raise broken.pop()
        return missed(place)

    monkeypatch.setattr(tail, "read_after", breaks)
    monkeypatch.setattr(tail_module, "FAULT_PAUSE", 0.01)
    with tail.listen() as listener:
        opened(api, "forge")
        assert listener.next(10)
    assert figure(api, "power_loop_failures_total", node="", loop="event_stream") == 2
