"""`power mqtt` as a process, with a real broker that goes away and comes back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from app.cli.home_bridge import OPEN_REASON
from tests.cli.api_bodies import service as compose_service
from tests.cli.api_bodies import stack, window
from tests.cli.service import TOKEN, Service
from tests.engine.stacks import until

pytestmark = pytest.mark.integration

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
STATUS = "power_windows/bridge/status"
STATE = "power_windows/homelab__jellyfin/state"
SET = "power_windows/homelab__jellyfin/set"
SWITCH = "homeassistant/switch/power_windows/homelab__jellyfin/config"


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


class Mosquitto:
    """A broker with a password, which keeps retained messages over a restart."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        passwords = home / "passwords"
        tool = shutil.which("mosquitto_passwd", path=PATH)
        assert tool, "mosquitto is not installed; `make test` installs it"
        subprocess.run([tool, "-b", "-c", str(passwords), "power", "secret"], check=True, capture_output=True)
        (home / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
            f"user root\npersistence true\npersistence_location {home}/\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("mosquitto", path=PATH)
        assert program
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "-c", str(self.home / "mosquitto.conf")], stdout=log, stderr=log
            )
        until(self._answers, "mosquitto listens", 10)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


class HomeAssistant:
    """Another client of the broker, which remembers the last message of each topic."""

    def __init__(self, port: int) -> None:
        self.messages: dict[str, str] = {}
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set("power", "secret")
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_message = self._remember
        self.client.reconnect_delay_set(1, 1)
        self.client.connect(port=port, host="127.0.0.1")
        self.client.loop_start()

    def _remember(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.messages[message.topic] = message.payload.decode()

    def state(self, name: str) -> Any:
        return json.loads(self.messages.get(STATE, "{}")).get(name)


@contextmanager
def bridge(service: Service, port: int, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    environ = {**os.environ, "POWER_URL": service.url, "POWER_TOKEN": TOKEN, "HOME": str(home)}
    environ |= {"POWER_MQTT_URL": f"mqtt://power:secret@127.0.0.1:{port}", "POWER_MQTT_TTL": "2h"}
    command = [sys.executable, "-c", "from app.cli import main; main()", "mqtt"]
    with (home / "bridge.log").open("w") as log:
        process = subprocess.Popen(command, env=environ, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def home_assistant(mosquitto: Mosquitto) -> Iterator[HomeAssistant]:
    made = HomeAssistant(mosquitto.port)
    yield made
    made.client.disconnect()
    made.client.loop_stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    home = tmp_path / "mosquitto"
    home.mkdir()
    broker = Mosquitto(home)
    broker.start()
    yield broker
    broker.stop()


def hold(service: Service, *windows: dict[str, Any]) -> None:
    service.add(*windows)
    held = {"holders": [one["id"] for one in windows], "time_left_sec": 1793.2 if windows else None}
    service.stacks = [stack("homelab", services=[compose_service("jellyfin", "off", **held)])]


def wait(condition: Callable[[], object], what: str) -> None:
    until(lambda: bool(condition()), what, 20)


def test_a_switch_works_through_restarts_of_the_broker(
    service: Service, mosquitto: Mosquitto, home_assistant: HomeAssistant, tmp_path: Path
) -> None:
    hold(service)
    service.opens_as = window(
        "own1", stack="homelab", services=["jellyfin"], reason=OPEN_REASON, state="open"
    )
    with bridge(service, mosquitto.port, tmp_path) as process:
        wait(lambda: home_assistant.messages.get(STATUS) == "online", "the bridge is online")
        assert json.loads(home_assistant.messages[SWITCH])["command_topic"] == SET
        assert home_assistant.state("switch") == "OFF"

        home_assistant.client.publish(SET, "ON", qos=1)
        wait(lambda: service.requests("POST", "/windows"), "the switch opens a window")
        hold(service, service.opens_as)
        wait(lambda: home_assistant.state("switch") == "ON", "the switch is on")
        assert home_assistant.state("minutes_left") == 30

        mosquitto.stop()
        home_assistant.messages.clear()
        mosquitto.start()
        wait(lambda: home_assistant.messages.get(STATUS) == "online", "the bridge is back")
        home_assistant.client.publish(SET, "OFF", qos=1)
        wait(lambda: service.requests("POST", "/windows/own1/close"), "the switch closes its window")

        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        wait(lambda: home_assistant.messages.get(STATUS) == "offline", "the bridge says that it leaves")
    log = (tmp_path / "bridge.log").read_text()
    assert f"connected to the MQTT broker 127.0.0.1:{mosquitto.port}" in log
    assert "is lost" in log
    assert "Traceback" not in log


def test_a_bridge_that_is_killed_is_offline_by_its_last_will(
    service: Service, mosquitto: Mosquitto, home_assistant: HomeAssistant, tmp_path: Path
) -> None:
    hold(service)
    with bridge(service, mosquitto.port, tmp_path) as process:
        wait(lambda: home_assistant.messages.get(STATUS) == "online", "the bridge is online")
        process.kill()
        wait(lambda: home_assistant.messages.get(STATUS) == "offline", "the broker sends the last will")
