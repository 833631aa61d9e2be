"""What tests of several routes of the API share."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system import System
from tests.web.api.log_worker import LogWorker
from tests.web.caller import Remembering


@pytest.fixture
def log_worker(system: System, broker: Remembering, monkeypatch: pytest.MonkeyPatch) -> LogWorker:
    reader, plain = LogWorker(system), broker.nudge

    def nudge(name: str, args: list[Any], to: str, label: str = "") -> bool:
        return reader.nudged(name, args, to) if name == "power.read_logs" else plain(name, args, to, label)

    monkeypatch.setattr(broker, "nudge", nudge)
    return reader
