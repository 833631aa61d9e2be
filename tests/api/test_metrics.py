"""Figures that are counted along, and that docs/metrics.md lists every one there is."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import observe
from app.domain.plans import StackSpec
from tests.api.caller import Caller, Remembering
from tests.api.test_windows import opened
from tests.house import House

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
    shown = {(name, kind) for name, kind in families if not name.endswith("_created")}
    listed = re.findall(r"^\| `(power_\w+)` \| (\w+) \|", DOCS.read_text(), re.MULTILINE)
    assert set(listed) == shown


def test_a_stack_that_is_rejected_has_a_figure(api: Caller, house: House) -> None:
    named = {"stack": "studio", "node": "local"}
    assert figure(api, "power_stack_rejected", **named) == 0
    with house.database.write() as session:
        observe.rejected(session, StackSpec("studio", "studio", "local", {}), ["no file"], house.now)
    assert figure(api, "power_stack_rejected", **named) == 1


def test_calls_are_timed_by_service_and_outcome(api: Caller, house: House) -> None:
    samples(api)
    window = opened(api, "forge")["id"]
    house.work()
    house.will_not_stop.add("forge")
    api.post(f"/windows/{window}/close")
    house.work()
    named = {"stack": house.spec.name, "service": "forge"}
    house.now += timedelta(seconds=1)
    assert figure(api, "power_call_duration_seconds_count", **named, action="up", status="ok") == 1
    assert figure(api, "power_call_duration_seconds_count", **named, action="stop", status="fail") == 1


def test_a_window_is_timed_until_it_is_open_and_from_its_deadline(api: Caller, house: House) -> None:
    samples(api)
    window = opened(api, "forge", ttl_sec=60)["id"]
    house.now += timedelta(seconds=3)
    house.work()
    assert house.state(window) == "open"
    assert figure(api, "power_window_ready_seconds_sum", stack=house.spec.name) == pytest.approx(3, abs=0.5)

    house.now += timedelta(seconds=59)
    house.tick(0)
    house.work()
    assert house.state(window) == "closed"
    late = figure(api, "power_expiry_lateness_seconds_sum", stack=house.spec.name)
    assert late == pytest.approx(2, abs=0.5)
    assert figure(api, "power_expiry_lateness_seconds_count", stack=house.spec.name) == 1


def test_a_close_by_hand_is_not_late(api: Caller, house: House) -> None:
    samples(api)
    window = opened(api, "forge")["id"]
    house.work()
    api.post(f"/windows/{window}/close")
    house.work()
    assert "power_expiry_lateness_seconds_count" not in {name for name, _ in samples(api)}


def test_what_is_off_is_saved_and_what_is_held_is_not(api: Caller, house: House) -> None:
    samples(api)
    opened(api, "forge")
    house.work()
    house.now += timedelta(seconds=100)
    name = "power_saved_service_seconds_total"
    assert figure(api, name, stack=house.spec.name, service="forge") == pytest.approx(0, abs=1)
    assert figure(api, name, stack=house.spec.name, service="mill") == pytest.approx(100, abs=2)


def test_what_waits_in_the_queues_is_a_figure_while_the_broker_says_so(
    api: Caller, broker: Remembering
) -> None:
    opened(api, "forge")
    assert figure(api, "power_queue_depth", queue="power.local") == 1
    broker.away = True
    assert "power_queue_depth" not in {name for name, _ in samples(api)}
