"""The queue of diagnoses: each service once, bounded, and not again at once in the same state."""

from __future__ import annotations

import threading

from app.domain.readiness import Container
from app.domain.stack_id import StackId
from workers.state.diagnosis_queue import APART, MOST_WAITING, DiagnosisQueue, DiagnosisRequest


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def container(state: str = "exited", health: str = "") -> Container:
    return Container("c1", "forge", state, health)


def test_a_service_waits_once_with_what_was_seen_last() -> None:
    queue = DiagnosisQueue(Clock())
    queue.submit(DiagnosisRequest(StackId("studio"), "forge", "first"))
    queue.submit(DiagnosisRequest(StackId("studio"), "forge", "second"))

    request = queue.take(0)
    assert request
    assert request.detail == "second"
    assert queue.take(0) is None


def test_the_same_state_is_diagnosed_again_only_after_a_while() -> None:
    clock = Clock()
    queue = DiagnosisQueue(clock)
    request = DiagnosisRequest(StackId("studio"), "forge", containers=(container(),))
    queue.submit(request)
    queue.take(0)

    queue.submit(request)
    assert queue.take(0) is None
    queue.submit(request, again=True)
    assert queue.take(0)
    queue.submit(DiagnosisRequest(StackId("studio"), "forge", containers=(container("restarting"),)))
    assert queue.take(0)
    clock.now += APART
    queue.submit(DiagnosisRequest(StackId("studio"), "forge", containers=(container("restarting"),)))
    assert queue.take(0)


def test_the_oldest_gives_way_where_too_many_wait() -> None:
    queue = DiagnosisQueue(Clock())
    for number in range(MOST_WAITING + 1):
        queue.submit(DiagnosisRequest(StackId("studio"), f"s{number}"))

    first = queue.take(0)
    assert first
    assert first.service == "s1"


def test_a_recovery_is_reported_once() -> None:
    queue = DiagnosisQueue(Clock())
    queue.note_unhealthy((StackId("studio"), "forge"), [container("running", "unhealthy")])

    assert not queue.has_recovered((StackId("studio"), "forge"), [container("running", "starting")])
    assert queue.has_recovered((StackId("studio"), "forge"), [container("running", "healthy")])
    assert not queue.has_recovered((StackId("studio"), "forge"), [container("running", "healthy")])


def test_a_service_that_a_dependency_keeps_off_is_diagnosed_once_for_each_reason() -> None:
    clock = Clock()
    queue = DiagnosisQueue(clock)
    failing, off = (
        DiagnosisRequest(StackId("studio"), "web", blocked=f"needs db, which is {power}", window="w")
        for power in ("failing", "off")
    )
    queue.submit(failing)
    assert queue.take(0) == failing

    clock.now += 10 * APART
    queue.submit(failing)
    assert queue.take(0) is None

    queue.submit(off)
    assert queue.take(0) == off


def test_a_stack_is_waited_for_until_its_last_diagnosis_is_finished() -> None:
    queue = DiagnosisQueue()
    queue.submit(DiagnosisRequest(StackId("studio"), "forge"))
    queue.submit(DiagnosisRequest(StackId("studio"), "mill"))
    assert queue.await_finished(StackId("atelier"), 0)
    for _ in range(2):
        assert not queue.await_finished(StackId("studio"), 0)
        queue.take(0)
    assert not queue.await_finished(StackId("studio"), 0)

    finishing = threading.Timer(0.05, queue.finish)
    finishing.start()
    assert queue.await_finished(StackId("studio"), 10)
    finishing.join()


def test_the_next_start_of_a_stopped_container_is_no_recovery() -> None:
    queue, key = DiagnosisQueue(Clock()), (StackId("studio"), "forge")
    queue.note_unhealthy(key, [container("exited", "unhealthy")])

    assert not queue.has_recovered(key, [container("running", "healthy")])
    queue.note_unhealthy(key, [container("running", "unhealthy")])
    assert queue.has_recovered(key, [container("running", "healthy")])
