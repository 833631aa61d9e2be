"""Services are held for exactly as long as a block runs, whatever ends it and whatever happens meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from power_windows import Client, LetGo, NotReady, Refused, Unreachable, held_window
from tests.cli.api_bodies import OFF, ON, call, health, window
from tests.cli.service import TOKEN, Service

ID = "3f2a9c1d00"
OPEN = {"state": "open", "status": "ok", "health": {"switch": ON}}


def opens(service: Service, **facts: Any) -> None:
    """The next window becomes this at the first look."""
    service.opens_as = window()
    service.course(ID, OPEN | facts)


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def closings(service: Service) -> list[str]:
    return [one.body["reason"] for one in service.requests("POST", f"/windows/{ID}/close")]


def extensions(service: Service) -> list[float]:
    return [one.body["ttl_sec"] for one in service.requests("PATCH", f"/windows/{ID}")]


def test_a_block_has_ready_services_and_they_are_let_go_at_its_end(client: Client, service: Service) -> None:
    opens(service)

    with client.window("switch", stack="vx11", ttl="5m", reason="tests") as held:
        assert (held.id, held.now.ready, held.lost) == (ID, True, False)
        assert closings(service) == []

    (asked,) = service.requests("POST", "/windows")
    assert asked.body == {"services": ["switch"], "stack": "vx11", "ttl_sec": 300.0, "reason": "tests"}
    assert closings(service) == ["its block ended"]
    assert held.faults == []


def test_a_block_that_fails_lets_go_and_fails(client: Client, service: Service) -> None:
    opens(service)

    with pytest.raises(ZeroDivisionError), client.window("switch"):
        _ = 1 / 0

    assert closings(service) == ["its block ended with ZeroDivisionError"]


def test_nothing_that_is_not_ready_gets_as_far_as_the_block(client: Client, service: Service) -> None:
    broken = call("hermes", status="fail", stderr="no such image\n")
    service.opens_as = window(services=["switch", "hermes"])
    service.course(
        ID,
        {
            "state": "open",
            "status": "partial",
            "health": {"switch": ON, "hermes": health("failing", detail="exit code 1\nNo module named 'x'")},
            "results": [broken],
        },
    )

    with pytest.raises(NotReady) as refused, client.window("switch", "hermes"):
        pytest.fail("hermes is not ready")

    for words in (ID, "partial", "hermes: failing", "No module named 'x'", "no such image"):
        assert words in refused.value.message
    assert refused.value.window.unready[0].service == "hermes"
    assert closings(service) == ["NotReady while it opened"]


def test_some_are_enough_for_who_says_so(client: Client, service: Service) -> None:
    opens(service, status="partial", health={"switch": ON, "hermes": OFF})

    with client.window("switch", "hermes", partial_ok=True) as held:
        assert [one.service for one in held.now.unready] == ["hermes"]


def test_nothing_at_all_is_never_enough(client: Client, service: Service) -> None:
    opens(service, state="closed", status="fail", health={"switch": OFF}, close_reason="nothing came up")

    with pytest.raises(NotReady, match="nothing came up"), client.window("switch", partial_ok=True):
        pytest.fail("nothing is ready")


def test_an_opening_that_takes_too_long_is_let_go(client: Client, service: Service) -> None:
    service.opens_as = window()

    with pytest.raises(NotReady, match="as long as it may take"), client.window("switch", within=0.05):
        pytest.fail("it never opened")

    assert closings(service) == ["NotReady while it opened"]


def test_a_refusal_tells_what_would_be_right(client: Client, service: Service) -> None:
    problem = {"type": "/problems/not-allowed", "detail": "redis may not be powered", "allowed": ["switch"]}
    service.refuse("POST", "/windows", 403, **problem)

    with pytest.raises(Refused) as refused, client.window("redis"):
        pytest.fail("it was refused")

    assert (refused.value.type, refused.value.status) == ("/problems/not-allowed", 403)
    assert refused.value.problem["allowed"] == ["switch"]


def test_a_window_is_given_its_whole_time_again_while_the_block_runs(
    client: Client, service: Service
) -> None:
    opens(service, ttl_remaining_sec=0.4)

    with client.window("switch", ttl=0.6):
        until(lambda: len(extensions(service)) >= 2 or service.windows[ID].update(ttl_remaining_sec=0.4))

    assert set(extensions(service)) == {0.6}


def test_a_window_that_another_caller_extended_keeps_its_time(client: Client, service: Service) -> None:
    opens(service, ttl_remaining_sec=7200)

    with client.window("switch", ttl=0.6):
        looks = len(service.requests("GET", f"/windows/{ID}"))
        until(lambda: len(service.requests("GET", f"/windows/{ID}")) > looks + 1)

    assert extensions(service) == []


def test_a_connection_that_is_lost_is_survived_and_reported(client: Client, service: Service) -> None:
    opens(service, ttl_remaining_sec=0.4)

    with client.window("switch", ttl=0.6) as held:
        service.refuse("GET", f"/windows/{ID}", 503, detail="starting")
        until(lambda: held.faults)
        service.refusals.clear()
        until(lambda: extensions(service))

    assert isinstance(held.faults[0], Unreachable)
    assert closings(service) == ["its block ended"]


def test_a_block_longer_than_the_stack_permits_takes_what_is_left_and_says_so(
    client: Client, service: Service
) -> None:
    opens(service, ttl_remaining_sec=0.4)
    problem = {"type": "/problems/ttl-too-long", "detail": "ttl_sec 600 is over the limit", "allowed": 90.0}

    held = client.window("switch", ttl=0.6)

    def too_long() -> None:
        with held:
            service.refuse("PATCH", f"/windows/{ID}", 422, **problem)
            until(lambda: held.faults and len(extensions(service)) == 2)

    with pytest.warns(LetGo, match="over the limit"):
        too_long()

    assert extensions(service) == [0.6, 89.5]
    assert isinstance(held.faults[0], Refused)
    assert closings(service) == ["its block ended"]


def test_a_service_that_is_away_at_the_end_is_warned_of(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_window, "OUTAGE_SECONDS", 0.0)
    opens(service)

    with pytest.warns(LetGo, match="ends by itself"), client.window("switch"):
        service.refuse("POST", f"/windows/{ID}/close", 503, detail="gone")


SCRIPT = """
import time
from power_windows import Client
with Client() as client, client.window("switch", ttl="1m"):
    try:
        print("held", flush=True)
        for _ in range(600):  # a signal just before one long wait would be handled only after it
            time.sleep(0.05)
    finally:
        print("block over", flush=True)
