"""Nudges to a broker that is not as it should be: the request does not notice."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

import pytest
from celery import Celery

from app.dispatch import REST, Dispatch


@dataclass
class Clock:
    now: float = 1000.0


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1/0", "redis+socket:///no/such/socket?virtual_host=0", "nonsense://x"]
)
def test_a_broker_that_is_not_there_is_told_at_once_and_never_raised(url: str) -> None:
    dispatch = Dispatch.to(url)
    began = time.monotonic()
    assert dispatch.opening("abc", "local") is False
    assert time.monotonic() - began < 1
    assert dispatch.fault()


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
