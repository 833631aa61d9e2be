"""A whole standalone whose host's clock is set back and forth under its windows, in every process at once."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.vx11 import image
from tests.engine.stacks import docker, running
from tests.standalone.waiting import until
from tests.standalone.whole_standalone import Standalone

OTHERWHEN = Path(__file__).parents[1] / "nodes" / "otherwhen"
HOURS = 7200.0
PATIENCE = 60.0


class ClockedStandalone:
    """A standalone with one real service, and the clock that its processes see."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.standalone, self._ahead = Standalone(directory), directory / "ahead"
        self.set(0.0)
        monkeypatch.setenv("PYTHONPATH", str(OTHERWHEN))
        monkeypatch.setenv("OTHERWHEN_FILE", str(self._ahead))
        defined = {"services": {"forge": {**running(), "network_mode": "none"}}}
        (directory / "docker-compose.yml").write_text(json.dumps(defined))

    def set(self, ahead: float) -> None:
        """Set the clock of the host to so many seconds from the true time."""
        fresh = self._ahead.with_suffix(".new")
        fresh.write_text(str(ahead))
        fresh.replace(self._ahead)

    @property
    def api(self) -> httpx.Client:
        token = (self.standalone.data / "token").read_text().strip()
        base = f"http://127.0.0.1:{self.standalone.port}"
        return httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=70)

    def open(self, ttl: float) -> dict[str, Any]:
        with self.api as api:
            body = {"services": ["forge"], "ttl_sec": ttl}
            answer = api.post("/api/v1/windows", json=body, headers={"Prefer": "wait=50"})
        assert answer.json()["state"] == "open", answer.text
        return dict(answer.json())

    def window(self, window: str) -> dict[str, Any]:
        with self.api as api:
            return dict(api.get(f"/api/v1/windows/{window}").json())

    def steps(self) -> list[dict[str, Any]]:
        with self.api as api:
            entries = api.get("/api/v1/audit?limit=200").json()["items"]
        return [one["facts"] for one in entries if one["event"] == "clock.stepped"]

    def away(self) -> bool:
        with self.api as api:
            return bool(api.get("/api/v1/stacks/small").json()["away"])


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClockedStandalone]:
    image.ensure()
    clocked = ClockedStandalone(tmp_path, monkeypatch)
    clocked.standalone.start()
    yield clocked
    if clocked.standalone.process:
        clocked.standalone.stop()
    project = f"label=com.docker.compose.project={clocked.standalone.project}"
    if left := docker("ps", "-aq", "--filter", project).split():
        docker("rm", "-f", *left)


@pytest.mark.parametrize("ahead", [-HOURS, HOURS])
def test_windows_live_their_length_and_one_entry_says_what_happened(
    system: ClockedStandalone, ahead: float
) -> None:
    began = time.monotonic()
    short, long = system.open(40), system.open(600)

    system.set(ahead)

    until(system.steps, PATIENCE)
    (step,) = system.steps()
    assert step["step_sec"] == pytest.approx(ahead, abs=5)
    left = system.window(long["id"])["ttl_remaining_sec"]
    assert left == pytest.approx(600 - (time.monotonic() - began), abs=10)
    assert not system.away()
    until(lambda: system.window(short["id"])["state"] == "closed", PATIENCE)
    assert 40 <= time.monotonic() - began < 55
    assert system.window(short["id"])["close_reason"] == "expired"
    assert system.window(long["id"])["state"] == "open"
    with system.api as api:
        (offset,) = re.findall(r"^power_clock_offset_seconds (\S+)$", api.get("/metrics").text, re.MULTILINE)
    assert float(offset) == pytest.approx(-step["step_sec"], abs=1)

    system.standalone.stop()
    system.standalone.start()

    later = system.window(long["id"])
    assert (later["state"], system.away()) == ("open", False)
    assert later["ttl_remaining_sec"] == pytest.approx(600 - (time.monotonic() - began), abs=10)
    assert len(system.steps()) == 1
