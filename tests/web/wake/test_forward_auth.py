"""The waiting page: one window per bound token, opened by who comes, kept while they come."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask

from app.domain.enums import Event, Role
from app.store import audit
from tests.simultaneous import together
from tests.system import System
from tests.web.caller import Caller, Remembering
from tests.web.wake.wake_caller import FORGE, HTML, bound, kind, windows


def test_the_first_visit_opens_and_once_it_is_ready_requests_pass(
    door: Caller, system: System, broker: Remembering
) -> None:
    first = door.get(FORGE)
    assert kind(first) == (503, "starting")
    assert (first.headers["Retry-After"], first.headers["Cache-Control"]) == ("2", "no-store")
    (window,) = windows(system)
    assert (window.actor, window.services, window.ttl_sec) == ("door", ["forge"], 600)
    assert broker.sent[-1] == ("power.open_window", [window.id], broker.sent[-1][2])

    system.work()
    passed = door.get(FORGE)
    assert (passed.status_code, passed.headers["X-Power-Window"]) == (200, window.id)
    assert len(windows(system)) == 1


def test_many_first_visits_open_one_window(door: Caller, system: System) -> None:
    def visit(_number: int) -> int:
        return Caller.of(door.client.application, door.token).get(FORGE).status_code

    assert together(50, visit) == [503] * 50
    assert len(windows(system)) == 1
    assert system.trail().count("window.opening") == 1
    assert system.intact()


@pytest.mark.integration
def test_visits_keep_it_up_to_the_cap_and_then_begin_anew(door: Caller, system: System) -> None:
    door.get(FORGE)
    system.work()
    first = windows(system)[0].id
    passed = 0
    while system.state(first) == "open":
        passed += door.get(FORGE).status_code == 200
        system.tick(30)
    # An hour is the most, however many come; and it is written down ten times a time at most.
    assert passed == pytest.approx(3600 / 30, abs=2)
    assert system.trail(first).count("window.extended") <= 3600 / 60 + 1
    assert system.state(first) == "closed"

    assert kind(door.get(FORGE)) == (503, "starting")
    assert len(windows(system)) == 2
    assert system.intact()


def test_a_window_without_visits_ends(door: Caller, system: System) -> None:
    door.get(FORGE)
    system.work()
    system.tick(599)
    assert "forge" in system.running()
    system.tick(1)
    assert "forge" not in system.running()


def test_most_that_pass_write_nothing(door: Caller, system: System) -> None:
    door.get(FORGE)
    system.work()
    before = system.trail()
    assert {door.get(FORGE).status_code for _ in range(20)} == {200}
    assert system.trail() == before


def test_a_window_that_was_made_longer_stays_so(door: Caller, api: Caller, system: System) -> None:
    door.get(FORGE)
    system.work()
    window = windows(system)[0].id
    assert api.patch(f"/windows/{window}", {"ttl_sec": 3000}).status_code == 200
    system.tick(100)
    before = system.window(window).deadline
    assert door.get(FORGE).status_code == 200
    assert system.window(window).deadline == before


def test_reading_a_window_renews_nothing(door: Caller, api: Caller, system: System) -> None:
    door.get(FORGE)
    system.work()
    window = windows(system)[0]
    system.tick(300)
    api.get(f"/windows/{window.id}")
    assert system.window(window.id).deadline == window.deadline


def test_the_proxys_own_header_goes_before_what_a_visitor_sent(door: Caller) -> None:
    headers = {"X-VX11-Token": door.token, "Authorization": "Bearer a-visitors-own"}
    assert door.open("GET", FORGE, headers=headers).status_code == 503
    alone = {"X-VX11-Token": "a-visitors-own", "Authorization": f"Bearer {door.token}"}
    assert door.open("GET", FORGE, headers=alone).status_code == 401


VISITORS = {
    "a WebSocket": {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
    "another protocol": {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"},
    "a body to come": {"Expect": "100-continue"},
    "a part": {"Range": "bytes=0-1", "If-Range": "x"},
    "what it has": {"If-None-Match": "*", "If-Modified-Since": "Thu, 26 Nov 2026 00:00:00 GMT"},
    "another method": {"X-HTTP-Method-Override": "DELETE", "X-Forwarded-Method": "BREW"},
    "a part of a form": {"Content-Type": "multipart/form-data"},
    "an address": {"X-Forwarded-Uri": "//[", "X-Forwarded-Host": "a b", "X-Forwarded-Proto": "wss"},
    "an agent": {"User-Agent": "\xff" * 300},
}


@pytest.mark.integration
@pytest.mark.parametrize("kind_of", VISITORS)
def test_a_visitors_headers_are_the_services_affair(door: Caller, system: System, kind_of: str) -> None:
    assert kind(door.get(FORGE, headers=VISITORS[kind_of])) == (503, "starting")
    system.work()
    assert door.get(FORGE, headers=VISITORS[kind_of]).status_code == 200


def test_a_service_that_fails_is_said_so_and_not_opened_at_each_refresh(door: Caller, system: System) -> None:
    system.will_not_start.add("forge")
    door.get(FORGE)
    system.work()
    failed = door.get(FORGE, headers=HTML)
    assert failed.status_code == 503
    assert "could not be started" in failed.text
    # Visitors are not authenticated: the engine's message is for operators only.
    assert "No such image" not in failed.text
    for _ in range(5):
        system.now += timedelta(seconds=5)
        assert kind(door.get(FORGE)) == (503, "not-started")
    assert len(windows(system)) == 1

    system.will_not_start.clear()
    system.now += timedelta(seconds=10)
    assert kind(door.get(FORGE)) == (503, "starting")
    assert len(windows(system)) == 2


def test_a_service_that_may_not_be_powered_any_more_is_refused_and_once_on_record(
    door: Caller, system: System
) -> None:
    strict = dict(system.spec.services) | {"forge": replace(system.spec.services["forge"], role=Role.NONE)}
    system.publish(replace(system.spec, services=strict))
    for _ in range(3):
        assert kind(door.get(FORGE)) == (403, "not-allowed")
    assert kind(door.get(f"{FORGE}?as=nginx")) == (403, "not-allowed")
    with system.database.read() as session:
        refusals = [one for one in audit.entries(session, limit=500) if one.event == Event.REFUSED]
    assert len(refusals) == 1


def test_two_doors_to_one_service_have_a_window_each(app: Flask, door: Caller, system: System) -> None:
    other = bound(app, system, name="another")
    for one in (door, other):
        assert one.get(FORGE).status_code == 503
    assert sorted(window.actor for window in windows(system)) == ["another", "door"]
