"""The bridge between the API and Home Assistant, without the network of MQTT.

    API --> refresh --> publish (only what has changed)
    a message --> handle --> open, extend or close a window --> refresh

A switch that is turned on opens a window of the bridge's own; turned off, it closes the windows that the
bridge opened for this service. Windows of others stay, and keep the service on.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.cli.arguments import read_unfinished_windows
from app.domain import home_assistant
from app.domain.enums import Role, State
from app.domain.home_assistant import OFFLINE, ONLINE, SWITCH_OFF, SWITCH_ON, HomeTopics
from power_windows.errors import PowerError
from power_windows.payloads import Service, Stack, Window
from power_windows.rest import Api

OPEN_REASON = "switched on in Home Assistant"
"""The reason of the bridge's windows, by which it finds them again after a restart."""
CLOSE_REASON = "switched off in Home Assistant"
_LIVE = {State.WAITING, State.OPENING, State.OPEN}
Publish = Callable[[str, str], None]
"""Publishes a retained message; an empty one removes what is retained."""


@dataclass
class HomeBridge:
    """Keeps the broker's retained messages as the stacks are. Threads may share it."""

    api: Api
    topics: HomeTopics
    publish: Publish
    ttl: float | None = None
    _published: dict[str, str] = field(default_factory=dict)
    _retained_configs: set[str] = field(default_factory=set)
    """Topics of discovery messages that the broker has, of an earlier run too."""
    _services: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Stack and service by entity id."""
    _errors: dict[str, str] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def announce(self) -> None:
        """Publish everything again: the broker or Home Assistant has just started."""
        with self._lock:
            self._published.clear()
            self.refresh()

    def refresh(self) -> None:
        """Read the stacks and publish what has changed; raises the errors of the API."""
        # One at a time, so that an older reading never replaces a newer one.
        with self._lock:
            try:
                stacks = self.api.stacks()
                windows = {window["id"]: window for window in read_unfinished_windows(self.api)}
            except PowerError:
                self._publish_text(self.topics.availability, OFFLINE)
                raise
            self._publish_stacks(stacks, windows)

    def _publish_stacks(self, stacks: list[Stack], windows: dict[str, Window]) -> None:
        configs: dict[str, dict[str, Any]] = {}
        states: dict[str, dict[str, Any]] = {}
        self._services = {}
        for stack, service in _allowed_services(stacks):
            entity = home_assistant.entity_id(stack, service["name"])
            self._services[entity] = (stack, service["name"])
            configs |= home_assistant.discovery_configs(self.topics, stack, service["name"])
            error = self._errors.get(entity, "")
            states[self.topics.state(entity)] = home_assistant.entity_state(service, windows, error)
        self._publish_all(configs, states)

    def _publish_all(self, configs: dict[str, dict[str, Any]], states: dict[str, dict[str, Any]]) -> None:
        """Remove entities of services that are no longer allowed, then publish all others."""
        for topic in self._retained_configs - configs.keys():
            self._publish_text(topic, "")
        self._retained_configs = set(configs)
        for topic, message in (configs | states).items():
            self._publish_text(topic, json.dumps(message, sort_keys=True))
        self._publish_text(self.topics.availability, ONLINE)

    def _publish_text(self, topic: str, text: str) -> None:
        if self._published.get(topic) != text:
            self._published[topic] = text
            self.publish(topic, text)

    def handle(self, topic: str, text: str) -> None:
        """Act on a message of the broker; the refusal of a command is published with the service's state."""
        if topic == self.topics.birth:
            if text == ONLINE:
                self.announce()
        elif topic.endswith("/config"):
            self._note_config(topic, text)
        else:
            self._command(topic.removeprefix(f"{self.topics.base}/").removesuffix("/set"), text)

    def _note_config(self, topic: str, text: str) -> None:
        """Remember a retained discovery message; the next refresh removes it where it is out of date."""
        if text:
            with self._lock:
                self._retained_configs.add(topic)

    def _command(self, entity: str, text: str) -> None:
        with self._lock:
            target = self._services.get(entity)
        if target is None or text not in {SWITCH_ON, SWITCH_OFF}:
            return
        error = ""
        try:
            self._turn_on(*target) if text == SWITCH_ON else self._turn_off(*target)
        except PowerError as refused:
            error = refused.message.partition("\n")[0]
        with self._lock:
            self._errors[entity] = error
            # Home Assistant may show the position that it asked for until it reads the state again.
            self._published.pop(self.topics.state(entity), None)
        self.refresh()

    def _turn_on(self, stack: str, service: str) -> None:
        own = list(self._own_windows(stack, service))
        if own:
            self._renew(own[0])
            return
        body: dict[str, Any] = {"stack": stack, "services": [service], "reason": OPEN_REASON}
        self.api.open(body | ({"ttl_sec": self.ttl} if self.ttl else {}))

    def _renew(self, window: Window) -> None:
        """Move the deadline to the full length from now; never to an earlier moment."""
        ttl = self.ttl or window["ttl_sec"]
        if (window["ttl_remaining_sec"] or 0) < ttl:
            self.api.extend(window["id"], ttl)

    def _turn_off(self, stack: str, service: str) -> None:
        for window in self._own_windows(stack, service):
            self.api.close(window["id"], force=False, reason=CLOSE_REASON)

    def _own_windows(self, stack: str, service: str) -> Iterator[Window]:
        for window in read_unfinished_windows(self.api):
            is_own = window["reason"] == OPEN_REASON and window["services"] == [service]
            if is_own and window["stack"] == stack and window["state"] in _LIVE:
                yield window


def _allowed_services(stacks: list[Stack]) -> Iterator[tuple[str, Service]]:
    for stack in stacks:
        yield from ((stack["name"], one) for one in stack["services"] if one["role"] == Role.ALLOWED)
