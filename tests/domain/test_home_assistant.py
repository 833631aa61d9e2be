"""Entities, topics and states for Home Assistant."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.home_assistant import HomeTopics, discovery_configs, entity_id, entity_state

TOPICS = HomeTopics("power_windows", "homeassistant")


def test_a_service_is_a_switch_and_three_sensors_of_one_device() -> None:
    configs = discovery_configs(TOPICS, "homelab", "jellyfin")

    assert sorted(configs) == [
        "homeassistant/sensor/power_windows/homelab__jellyfin_held_by/config",
        "homeassistant/sensor/power_windows/homelab__jellyfin_minutes_left/config",
        "homeassistant/sensor/power_windows/homelab__jellyfin_power/config",
        "homeassistant/switch/power_windows/homelab__jellyfin/config",
    ]
    switch = configs["homeassistant/switch/power_windows/homelab__jellyfin/config"]
    assert switch["command_topic"] == "power_windows/homelab__jellyfin/set"
    assert switch["value_template"] == "{{ value_json.switch }}"
    assert len({config["unique_id"] for config in configs.values()}) == 4
    assert {config["state_topic"] for config in configs.values()} == {"power_windows/homelab__jellyfin/state"}
    assert {config["availability_topic"] for config in configs.values()} == {"power_windows/bridge/status"}
    assert {config["device"]["name"] for config in configs.values()} == {"Power Windows homelab"}


def test_names_that_no_topic_may_have_stay_apart() -> None:
    names = {entity_id("lab", name) for name in ("a.b", "a_b", "a-b", "a b")} | {entity_id("team/lab", "a")}
    assert len(names) == 5
    assert not {char for name in names for char in name if not (char.isalnum() or char in "_-")}


@pytest.mark.parametrize(
    ("holders", "left", "state"),
    [
        ([], None, {"switch": "OFF", "minutes_left": None, "held_by": "-"}),
        (["w1", "w2"], 61, {"switch": "ON", "minutes_left": 2, "held_by": "ada: film night; grace"}),
        (["of another page"], 60, {"switch": "ON", "minutes_left": 1, "held_by": "-"}),
    ],
)
def test_a_state_says_who_holds_it_and_for_how_long(
    holders: list[str], left: float | None, state: dict[str, Any]
) -> None:
    service = {"power": "on", "ready": True, "holders": holders, "time_left_sec": left}
    windows: dict[str, dict[str, Any]] = {
        "w1": {"actor": "ada", "reason": "film night"},
        "w2": {"actor": "grace", "reason": None},
    }

    shown = entity_state(service, windows, "no")

    assert shown == state | {"power": "on", "ready": True, "error": "no"}
