"""A standalone whose data directory is on a disk that runs full, with real containers on the engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.standalone import logs, process_record
from chaos.disks import Disk
from examples.vx11 import image
from tests.engine.stacks import running
from tests.standalone.waiting import until
from tests.standalone.whole_standalone import Standalone

GRACE = 5
TTL = 20
LATE = 10.0
"""Seconds after its deadline and its grace within which a window's services are off."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")


class OnDisk(Standalone):
    """A standalone on a disk of its own, with a stack that really runs."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        image.ensure()
        self.disk = Disk(directory / "disk", 32)
        self.data = self.disk.at / "data"
        with (directory / "power.toml").open("a") as toml:
            toml.write(f'blind_grace = "{GRACE}s"\n')
        defined = {"services": {"forge": running()}}
        (directory / "docker-compose.yml").write_text(json.dumps(defined))

    def api(self) -> httpx.Client:
        token = (self.data / "token").read_text().strip()
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=70,
        )

    def open(self) -> dict[str, Any]:
        asked = {"services": ["forge"], "ttl_sec": TTL}
        with self.api() as api:
            answer = api.post("/windows", json=asked, headers={"Prefer": "wait=60"})
        window: dict[str, Any] = answer.json()
        assert (answer.status_code, window["state"]) == (202, "open"), window
        return window

    def state(self, window: str) -> str:
        with self.api() as api:
            return str(api.get(f"/windows/{window}").json().get("state"))

    def alive(self) -> list[str]:
        return self._containers("-q")

    def _containers(self, *words: str) -> list[str]:
        label = f"label=com.docker.compose.project={self.project}"
        asked = ["docker", "ps", *words, "--filter", label]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()

    def pids(self) -> dict[str, int]:
        left = process_record.left_over(self.data / "standalone.children.json")
        return {name: process.pid for name, process in left.items()}

    @contextmanager
    def kept_full(self) -> Iterator[None]:
        """Whatever is removed meanwhile makes no room."""
        over = threading.Event()

        def fill() -> None:
            while not over.wait(0.02):
                self.disk.fill()

        filling = threading.Thread(target=fill)
        self.disk.fill()
        filling.start()
        try:
            yield
        finally:
            over.set()
            filling.join()
            self.disk.free()

    def remove(self) -> None:
        self.disk.free()
        self.clear()
        if left := self._containers("-aq"):
            subprocess.run(["docker", "rm", "-f", *left], capture_output=True, check=True)
        network = ["docker", "network", "rm", f"{self.project}_default"]
        subprocess.run(network, capture_output=True, check=False)
        self.disk.remove()


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[OnDisk]:
    system = OnDisk(tmp_path)
    try:
        yield system
    finally:
        system.remove()


def seconds_past(window: dict[str, Any]) -> float:
    return time.time() - datetime.fromisoformat(window["deadline"]).timestamp()


def assert_off_in_time(standalone: OnDisk, window: dict[str, Any]) -> None:
    until(lambda: not standalone.alive(), TTL + GRACE + LATE + 20)
    assert seconds_past(window) < GRACE + LATE


def test_what_is_due_ends_on_a_full_disk_and_no_process_dies(standalone: OnDisk) -> None:
    standalone.start()
    window = standalone.open()
    pids = standalone.pids()
    standalone.disk.fill()

    assert_off_in_time(standalone, window)

    assert standalone.pids() == pids
    standalone.disk.free()
    until(lambda: standalone.state(window["id"]) == "closed", 30)
    assert standalone.stop() == 0


def test_what_is_due_ends_though_all_were_killed_on_a_full_disk(standalone: OnDisk) -> None:
    standalone.start()
    window = standalone.open()
    pids = standalone.pids()
    standalone.disk.fill()
    for name in ("worker", "beat", "broker"):
        os.kill(pids[name], signal.SIGKILL)

    assert_off_in_time(standalone, window)

    assert standalone.said().count("starting it again") == 3
    # Also the farewell needs no room.
    assert standalone.stop() == 0


def test_what_is_due_ends_though_all_is_started_on_a_full_disk(standalone: OnDisk) -> None:
    standalone.start()
    window = standalone.open()
    assert standalone.stop() == 0
    with standalone.kept_full():
        standalone.process = standalone.command("--port", str(standalone.port))

        assert_off_in_time(standalone, window)

        # The worker turns off what is due before the first line on the database is written.
        until(lambda: "the database does not answer" in standalone.said(), 40)
        # It also says what is missing, as at any start that takes long.
        until(lambda: "not ready after" in standalone.said() or " ready in " in standalone.said(), 40)
        assert standalone.process.poll() is None, standalone.said()
    until(lambda: answers(standalone, window["id"]), 60)
    assert standalone.stop() == 0


def answers(standalone: OnDisk, window: str) -> bool:
    try:
        return standalone.state(window) == "closed"
    except httpx.TransportError:
        return False


def test_a_big_log_is_cut_where_there_is_no_room_for_a_copy(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk", 4)
    try:
        log = disk.at / "worker.log"
        log.write_bytes(b"a line\n" * 300_000)
        disk.fill()

        logs.copy_and_truncate(log, limit=1_000_000)

        assert log.stat().st_size == 0
        assert not (disk.at / "worker.log.1").exists()
    finally:
        disk.remove()
