"""Nudges to a broker that is not as it should be: the request does not notice."""

from __future__ import annotations

import socket
import time

import pytest

from app.dispatch import Dispatch


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


def test_a_broker_that_answers_has_no_fault() -> None:
    dispatch = Dispatch.to("memory://")
    assert dispatch.fault() is None
    assert dispatch.opening("abc", "local") is True
