"""Home Assistant's MQTT discovery: which entities a service has, their topics, and their state.

Each allowed service is a switch (a window holds it), and three sensors: its power, the minutes left, and who
holds it. All four read one JSON state. Services of a stack are one device.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.enums import Power

ONLINE, OFFLINE = "online", "offline"
SWITCH_ON, SWITCH_OFF = "ON", "OFF"
_LONGEST_STATE = 255
"""Characters of a state that Home Assistant stores."""


@dataclass(frozen=True, slots=True)
class HomeTopics:
    """The topics of one bridge, all below `base`, and discovery below `discovery`."""

    base: str
    discovery: str

    @property
    def availability(self) -> str:
        """`online` or `offline`, retained."""
        return f"{self.base}/bridge/status"

    @property
    def birth(self) -> str:
        """Where Home Assistant says that it has started."""
        return f"{self.discovery}/status"

    @property
    def commands(self) -> str:
        """The filter of all commands."""
        return f"{self.base}/+/set"

    @property
    def configs(self) -> str:
        """The filter of all discovery messages of this bridge."""
        return f"{self.discovery}/+/{self.node}/+/config"

    @property
    def node(self) -> str:
        """The part of discovery topics that tells this bridge from others."""
        return _identifier(self.base)

    def state(self, entity: str) -> str:
        """Where the state of a service is, retained."""
        return f"{self.base}/{entity}/state"

    def command(self, entity: str) -> str:
        """Where `ON` and `OFF` for a service arrive."""
        return f"{self.base}/{entity}/set"


def entity_id(stack: str, service: str) -> str:
    """The id of a service in topics; two services never share one."""
    return f"{_identifier(stack)}__{_identifier(service)}"


def _identifier(name: str) -> str:
    """A name of letters, digits, `-` and `_`; with a digest of the name where it has other characters."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return plain if plain == name else f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def discovery_configs(topics: HomeTopics, stack: str, service: str) -> dict[str, dict[str, Any]]:
    """The retained discovery messages of a service, by their topics."""
    entity = entity_id(stack, service)
    device = {
        "identifiers": [f"{topics.node}__{_identifier(stack)}"],
        "name": f"Power Windows {stack}",
        "manufacturer": "Power Windows",
    }
    shared = {
        "state_topic": topics.state(entity),
        "availability_topic": topics.availability,
        "device": device,
        "origin": {"name": "power-windows"},
    }
    return {
        f"{topics.discovery}/{kind}/{topics.node}/{entity}{suffix}/config": shared
        | {
            "name": f"{service}{label}",
            "unique_id": f"{topics.node}__{entity}{suffix}",
            "value_template": f"{{{{ value_json.{value} }}}}",
        }
        | more
        for kind, suffix, label, value, more in _entities(topics, entity)
    }


def _entities(topics: HomeTopics, entity: str) -> Iterable[tuple[str, str, str, str, dict[str, Any]]]:
    """Kind, suffix of the id, suffix of the name, key of the state, and further members."""
    switch = {"command_topic": topics.command(entity), "json_attributes_topic": topics.state(entity)}
    power = {"device_class": "enum", "options": [str(one) for one in Power], "icon": "mdi:power"}
    minutes = {"device_class": "duration", "unit_of_measurement": "min"}
    return (
        ("switch", "", "", "switch", {**switch, "payload_on": SWITCH_ON, "payload_off": SWITCH_OFF}),
        ("sensor", "_power", " power", "power", power),
        ("sensor", "_minutes_left", " minutes left", "minutes_left", minutes),
        ("sensor", "_held_by", " held by", "held_by", {"icon": "mdi:account"}),
    )


def entity_state(
    service: Mapping[str, Any], windows: Mapping[str, Mapping[str, Any]], error: str = ""
) -> dict[str, Any]:
    """The state of a service as JSON; `windows` are the unfinished ones by id, `error` the last refusal.

    The switch is on while a window holds the service. `minutes_left` is rounded up, and null without one.
    """
    holders = [windows[holder] for holder in service["holders"] if holder in windows]
    left = service["time_left_sec"]
    return {
        "switch": SWITCH_ON if service["holders"] else SWITCH_OFF,
        "power": service["power"],
        "minutes_left": None if left is None else math.ceil(left / 60),
        "held_by": "; ".join(map(_holder, holders))[:_LONGEST_STATE] or "-",
        "ready": service["ready"],
        "error": error[:_LONGEST_STATE],
    }


def _holder(window: Mapping[str, Any]) -> str:
    return f"{window['actor']}: {window['reason']}" if window["reason"] else str(window["actor"])
