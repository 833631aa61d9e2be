"""A worker whose node another worker has claimed: when it ends itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.usecases.nodes import claims
from app.usecases.nodes.claims import NodeTaken
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.stack_loader import StackLoader
from workers.state.context import WorkerContext


@pytest.fixture
def signals_sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _pid, number: sent.append(number))
    return sent


@pytest.fixture
def loop_without_node(
    context: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> HeartbeatLoop:
    """The loop of a worker whose claim is refused."""

    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise NodeTaken(["node 'local' is refused: another worker has it"])

    monkeypatch.setattr(claims, "appear", refuse)
    return HeartbeatLoop(context, StackLoader(context, tmp_path / "power.toml"))


@pytest.fixture
def sigterm() -> Iterator[None]:
    """The disposition of SIGTERM as it was, after the test."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("system", "sigterm")
def test_a_worker_without_its_node_ends_once_the_signal_is_handled(
    loop_without_node: HeartbeatLoop, signals_sent: list[int]
) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    loop_without_node.beat()
    assert (signals_sent, loop_without_node.refused) == ([], False)

    signal.signal(signal.SIGTERM, lambda *_: None)
    loop_without_node.beat()
    loop_without_node.beat()

    assert (signals_sent, loop_without_node.refused) == ([signal.SIGTERM], True)
