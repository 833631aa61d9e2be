"""When an engine counts as one that has lost hold of a container, and what becomes of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import docker
import pytest
import requests

from chaos import settling
from chaos.engines import Sight
from chaos.ledger import Ledger

PLACE = ("alpha", "crash")
SIGHT = Sight(1.0, *PLACE, "c1", "restarting", 0.0, 0.0)


def refusal(status: int) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("no", response=response)


class FakeSystem:
    """One engine with one container that is on until `kill` or `renew` ends it."""

    def __init__(self, kills: Exception | None, *, mends: bool = True) -> None:
        self._kills, self._mends = kills, mends
        self.on, self.renewed = True, 0
        self.key = "engine.a"
        self.engines = {"a": self}
        self.postgres = SimpleNamespace(rows=lambda _: [[]])

    def engine_of(self, _: str) -> FakeSystem:
        return self

    def client(self, _: float) -> FakeSystem:
        return self

    def close(self) -> None:
        """Nothing is held."""

    def look(self) -> list[Sight]:
        return [SIGHT] if self.on else []

    def kill(self, _: str) -> None:
        if self._kills:
            raise self._kills
        self.on = False

    def renew(self, _: str) -> None:
        self.renewed += 1
        self.on = not self._mends


def settled(system: Any, monkeypatch: pytest.MonkeyPatch) -> settling.SettledRound:
    monkeypatch.setattr(settling, "STAYS", 0.0)
    monkeypatch.setattr(settling, "_last_word", lambda *_: 0.0)
    return settling.settle(system, Ledger(), 0.0, 1.0)


@pytest.mark.parametrize("how", [refusal(500), requests.ReadTimeout()])
def test_an_engine_that_fails_every_kill_is_restarted(
    how: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = FakeSystem(how)
    result = settled(system, monkeypatch)
    assert (result.renewed, system.renewed, result.broken) == (["engine.a"], 1, [])
    assert result.restored > 0


def test_a_container_that_a_kill_ends_should_have_been_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    system = FakeSystem(None)
    result = settled(system, monkeypatch)
    assert (result.renewed, system.renewed) == ([], 0)
    assert [broken.what for broken in result.broken] == ["alpha/crash stays on"]


def test_a_container_that_is_on_even_then_stays_on(monkeypatch: pytest.MonkeyPatch) -> None:
    result = settled(FakeSystem(refusal(500), mends=False), monkeypatch)
    assert [broken.what for broken in result.broken] == ["alpha/crash stays on"]


def test_a_refusal_with_a_reason_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settled(FakeSystem(refusal(409)), monkeypatch).renewed == []
