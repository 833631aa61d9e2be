"""What keeps a call from being made, and an engine that shows nothing: on record, and never given up."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.enums import CallStatus, Event, Power, State
from app.store import locks
from app.usecases.reconciliation import calls
from tests.databases import Databases
from tests.engine.guarded import Door, door
from tests.engine.stacks import Stack, running, standing, until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses themselves are tested where the clock is a variable."""
    monkeypatch.setattr(calls, "RETRY_FIRST", timedelta(seconds=0.5))
    monkeypatch.setattr(calls, "RETRY_CAP", timedelta(seconds=2))


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    with tempfile.TemporaryDirectory(prefix="pw-door-") as directory, door(Path(directory)) as guard:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{directory}/door.sock")
        yield guard


@pytest.fixture
def behind(silent: Door, tmp_path: Path, databases: Databases) -> Iterator[Stack]:
    with standing(tmp_path, databases.migrated("sqlite")) as stack:
        yield stack
        silent.refusals.clear()
        silent.delays.clear()


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


def test_an_off_waits_for_an_engine_that_shows_nothing(behind: Stack, silent: Door) -> None:
    """The start is held up on its way, the window ends, the stop finds nothing, and no look tells more."""
    behind.write({"forge": running()}, tuned={"forge": {"up_timeout": "2s"}}).begin()
    held_up = 12.0
    silent.delays[r"POST /[^ ]*containers/[0-9a-f]+/start"] = held_up

    window = behind.open("forge")
    until(lambda: behind.calls("forge"), "its start is on record", 30, behind)
    # Compose has to read, too, or its stop would not return 0.
    silent.refusals[r"(?si)GET /[^ ]*containers/.*docker-sdk-python"] = 500, "cannot be read just now"
    behind.settled(window, State.CLOSING, within=60)

    until(lambda: ("stop", "ok") in outcomes(behind, "forge"), "its stop returned 0", 30, behind)
    time.sleep(3)
    row = behind.row("forge")
    assert row
    assert (behind.window(window).state, row.power, row.stop_pending) == (State.CLOSING, Power.UNKNOWN, True)

    silent.refusals.clear()
    behind.closed(window, within=60)
    time.sleep(held_up)
    until(lambda: not behind.alive(), "what came up late is off", 60, behind)
