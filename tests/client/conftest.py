"""A service on a real port, told by a test what happens next, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.client import Client, holding
from app.client import api as wire
from tests.cli.service import TOKEN, Server, Service


@pytest.fixture
def service() -> Iterator[Service]:
    with Server(Service()) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, TOKEN) as found:
        yield found


@pytest.fixture(autouse=True)
def _briskly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look and try again often: what these tests wait for happens at the next look."""
    monkeypatch.setattr(holding, "LOOK", 0.02)
    monkeypatch.setattr(holding, "RETRY", 0.05)
    monkeypatch.setattr(wire, "AGAIN", 0.05)
