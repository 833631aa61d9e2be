"""What keeps a call from being made, and an engine that shows nothing: on record, and never given up."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from app.domain.enums import CallStatus, Event, Power, State
from app.store import locks
from app.usecases.reconciliation import calls
from tests.engine.engine_proxy import EngineProxy
from tests.engine.stacks import Stack, running, until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses themselves are tested where the clock is a variable."""
    monkeypatch.setattr(calls, "RETRY_FIRST", timedelta(seconds=0.5))
    monkeypatch.setattr(calls, "RETRY_CAP", timedelta(seconds=2))


def outcomes(stack: Stack, service: str) -> list[tuple[str, str]]:
    return [(str(call.action), str(call.status)) for call in stack.calls(service)]


def test_a_lock_that_cannot_be_opened_is_a_failed_call_with_its_reason(stack: Stack) -> None:
    stack.write({"forge": running(), "mill": running()}).begin()
    lock = locks.path(stack.lock_dir, stack.project, "forge")
    lock.mkdir()

    window = stack.open("forge", "mill")

    row = stack.opened(window)
    assert row.status == "partial"
    (call,) = stack.calls("forge")
    assert (call.action, call.status) == ("up", CallStatus.FAIL)
    assert "IsADirectoryError" in call.stderr
    assert str(lock) in call.stderr
    assert "IsADirectoryError" in stack.lease(window, "forge").detail

    stack.close(window)
    until(lambda: stack.window(window).stuck, "the window is stuck", 30, stack)
    assert stack.alive() == set()
    tries = len(stack.calls("forge"))
    time.sleep(3)
    assert len(stack.calls("forge")) - tries <= 3
    assert {status for _action, status in outcomes(stack, "forge")} == {"fail"}
    assert not stack.entries(Event.CALL_LOST)

    lock.rmdir()
    assert not stack.closed(window).stuck


def test_an_off_waits_for_an_engine_that_shows_nothing(proxied: Stack, proxy: EngineProxy) -> None:
    """The start is held up on its way, the window ends, the stop finds nothing, and no look tells more."""
    proxied.write({"forge": running()}, tuned={"forge": {"up_timeout": "2s"}}).begin()
    held_up = 12.0
    proxy.delays[r"POST /[^ ]*containers/[0-9a-f]+/start"] = held_up

    window = proxied.open("forge")
    until(lambda: proxied.calls("forge"), "its start is on record", 30, proxied)
    # Compose has to read, too, or its stop would not return 0.
    proxy.refusals[r"(?si)GET /[^ ]*containers/.*docker-sdk-python"] = 500, "cannot be read just now"
    proxied.settled(window, State.CLOSING, within=60)

    until(lambda: ("stop", "ok") in outcomes(proxied, "forge"), "its stop returned 0", 30, proxied)
    time.sleep(3)
    row = proxied.row("forge")
    assert row
    assert (proxied.window(window).state, row.power, row.stop_pending) == (State.CLOSING, Power.UNKNOWN, True)

    proxy.refusals.clear()
    proxied.closed(window, within=60)
    time.sleep(held_up)
    until(lambda: not proxied.alive(), "what came up late is off", 60, proxied)
