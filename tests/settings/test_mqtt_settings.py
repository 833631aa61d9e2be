"""`[mqtt]` and the variables that override it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import ConfigError, read_power_toml
from app.settings.mqtt_settings import MqttSettings, MqttToml, mqtt_settings


def test_without_an_address_it_is_off() -> None:
    assert mqtt_settings(None, {}) is None
    assert mqtt_settings(MqttToml(ttl=7200), {"POWER_MQTT_TTL": "1h"}) is None


def test_power_toml_names_the_broker_and_the_environment_overrides_it(tmp_path: Path) -> None:
    path = tmp_path / "power.toml"
    path.write_text(
        '[stacks.lab]\nproject = "lab"\nallow = ["web"]\n'
        '[mqtt]\nurl = "mqtt://broker.lan"\nusername = "power"\npassword_env = "SECRET"\nttl = "2h"\n'
    )
    toml = read_power_toml(path).mqtt

    assert mqtt_settings(toml, {"SECRET": "x"}) == MqttSettings(
        "broker.lan", 1883, username="power", password="x", ttl=7200
    )
    environ = {"POWER_MQTT_URL": "mqtts://ada:p%40ss@other", "POWER_MQTT_TTL": "90", "SECRET": "x"}
    assert mqtt_settings(None, environ) == MqttSettings("other", 8883, True, "ada", "p@ss", 90)
    assert "p@ss" not in repr(mqtt_settings(None, environ))


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({"POWER_MQTT_URL": "broker:1883"}, "mqtt://USER:PASSWORD@HOST:1883"),
        ({"POWER_MQTT_URL": "mqtt://u:s3cret@h:99999"}, "cannot be read"),
        ({"POWER_MQTT_URL": "mqtt://h/topic"}, "more than host and port"),
        (
            {"POWER_MQTT_URL": "mqtt://h", "POWER_MQTT_TTL": "soon"},
            "POWER_MQTT_TTL: 'soon' is not a duration",
        ),
        ({"POWER_MQTT_URL": "mqtt://h", "POWER_MQTT_TOPIC": "a/#"}, "POWER_MQTT_TOPIC: 'a/#' is no topic"),
        ({"POWER_MQTT_URL": "mqtt://h"}, "the environment has no SECRET"),
    ],
)
def test_a_fault_is_one_line_without_a_password(environ: dict[str, str], fault: str) -> None:
    toml = MqttToml(password_env=None if len(environ) > 1 else "SECRET")
    with pytest.raises(ConfigError) as refused:
        mqtt_settings(toml, environ)
    assert fault in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('urll = "x"', "mqtt.urll: is not a setting; did you mean url?"),
        ('ttl = "soon"', "mqtt.ttl: 'soon' is not a duration"),
        ('topic = "a b"', "mqtt.topic: "),
    ],
)
def test_a_fault_in_the_file_names_the_key(tmp_path: Path, line: str, fault: str) -> None:
    path = tmp_path / "power.toml"
    path.write_text(f'[stacks.lab]\nproject = "lab"\nallow = ["web"]\n[mqtt]\n{line}\n')
    with pytest.raises(ConfigError) as refused:
        read_power_toml(path)
    assert fault in str(refused.value)