"""


@pytest.mark.parametrize(
    ("number", "code", "why"),
    [(signal.SIGINT, -2, "KeyboardInterrupt"), (signal.SIGTERM, 143, "SystemExit")],
)
def test_a_signal_ends_the_block_and_lets_go(
    service: Service, number: signal.Signals, code: int, why: str
) -> None:
    opens(service)
    environ = {**os.environ, "POWER_URL": service.url, "POWER_TOKEN": TOKEN}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], env=environ, stdin=-1, stdout=-1, stderr=-1, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        process.send_signal(number)
        assert process.wait(30) == code
        assert process.stdout.read() == "block over\n"

    assert closings(service) == [f"its block ended with {why}"]


@pytest.mark.integration
def test_who_is_killed_extends_no_more(service: Service) -> None:
    opens(service, ttl_remaining_sec=0.1)
    script = SCRIPT.replace('"1m"', "0.6")
    environ = {**os.environ, "POWER_URL": service.url, "POWER_TOKEN": TOKEN}
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environ, stdin=-1, stdout=-1, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        until(lambda: extensions(service))
        process.kill()
        process.wait()

    assert closings(service) == []
    looks = len(service.asked)
    time.sleep(0.7)
    assert len(service.asked) == looks


def test_a_repeat_under_the_same_key_is_asked_once(client: Client, service: Service) -> None:
    client.open("switch", key="batch-7")

    (asked,) = service.requests("POST", "/windows")
    assert asked.headers["Idempotency-Key"] == "batch-7"
