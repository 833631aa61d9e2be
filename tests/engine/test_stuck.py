"""A stop that really fails: tried again ever later, shown, on record, forced by a person, never forgotten."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from app.domain.enums import Action, CallStatus, Event, State
from app.domain.stack_id import StackId
from app.usecases.reconciliation import calls
from app.usecases.windows import close as closing
from tests.engine.engine_proxy import EngineProxy
from tests.engine.stacks import Stack, python, running, until
from workers.reconcile import converge
from workers.stacks.service_durations import STOP_MARGIN


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses themselves are tested where the clock is a variable."""
    monkeypatch.setattr(calls, "RETRY_FIRST", timedelta(seconds=0.5))
    monkeypatch.setattr(calls, "RETRY_CAP", timedelta(seconds=1))


def actions(stack: Stack, service: str) -> list[tuple[str, str]]:
    return [(str(call.action), str(call.status)) for call in stack.calls(service)]


def test_from_the_first_failed_stop_to_the_last_that_works(proxied: Stack, proxy: EngineProxy) -> None:
    proxied.write({"forge": running(), "mill": running()}).begin()
    window = proxied.open("forge", "mill")
    proxied.opened(window)
    proxy.guarded.update(proxied.ids("forge"))

    proxied.close(window)

    until(lambda: proxied.window(window).stuck, "the window is stuck", 60, proxied)
    assert proxied.alive() == {"forge"}
    assert proxied.window(window).state == State.CLOSING
    assert actions(proxied, "forge")[:4] == [
        ("up", "ok"),
        ("stop", "fail"),
        ("kill", "fail"),
        ("kill", "fail"),
    ]
    (stuck,) = proxied.entries(Event.WINDOW_STUCK)
    facts = json.loads(stuck.facts)
    assert facts["failed_stops"] == {"forge": 3}
    assert "did not receive an exit event" in facts["last_errors"]["forge"]
    row = proxied.row("forge")
    assert row
    assert row.retry_at

    tries = proxy.refused
    until(lambda: proxy.refused >= tries + 3, "it is tried further", 60, proxied)
    assert len(proxied.entries(Event.WINDOW_STUCK)) == 1

    proxy.guarded.clear()
    closed = proxied.closed(window, within=60)
    assert not closed.stuck
    assert proxied.alive() == set()


def test_a_person_forces_it_and_the_off_is_still_owed(proxied: Stack, proxy: EngineProxy) -> None:
    proxied.write({"forge": running()}).begin()
    window = proxied.open("forge")
    proxied.opened(window)
    proxy.guarded.update(proxied.ids("forge"))
    proxied.close(window)
    until(lambda: proxied.window(window).stuck, "the window is stuck", 60, proxied)

    with proxied.database.write() as session:
        closing.close(session, window, actor="grace", now=proxied.database.now(), force=True)
    proxied.watch.close_soon(StackId("studio"))

    closed = proxied.closed(window, within=60)
    assert closed.close_detail == "forced by grace; not confirmed off: forge"
    assert not closed.stuck
    assert proxied.entries(Event.WINDOW_CLOSING)[-1].actor == "grace"
    entries = until(lambda: proxied.entries(Event.DRIFT_FOUND), "it drifts", 20, proxied)
    assert json.loads(entries[0].facts)["why"] == "runs, though no window holds it, and would not stop"
    tries = proxy.refused
    until(lambda: proxy.refused >= tries + 3, "it is tried further", 60, proxied)

    proxy.guarded.clear()
    until(lambda: proxied.entries(Event.DRIFT_STOPPED), "it stops at last", 60, proxied)
    assert proxied.alive() == set()
    assert len(proxied.entries(Event.DRIFT_FOUND)) == 1
    row = proxied.row("forge")
    assert row
    assert (row.stop_pending, row.failures, row.retry_at) == (False, 0, None)


def test_a_stop_that_takes_too_long_has_failed_and_is_followed_by_a_kill(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
    monkeypatch.setattr(converge, "timeout_of", lambda *_: 5.0)
    stack.write({"forge": python(stubborn, stop_grace_period="60s")}).begin()
    window = stack.open("forge")
    stack.opened(window)

    stack.close(window)

    stack.closed(window, within=60)
    ends = [call for call in stack.calls("forge") if call.action != Action.UP]
    assert [(call.action, call.status) for call in ends[:2]] == [
        (Action.STOP, CallStatus.TIMEOUT),
        (Action.KILL, CallStatus.OK),
    ]
    assert stack.alive() == set()


def test_a_container_is_given_the_grace_it_was_made_with(stack: Stack) -> None:
    """Its file may say less by now; a stop that is cut off before its grace would be a wrong verdict."""
    stack.write({"forge": running(stop_grace_period="40s")}).begin()
    stack.opened(stack.open("forge"))
    stack.end()
    stack.define({"forge": running(stop_grace_period="1s")})
    stack.begin()
    spec = stack.context.stacks[StackId("studio")].spec.services["forge"]
    containers = stack.engine.containers(stack.project, ["forge"])
    assert spec.stop_timeout == 1 + STOP_MARGIN
    assert converge.timeout_of(spec, Action.STOP, containers) == 40 + STOP_MARGIN
    assert converge.timeout_of(spec, Action.UP, containers) == spec.up_timeout
