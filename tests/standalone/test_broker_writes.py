"""A broker that answers but takes no writes, with the real server: the reason is named."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner

from app.cli.doctor import doctor
from app.standalone import broker as brokers
from app.task_queue import NO_WRITES, PROBE, Dispatch
from app.web.readiness import BROKER_SECONDS, BrokerProbe
from tests.standalone.waiting import until


class Server:
    """A Redis-compatible server on a port of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = brokers.free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port)
        self._process = subprocess.Popen(
            [brokers.server_binary(), "--port", str(self.port), "--dir", str(directory), "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        until(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def end(self) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait(10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "server").mkdir()
    one = Server(tmp_path / "server")
    yield one
    one.end()


def refuse(server: Server, why: str) -> None:
    match why:
        case "replica":
            server.client.replicaof("127.0.0.1", str(brokers.free_port()))
        case "few replicas":
            server.client.config_set("min-replicas-to-write", 1)
        case "memory":
            server.client.config_set("maxmemory-policy", "noeviction")
            server.client.config_set("maxmemory", 1)
        case "disk":
            # A snapshot that cannot be written makes the server refuse what it could not keep.
            server.client.config_set("save", "1 1")
            server.directory.rmdir()
            server.client.set("some", "thing")
            until(lambda: server.client.info("persistence")["rdb_last_bgsave_status"] == "err", 20)


def recover(server: Server) -> None:
    server.client.replicaof("no", "one")
    for name, value in (("min-replicas-to-write", 0), ("maxmemory", 0), ("save", "")):
        server.client.config_set(name, value)
    server.client.config_set("stop-writes-on-bgsave-error", "no")


REASONS = {
    "replica": "read only replica",
    "few replicas": "good replicas",
    "memory": "maxmemory",
    "disk": "MISCONF",
}


@pytest.mark.parametrize("why", REASONS)
def test_each_look_names_why_it_takes_no_writes_and_that_it_does_again(server: Server, why: str) -> None:
    broker = BrokerProbe(Dispatch.to(server.url))
    assert broker.fault() is None

    refuse(server, why)

    fault = broker.fault()
    assert fault is not None
    assert fault.startswith(NO_WRITES)
    assert REASONS[why] in fault

    recover(server)
    assert broker.fault() is None


def test_the_probe_leaves_nothing_behind(server: Server) -> None:
    assert Dispatch.to(server.url).fault() is None

    assert server.client.exists(PROBE) == 0


def test_a_broker_that_hangs_is_named_within_the_patience_and_asked_by_one_at_a_time(server: Server) -> None:
    broker = BrokerProbe(Dispatch.to(server.url))
    server.freeze()

    began = time.monotonic()
    faults = [broker.fault() for _ in range(2)]

    assert time.monotonic() - began < 2 * BROKER_SECONDS + 1
    assert all(fault and "answer" in fault for fault in faults)


def test_the_doctor_names_it_too(server: Server, tmp_path: Path) -> None:
    environ = {
        "POWER_DATA_DIR": str(tmp_path / "data"),
        "POWER_BROKER_URL": server.url,
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    refuse(server, "few replicas")

    checks = json.loads(CliRunner().invoke(doctor, ["--json"], env=environ).output)["checks"]

    (failed,) = [one for one in checks if one["check"] == "broker"]
    assert not failed["ok"]
    assert REASONS["few replicas"] in failed["detail"]
    assert "POWER_BROKER_URL" in failed["mend"]
