"""Drift on a real engine: found by events and without them, told once, from whatever cause."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.domain.enums import Event, Power, Status
from app.usecases.reconciliation import drift
from examples.vx11 import image
from tests.databases import Databases
from tests.engine.engines import OwnEngine, forgive_sockets, own_engine
from tests.engine.stacks import Stack, checked, docker, running, standing, until
from workers import runtime, tasks
from workers.state import inspection_queue
from workers.state.inspection_queue import Trigger


def found(
    stack: Stack, service: str, times: int = 1, within: float = 20, *, most: int | None = None
) -> dict[str, Any]:
    """What the trail tells of a drift, once it has been found so many times, and at most `most`."""

    def entries() -> list[str]:
        return [one.facts for one in stack.entries(Event.DRIFT_FOUND) if one.service == service]

    until(lambda: len(entries()) >= times, f"{service} is found to drift", within, stack)
    assert len(entries()) <= (most or times)
    facts: dict[str, Any] = json.loads(entries()[-1])
    return facts


def ended(stack: Stack, service: str) -> dict[str, Any]:
    entries = until(
        lambda: [one for one in stack.entries(Event.DRIFT_ENDED) if one.service == service],
        f"the drift of {service} ends",
        20,
        stack,
    )
    facts: dict[str, Any] = json.loads(entries[-1].facts)
    return facts


def looked_again(stack: Stack, service: str) -> None:
    """A look that began after this was called has been taken in."""
    now = stack.database.now()
    stack.watch.mark_all(Trigger.RESYNC)
    until(
        lambda: (row := stack.row(service)) and row.observed_at and row.observed_at > now, "a look", 20, stack
    )


def test_it_is_reported_once_with_several_workers_and_starts(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    stack.by_hand("up", "-d", "forge")
    assert found(stack, "forge")["why"] == "runs, though no window holds it"
    stack.end()
    stack.begin()
    looked_again(stack, "forge")
    with ExitStack() as second:
        other = Stack(stack.directory, stack.database_url)
        other.project = stack.project
        second.callback(other.end)
        other.begin()
        looked_again(other, "forge")
        looked_again(stack, "forge")
    found(stack, "forge", times=1)

    stack.by_hand("stop", "forge")
    assert ended(stack, "forge")["why"] == "it is off"
    stack.by_hand("start", "forge")
    found(stack, "forge", times=2)


def test_core_that_is_down_is_reported_and_left_alone(stack: Stack) -> None:
    defined = {"redis": running(), "madre": checked(0.0), "forge": running()}
    stack.write(defined, core=["redis", "madre"])
    stack.by_hand("up", "-d", "redis", "madre")
    stack.begin()
    until(lambda: (row := stack.row("madre")) and row.power == Power.ON, "core is up", 30, stack)
    before = set(stack.ids("madre"))

    stack.by_hand("kill", "redis")
    assert found(stack, "redis")["why"] == "core is down"
    docker("exec", *before, "python3", "-I", "-S", "-c", "import os; os.unlink('/tmp/well')")
    docker("exec", *before, "python3", "-I", "-S", "-c", "pass")
    stack.by_hand("rm", "-f", "redis")
    looked_again(stack, "redis")
    found(stack, "redis")

    stack.by_hand("up", "-d", "redis")
    assert ended(stack, "redis")["why"] == "it runs again"
    assert stack.calls() == []
    assert set(stack.ids("madre")) == before


def test_core_that_turns_unhealthy_is_down(stack: Stack) -> None:
    sick = {
        "test": ["CMD", "python3", "-I", "-S", "-c", "import sys; sys.exit(1)"],
        "interval": "300ms",
        "retries": 2,
    }
    stack.write({"redis": running(healthcheck=sick), "forge": running()}, core=["redis"])
    stack.by_hand("up", "-d", "redis")
    stack.begin()
    assert "unhealthy" in found(stack, "redis", within=60)["detail"]
    assert stack.calls() == []
    assert "redis" in stack.alive()


@pytest.mark.parametrize(
    ("words", "detail"),
    [
        (("stop",), "exited with code 0; if its work ends there, set oneshot = true for it in power.toml"),
        (("kill",), "exited with code 137"),
        (("rm", "-s", "-f"), "it ran, and its container is gone"),
    ],
)
def test_what_a_person_stops_under_an_open_window(stack: Stack, words: tuple[str, ...], detail: str) -> None:
    stack.write({"forge": running(), "mill": running()}).begin()
    window = stack.open("forge", "mill")
    stack.opened(window)

    stack.by_hand(*words, "forge")

    # A look may come between its stop and its removal, which are two findings.
    most = 2 if words[0] == "rm" else 1
    facts = found(stack, "forge", most=most)
    assert facts["windows"] == [window]
    assert facts["why"] == "stopped, though an open window holds it"
    until(lambda: stack.window(window).status == Status.PARTIAL, "the window is partial", 20, stack)
    until(lambda: detail in stack.lease(window, "forge").detail, detail, 10, stack)
    looked_again(stack, "forge")
    found(stack, "forge", most=most)
    assert [call.action for call in stack.calls("forge")] == ["up"]

    stack.by_hand("up", "-d", "forge")
    assert ended(stack, "forge")["why"] == "it runs again"
    until(lambda: stack.window(window).status == Status.OK, "the window is whole again", 20, stack)


def test_drift_is_stopped_after_its_grace_where_the_stack_says_so(stack: Stack) -> None:
    defined = {"redis": running(), "forge": running(), "secret": running()}
    stack.write(defined, core=["redis"], allow=["forge"], drift="stop", grace="2s")
    stack.by_hand("up", "-d", "redis", "secret")
    stack.begin()
    stack.by_hand("up", "-d", "forge")
    found(stack, "forge")
    until(lambda: stack.entries(Event.DRIFT_STOPPED), "it is stopped", 20, stack)
    assert stack.alive() == {"redis", "secret"}
    assert [(call.service, call.action) for call in stack.calls()] == [("forge", "stop")]


@pytest.fixture
def deaf(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A worker that hears no events, in the place of this process's own."""
    stack.write({"forge": running()}).begin(events=False)
    monkeypatch.setattr(runtime.process_state, "context", stack.context)
    monkeypatch.setattr(runtime.process_state, "watch", stack.watch)
    until(lambda: stack.row("forge"), "the first look", 20, stack)
    return stack


