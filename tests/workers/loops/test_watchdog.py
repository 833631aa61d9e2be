"""A part of a worker that is lost for good ends the worker, and one that is only slow does not."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from tests.deadline import until
from workers.loops.watchdog import EXIT_CODE, MOST_MISSES, Watchdog, advances
from workers.state.concurrency import CallQueue, Limits


def test_a_queue_whose_thread_never_starts_is_lost_after_so_many_probes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over, begin = threading.Event(), threading.Thread.start
    queue, ended = CallQueue("stops", Limits(1, 1)), list[str]()
    watchdog = Watchdog([("the queue of stops", lambda: queue.answers(0.05))], ended.append)
    watchdog.probe_all()

    def start(thread: threading.Thread) -> None:
        """The queue waits, with its lock, for a thread that has died before it began."""
        if thread.name == "stops-call":
            over.wait(10)
        begin(thread)

    with monkeypatch.context() as dying:
        dying.setattr(threading.Thread, "start", start)
        queue.submit("forge", lambda: None)
        until(lambda: not queue.answers(0.05), "the queue is lost")
        for _ in range(MOST_MISSES - 1):
            watchdog.probe_all()
        assert ended == []
        watchdog.probe_all()
    assert ended == ["the queue of stops"]
    over.set()
    until(queue.answers, "the queue works again")


def test_a_loop_that_comes_round_again_is_forgiven() -> None:
    rounds, ended = [0], list[str]()
    watchdog = Watchdog([("the offline loop", advances(lambda: rounds[0]))], ended.append)
    for _ in range(5):
        rounds[0] += 1
        for _ in range(MOST_MISSES - 1):
            watchdog.probe_all()
    assert ended == []
    for _ in range(MOST_MISSES):
        watchdog.probe_all()
    assert ended == ["the offline loop"]


def test_the_process_ends_though_threads_hang_and_says_what_each_does() -> None:
    script = """
import logging, threading
from workers.loops import watchdog
def hang():
    logging._lock.acquire()
    threading.Event().wait()
threading.Thread(target=hang).start()
watchdog.end_process("the offline loop")
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == EXIT_CODE
    assert "the offline loop has not turned for 10 s" in ended.stderr
    assert "in hang" in ended.stderr
