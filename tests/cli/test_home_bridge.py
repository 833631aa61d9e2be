"""The bridge to Home Assistant against a service, with a broker that remembers what is retained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.cli.home_bridge import CLOSE_REASON, OPEN_REASON, HomeBridge
from app.cli.mqtt import REFUSED_PAUSE, ErrorNotes, keep_current
from app.domain.home_assistant import HomeTopics
from power_windows.discovery import Target
from power_windows.errors import Unreachable
from power_windows.rest import Api
from tests.cli.api_bodies import service as compose_service
from tests.cli.api_bodies import stack, window
from tests.cli.conftest import Power
from tests.cli.service import TOKEN, Service

TOPICS = HomeTopics("power_windows", "homeassistant")
SET = TOPICS.command("homelab__jellyfin")
OWN = window("own1", stack="homelab", services=["jellyfin"], reason=OPEN_REASON, state="open")
THEIRS = window("ada1", stack="homelab", services=["jellyfin"], reason="film night", state="open")


class Broker:
    """Retained messages by topic, and every publication in its order."""

    def __init__(self) -> None:
        self.retained: dict[str, str] = {}
        self.log: list[str] = []

    def publish(self, topic: str, text: str) -> None:
        self.log.append(topic)
        self.retained[topic] = text
        if not text:
            del self.retained[topic]

    def state(self, entity: str = "homelab__jellyfin") -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self.retained[TOPICS.state(entity)])
        return shown


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def bridge(service: Service, broker: Broker) -> Iterator[HomeBridge]:
    hold(service)
    with Api(Target(service.url, TOKEN)) as api:
        made = HomeBridge(api, TOPICS, broker.publish, 7200)
        made.refresh()
        yield made


def hold(service: Service, *windows: dict[str, Any]) -> None:
    """These windows hold jellyfin, and no others are there."""
    service.windows.clear()
    service.add(*windows)
    held = {"holders": [one["id"] for one in windows], "time_left_sec": 1793.2 if windows else None}
    jellyfin = compose_service("jellyfin", "on" if windows else "off", **held)
    service.stacks = [stack("homelab", services=[compose_service("proxy", "on", role="core"), jellyfin])]


def test_allowed_services_are_published_once_and_core_is_not(bridge: HomeBridge, broker: Broker) -> None:
    assert broker.retained[TOPICS.availability] == "online"
    assert broker.state()["switch"] == "OFF"
    assert sum(topic.endswith("/config") for topic in broker.retained) == 4
    assert not [topic for topic in broker.retained if "proxy" in topic]

    published = len(broker.log)
    bridge.refresh()
    assert len(broker.log) == published


def test_a_switch_opens_a_window_with_the_length_that_is_set(
    bridge: HomeBridge, broker: Broker, service: Service
) -> None:
    service.opens_as = OWN
    bridge.handle(SET, "ON")

    body = {"stack": "homelab", "services": ["jellyfin"], "reason": OPEN_REASON, "ttl_sec": 7200}
    assert [one.body for one in service.requests("POST", "/windows")] == [body]


def test_a_switch_that_is_on_already_gets_its_full_length_again(bridge: HomeBridge, service: Service) -> None:
    hold(service, THEIRS, OWN)
    bridge.handle(SET, "ON")

    assert not service.requests("POST", "/windows")
    assert service.requests("PATCH", "/windows/own1")[0].body == {"ttl_sec": 7200}


def test_a_switch_closes_only_what_it_has_opened(
    bridge: HomeBridge, broker: Broker, service: Service
) -> None:
    hold(service, THEIRS, OWN)
    bridge.refresh()
    published = len(broker.log)

    bridge.handle(SET, "OFF")

    closed = [one for one in service.asked if one.method == "POST"]
    assert [(one.path, one.body) for one in closed] == [("/windows/own1/close", {"reason": CLOSE_REASON})]
    # Another window holds it, so its state is published again: it is still on.
    assert TOPICS.state("homelab__jellyfin") in broker.log[published:]
    assert broker.state()["switch"] == "ON"
    assert broker.state()["held_by"] == f"ada: film night; ada: {OPEN_REASON}"


def test_a_refusal_is_in_the_state_until_a_command_succeeds(
    bridge: HomeBridge, broker: Broker, service: Service
) -> None:
    service.refuse("POST", "/windows", 422, detail="2h is longer than homelab allows (1h)")
    bridge.handle(SET, "ON")
    assert broker.state()["error"] == "2h is longer than homelab allows (1h)"

    service.refusals.clear()
    service.opens_as = OWN
    bridge.handle(SET, "ON")
    assert broker.state()["error"] == ""


@pytest.mark.parametrize(("topic", "text"), [(SET, "maybe"), (TOPICS.command("homelab__proxy"), "ON")])
def test_other_messages_do_nothing(bridge: HomeBridge, service: Service, topic: str, text: str) -> None:
    bridge.handle(topic, text)
    assert not [one for one in service.asked if one.method == "POST"]


def test_a_start_of_home_assistant_publishes_everything_again(bridge: HomeBridge, broker: Broker) -> None:
    published = len(broker.log)
    bridge.handle(TOPICS.birth, "online")
    assert len(broker.log) == 2 * published


def test_entities_of_services_that_are_gone_are_removed(
    bridge: HomeBridge, broker: Broker, service: Service
) -> None:
    earlier = "homeassistant/switch/power_windows/homelab__old/config"
    broker.retained[earlier] = "{}"
    bridge.handle(earlier, "{}")
    service.stacks = [stack("homelab", services=[compose_service("plex")])]

    bridge.refresh()

    configs = {topic.split("/")[3] for topic in broker.retained if topic.endswith("/config")}
    assert all(name.startswith("homelab__plex") for name in configs)


def test_a_service_out_of_reach_is_offline_and_comes_back(
    bridge: HomeBridge, broker: Broker, service: Service
) -> None:
    service.refuse("GET", "/stacks", 503, detail="starting")
    with pytest.raises(Unreachable):
        bridge.refresh()
    assert broker.retained[TOPICS.availability] == "offline"

    service.refusals.clear()
    bridge.refresh()
    assert broker.retained[TOPICS.availability] == "online"


def test_without_a_broker_the_command_says_where_to_name_one(power: Power) -> None:
    result = power("mqtt")

    assert (result.exit_code, "POWER_MQTT_URL=mqtt://HOST" in result.stderr) == (2, True)


def test_a_refused_token_is_tried_again_slowly_and_reported_once(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("app.cli.mqtt.time.sleep", sleep)
    errors = ErrorNotes()

    def refresh() -> None:
        api.stacks()

    with Api(Target(service.url, "revoked")) as api, pytest.raises(KeyboardInterrupt):
        keep_current(api, errors.wrap(refresh), errors)
    assert pauses == [REFUSED_PAUSE] * 3
    assert len(service.asked) == 3
    assert capsys.readouterr().err.count("no such token") == 1
