"""A window through a worker that lives in a container, nudged over a real broker."""

from __future__ import annotations

from pytest_celery import CeleryTestSetup

from app.domain.enums import Event
from tests.smoke.stage import Stage


def test_a_window_passes_through_a_worker_in_a_container(
    setup: CeleryTestSetup, broker_url: str, stage: Stage
) -> None:
    assert stage.running() == {"hearth"}

    window = stage.open(broker_url, "bellows")

    opened = stage.reaches(window, "open")
    assert opened.status == "ok"
    assert stage.running() == {"hearth", "forge", "bellows"}

    stage.close(broker_url, window)

    stage.reaches(window, "closed")
    assert stage.running() == {"hearth"}
    events = stage.events(window)
    assert events.count(Event.CALL_STARTED) == events.count(Event.CALL_FINISHED) == 4
    assert (events[0], events[-1]) == (Event.WINDOW_OPENING, Event.WINDOW_CLOSED)
    # Not only the watch over the database, which would have seen to it a second later.
    setup.worker.assert_log_exists("Task power.open_window[")
    setup.worker.assert_log_exists("Task power.close_window[")