def test_without_events_a_resync_finds_it(deaf: Stack) -> None:
    deaf.by_hand("up", "-d", "forge")
    assert deaf.entries(Event.DRIFT_FOUND) == []
    tasks.resync("local")
    found(deaf, "forge")


def test_without_events_or_resync_the_poll_finds_it(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inspection_queue.POLL_IDLE <= 60
    monkeypatch.setattr(inspection_queue, "POLL_IDLE", 1.0)
    stack.write({"forge": running()}).begin(events=False)
    until(lambda: stack.row("forge"), "the first look", 20, stack)
    stack.by_hand("up", "-d", "forge")
    found(stack, "forge")


# An engine that is started anew.


@pytest.fixture(scope="module")
def second() -> Iterator[OwnEngine]:
    with own_engine() as engine, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.host)
        image.ensure()
        yield engine


@pytest.fixture
def rebooted(
    second: OwnEngine,
    tmp_path: Path,
    databases: Databases,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stack]:
    """A stack on the second engine."""
    # The SDK leaves a socket to the garbage collector that could not connect while the engine was down.
    # pytest restores the filters after the test.
    warnings.filterwarnings("ignore", "unclosed <socket", ResourceWarning)
    monkeypatch.setenv("DOCKER_HOST", second.host)
    with standing(tmp_path, databases.migrated("sqlite")) as stack:
        yield stack
    forgive_sockets()


def bare(**more: Any) -> dict[str, Any]:
    return running(network_mode="none", **more)


def closed_before(stack: Stack) -> None:
    """A window has held forge, which always restarts, and has ended."""
    stack.write({"forge": bare(restart="always")}).begin()
    window = stack.open("forge")
    stack.opened(window)
    stack.close(window)
    stack.closed(window)


def stopped_again(stack: Stack) -> None:
    assert found(stack, "forge", within=60)["why"] == drift.REVIVED
    until(lambda: stack.entries(Event.DRIFT_STOPPED), "it is stopped", 30, stack)
    assert stack.alive() == set()


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_what_comes_back_with_the_engine_is_stopped_again(
    rebooted: Stack, second: OwnEngine, how: str
) -> None:
    """Nothing stays on: its restart policy is no hand, though drift is only reported."""
    closed_before(rebooted)
    getattr(second, how)()
    second.start()
    stopped_again(rebooted)


@pytest.mark.every_engine
def test_what_comes_back_with_the_host_is_stopped_again(rebooted: Stack, second: OwnEngine) -> None:
    """The worker was down as well, and begins after the engine."""
    closed_before(rebooted)
    rebooted.end()
    second.kill()
    second.start()
    rebooted.begin()
    stopped_again(rebooted)


def test_what_a_person_started_is_left_alone_with_whatever_policy(rebooted: Stack, second: OwnEngine) -> None:
    """While the worker runs, while it does not, and over a restart of the engine."""
    closed_before(rebooted)
    rebooted.by_hand("start", "forge")
    assert found(rebooted, "forge")["why"] == "runs, though no window holds it"
    rebooted.by_hand("stop", "forge")
    ended(rebooted, "forge")

    rebooted.end()
    rebooted.by_hand("start", "forge")
    rebooted.begin()
    assert found(rebooted, "forge", times=2)["why"] == "runs, though no window holds it"

    second.kill()
    second.start()
    looked_again(rebooted, "forge")
    until(lambda: (row := rebooted.row("forge")) and row.power == Power.ON, "it is seen", 30, rebooted)
    found(rebooted, "forge", times=2)
    assert rebooted.alive() == {"forge"}


def test_windows_live_through_a_start_of_the_engine(rebooted: Stack, second: OwnEngine) -> None:
    rebooted.write({"forge": bare(restart="always"), "mill": bare(restart="no")}).begin()
    window = rebooted.open("forge", "mill")
    rebooted.opened(window)

    second.kill()
    second.start()

    facts = found(rebooted, "mill", within=60)
    assert facts["windows"] == [window]
    until(lambda: rebooted.lease(window, "forge").ready, "forge is ready again", 30, rebooted)
    until(lambda: rebooted.window(window).status == Status.PARTIAL, "the window is partial", 30, rebooted)
    assert [one.service for one in rebooted.entries(Event.DRIFT_FOUND)] == ["mill"]
    assert rebooted.alive() == {"forge"}

    rebooted.close(window)
    rebooted.closed(window)
    assert rebooted.alive() == set()
