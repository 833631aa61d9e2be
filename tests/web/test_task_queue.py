"""Nudges to a broker that is not as it should be: the request does not notice."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

import pytest
from celery import Celery

from app.task_queue import LONGEST_DESCRIPTION, REST, Dispatch, about


@dataclass
class Clock:
    now: float = 1000.0


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1/0", "redis+socket:///no/such/socket?virtual_host=0", "nonsense://x"]
)
def test_a_broker_that_is_not_there_is_reported_at_once_and_never_raised(url: str) -> None:
    dispatch = Dispatch.to(url)
    began = time.monotonic()
    assert dispatch.opening("abc", "local") is False
    assert time.monotonic() - began < 1
    assert dispatch.fault()


@pytest.mark.integration
def test_a_broker_that_hangs_costs_two_seconds_at_most() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dispatch = Dispatch.to(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()
        assert dispatch.closing("abc", "local") is False
        assert time.monotonic() - began < 5


def test_a_broker_that_hung_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def hang(*_: object, **__: object) -> None:
        tried.append("nudge")
        clock.now += 2.0
        raise TimeoutError

    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    app = Celery(broker="memory://", set_as_current=False)
    monkeypatch.setattr(app, "send_task", hang)
    dispatch = Dispatch(app)

    assert [dispatch.closing("abc", "local") for _ in range(3)] == [False] * 3
    assert tried == ["nudge"]
    clock.now += REST
    dispatch.closing("abc", "local")
    assert tried == ["nudge"] * 2


def test_a_broker_that_answers_has_no_fault() -> None:
    dispatch = Dispatch.to("memory://")
    assert dispatch.fault() is None
    assert dispatch.opening("abc", "local") is True


def test_a_monitor_is_shown_what_a_task_is_about_and_the_task_is_given_ids_alone() -> None:
    app = Celery(broker="memory://", set_as_current=False)
    assert Dispatch(app).opening("0f3c", "shown", about("0f3c", "vx11", ["switch", "hermes"])) is True

    with app.connection_for_read() as connection:
        message = connection.SimpleQueue("power.shown").get(timeout=5)
    assert message.headers["argsrepr"] == "0f3c vx11: switch, hermes"
    assert message.payload[:2] == [["0f3c"], {}]


def test_what_a_task_is_about_has_an_end() -> None:
    assert len(about("0f3c", "vx11", ["switch"] * 1000)) == LONGEST_DESCRIPTION


def test_what_waits_is_counted_by_queue_and_not_at_all_without_a_broker() -> None:
    app = Celery(broker="memory://", set_as_current=False)
    dispatch = Dispatch(app)
    dispatch.opening("0f3c", "counted")
    assert dispatch.depths(["power.counted", "power.nothing"]) == {"power.counted": 1, "power.nothing": 0}
    assert Dispatch.to("redis://127.0.0.1:1/0").depths(["power"]) == {}
