"""Which MQTT broker `power mqtt` uses, and how: `[mqtt]` of power.toml, overridden by the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from app.domain import durations
from app.settings.errors import ConfigError
from app.settings.toml_values import Seconds

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_TOPIC = r"^[^+#/\s]+(/[^+#/\s]+)*$"
_SHAPE = "write it like mqtt://USER:PASSWORD@HOST:1883, with mqtts:// for TLS"
_Topic = Annotated[str, Field(pattern=_TOPIC, max_length=120)]


class MqttToml(BaseModel):
    """`[mqtt]`: the broker of `power mqtt`. `ttl` is how many seconds a switch opens a window for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = Field(default=None, repr=False)
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    password_env: str | None = None
    ttl: Seconds | None = None
    discovery_prefix: _Topic = "homeassistant"
    topic: _Topic = "power_windows"


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """One broker. `ttl` is in seconds; None is each stack's default. `topic` begins the bridge's topics."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ttl: float | None = None
    discovery_prefix: str = "homeassistant"
    topic: str = "power_windows"


def mqtt_settings(toml: MqttToml | None, environ: Mapping[str, str]) -> MqttSettings | None:
    """The settings, or None where neither names a broker; raises ConfigError with one line per fault."""
    toml = toml or MqttToml()
    url = environ.get("POWER_MQTT_URL") or toml.url
    if not url:
        return None
    host, port, tls, username, password = _parse_url(url)
    secret = environ.get("POWER_MQTT_PASSWORD") or toml.password or _named_secret(toml, environ)
    return MqttSettings(
        host,
        port,
        tls,
        environ.get("POWER_MQTT_USERNAME") or toml.username or username,
        secret or password,
        _ttl(environ, toml),
        _topic(environ, "POWER_MQTT_DISCOVERY_PREFIX", toml.discovery_prefix),
        _topic(environ, "POWER_MQTT_TOPIC", toml.topic),
    )


def _parse_url(url: str) -> tuple[str, int, bool, str | None, str | None]:
    """Host, port, TLS, user and password; no message shows the address, which may hold a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError([f"the address of the MQTT broker cannot be read; {_SHAPE}"]) from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ConfigError(
            [f"the address of the MQTT broker begins with neither mqtt:// nor mqtts://; {_SHAPE}"]
        )
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ConfigError([f"the address of the MQTT broker has more than host and port; {_SHAPE}"])
    user, password = (unquote(one) if one else None for one in (parts.username, parts.password))
    return parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "mqtts", user, password


def _named_secret(toml: MqttToml, environ: Mapping[str, str]) -> str | None:
    if toml.password_env is None:
        return None
    if not environ.get(toml.password_env):
        raise ConfigError([f"mqtt.password_env: the environment has no {toml.password_env}"])
    return environ[toml.password_env]


def _ttl(environ: Mapping[str, str], toml: MqttToml) -> float | None:
    text = environ.get("POWER_MQTT_TTL")
    try:
        return durations.parse(text) if text else toml.ttl
    except ValueError as error:
        raise ConfigError([f"POWER_MQTT_TTL: {error}"]) from error


def _topic(environ: Mapping[str, str], variable: str, default: str) -> str:
    topic = environ.get(variable) or default
    if not re.fullmatch(_TOPIC, topic):
        raise ConfigError(
            [f"{variable}: {topic!r} is no topic; write it without +, #, spaces and empty parts"]
        )
    return topic
