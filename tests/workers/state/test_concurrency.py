"""Calls that run at once: bounded by what starts and by what exists, opening and closing apart."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from app.domain.throttling import CallBounds
from tests.deadline import until
from workers.state import concurrency
from workers.state.concurrency import CallQueue, Limits


class Gate:
    """Works that end when they are let go, and how many ran at once at most."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun: list[object] = []

    def work(self, name: object) -> Callable[[], None]:
        def run() -> None:
            self.begun.append(name)
            self.open.wait(30)

        return run


def test_no_more_processes_start_at_once_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "STARTING_FOR", 1000.0)
    gate, queue = Gate(), CallQueue("test", Limits(starting=2, running=8))
    for number in range(5):
        queue.submit(number, gate.work(number))

    until(lambda: len(gate.begun) == 2, "two have begun")
    assert (queue.running, queue.queued) == (2, 3)

    gate.open.set()
    until(lambda: sorted(map(str, gate.begun)) == list("01234"), "all have had their turn")


def test_a_call_that_waits_lets_others_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty services that ignore TERM delay the next one by a moment, not by their grace."""
    monkeypatch.setattr(concurrency, "STARTING_FOR", 0.05)
    gate, queue = Gate(), CallQueue("test", Limits(starting=2, running=8))
    for number in range(10):
        queue.submit(number, gate.work(number))

    until(lambda: len(gate.begun) == 8, "as many run as may exist")
    assert queue.queued == 2

    gate.open.set()
    until(lambda: len(gate.begun) == 10, "the others follow")
    queue.close(wait=True)
    assert queue.running == 0


def test_works_of_one_key_run_one_after_another_and_wait_once() -> None:
    gate, queue = Gate(), CallQueue("test", Limits(8, 8))
    queue.submit("forge", gate.work("first"))
    until(lambda: gate.begun == ["first"], "the first has begun")
    queue.submit("forge", gate.work("second"))
    queue.submit("forge", gate.work("third"))
    queue.submit("mill", gate.work("other"))

    until(lambda: gate.begun == ["first", "other"], "another key does not wait")
    assert "forge" in queue
    gate.open.set()
    until(lambda: gate.begun == ["first", "other", "second"], "the second follows")
    until(lambda: "forge" not in queue, "and no third")
    assert gate.begun == ["first", "other", "second"]


def test_one_that_breaks_gives_its_room_back(caplog: pytest.LogCaptureFixture) -> None:
    gate, queue = Gate(), CallQueue("test", Limits(1, 1))

    def break_down() -> None:
        raise RuntimeError("broken")

    queue.submit("bad", break_down)
    queue.submit("good", gate.work("good"))

    until(lambda: gate.begun == ["good"], "the next one runs")
    assert "bad failed" in caplog.text
    gate.open.set()


def test_a_closed_queue_begins_nothing_more_and_waits_for_what_runs() -> None:
    gate, queue = Gate(), CallQueue("test", Limits(1, 1))
    queue.submit(1, gate.work(1))
    until(lambda: gate.begun == [1], "it runs")
    queue.submit(2, gate.work(2))
    closer = threading.Thread(target=lambda: queue.close(wait=True))
    closer.start()
    until(lambda: queue.queued == 0, "the queue is dropped")
    queue.submit(3, gate.work(3))

    assert closer.is_alive()
    gate.open.set()
    closer.join(10)
    assert gate.begun == [1]


@pytest.mark.parametrize("limits", [concurrency.opening_limits, concurrency.closing_limits])
def test_limits_follow_the_host(monkeypatch: pytest.MonkeyPatch, limits: Callable[[], Limits]) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(concurrency, "_memory", lambda: 1 * 2**30)
    assert limits().running == 16, "a small host runs few at once"

    monkeypatch.setattr(concurrency, "_memory", lambda: 512 * 2**30)
    wide = limits()
    assert wide.starting < wide.running <= concurrency.MOST_CLOSING


def test_limits_that_are_set_hold_whatever_the_host_is_like(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "_memory", lambda: 512 * 2**30)
    assert concurrency.closing_limits(3) == Limits(3, 3)
    assert concurrency.opening_limits(CallBounds(3, 3)) == Limits(3, 3)
    assert concurrency.opening_limits(CallBounds(2, 100)) == Limits(100, 100)
    assert concurrency.opening_limits(CallBounds(2, 16)) == Limits(16, concurrency.MOST_OPENING)


def test_more_room_lets_queued_work_begin_at_once() -> None:
    gate, queue = Gate(), CallQueue("test", Limits(1, 1))
    for number in range(3):
        queue.submit(number, gate.work(number))
    until(lambda: len(gate.begun) == 1, "one has begun")
    queue.set_limits(Limits(3, 3))
    until(lambda: len(gate.begun) == 3, "all have begun")
    gate.open.set()
    queue.close(wait=True)
