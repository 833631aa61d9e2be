"""A service on a real port, told by a test what happens next, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from power_windows import Client, held_window
from power_windows import rest as wire
from tests.cli.service import TOKEN, Server, Service


@pytest.fixture
def service() -> Iterator[Service]:
    with Server(Service()) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, TOKEN) as client:
        yield client


@pytest.fixture(autouse=True)
def _briskly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look and try again often: what these tests wait for happens at the next look."""
    monkeypatch.setattr(held_window, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(held_window, "EXTENSION_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(wire, "RECONNECT_SECONDS", 0.05)
