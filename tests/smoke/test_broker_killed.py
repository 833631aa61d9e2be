"""A broker killed under a task in flight: the worker stays, and the next window goes over the broker again.

This is the gate for raising the pins of celery and kombu: with some pairs of them the worker exits here.
"""

from __future__ import annotations

import redis
from pytest_celery import CeleryTestSetup, CeleryTestWorker

from tests.deadline import until
from tests.smoke.stage import Stage


def test_the_worker_outlives_its_broker(setup: CeleryTestSetup, broker_url: str, stage: Stage) -> None:
    began = _started_at(setup.worker)
    in_flight = stage.open(broker_url, "anvil")
    stage.reaches(in_flight, "open")
    stage.close(broker_url, in_flight)
    until(lambda: stage.calling(in_flight, "stop"), "anvil is being stopped")

    setup.broker.kill()
    # At the end of the task there is no broker for the acknowledgement.
    stage.reaches(in_flight, "closed")
    setup.broker.restart()

    received = setup.worker.logs().count("Task power.open_window[")
    until(lambda: _consumes(broker_url), "the worker is back at the broker", within=60)
    window = stage.open(broker_url, "forge")
    assert stage.reaches(window, "open").status == "ok"
    stage.close(broker_url, window)
    stage.reaches(window, "closed")
    assert setup.worker.logs().count("Task power.open_window[") > received
    assert stage.running() == {"hearth"}
    assert _started_at(setup.worker) == began


def _consumes(broker_url: str) -> bool:
    """Does a worker wait for messages there? It takes no remote control, so the broker is asked."""
    with redis.Redis.from_url(broker_url) as client:
        return any(one["cmd"] == "brpop" for one in client.client_list())


def _started_at(worker: CeleryTestWorker) -> tuple[str, str]:
    worker.container.reload()
    state = worker.container.attrs["State"]
    return state["Status"], state["StartedAt"]
