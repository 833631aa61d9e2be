"""A worker that is killed in the middle of a call, container and all."""

from __future__ import annotations

from pytest_celery import CeleryTestSetup

from app.domain.enums import Event
from tests.deadline import until
from tests.smoke.stage import Stage


def test_a_call_that_died_with_its_worker_is_on_record_and_the_window_still_ends(
    setup: CeleryTestSetup, broker_url: str, stage: Stage
) -> None:
    window = stage.open(broker_url, "anvil")
    stage.reaches(window, "open")

    stage.close(broker_url, window)
    until(lambda: stage.calling(window, "stop"), "anvil is being stopped")
    setup.worker.kill()
    assert (stage.state(window), Event.CALL_LOST in stage.events(window)) == ("closing", False)

    setup.worker.restart()

    stage.reaches(window, "closed")
    assert stage.running() == {"hearth"}
    assert stage.events(window).count(Event.CALL_LOST) == 1


def test_a_window_that_came_while_there_was_no_worker_opens_with_the_next(
    setup: CeleryTestSetup, broker_url: str, stage: Stage
) -> None:
    setup.worker.kill()
    window = stage.open(broker_url, "forge")
    assert stage.running() == {"hearth"}

    setup.worker.restart()

    assert stage.reaches(window, "open").status == "ok"
    assert stage.running() == {"hearth", "forge"}
