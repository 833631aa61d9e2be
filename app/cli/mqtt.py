"""`power mqtt`: show allowed services in Home Assistant by MQTT discovery, until a signal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, ParamSpec

import click

from app.cli import environment, follow, output
from app.cli.home_bridge import HomeBridge
from app.domain.home_assistant import HomeTopics
from app.settings import ConfigError, read_power_toml
from app.settings.mqtt_settings import MqttSettings, mqtt_settings
from power_windows.errors import PowerError, Refused, Unreachable, WrongUsage
from power_windows.rest import Api, connect

_P = ParamSpec("_P")
REFUSED_PAUSE = 30.0
"""Seconds between two requests with a token that the server refuses."""


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The power.toml whose [mqtt] is used, if any.  [default: POWER_CONFIG, else ./power.toml]",
)
def mqtt(config: Path | None) -> None:
    """Show allowed services in Home Assistant by MQTT discovery, and switch them from there.

    Each allowed service gets a switch, its power, the minutes left and who holds it. Turning a switch on
    opens a window; turning it off closes the windows that were opened so. Goes on until a signal, and
    reconnects to the broker and to the service. Needs the extra: pip install "power-windows[mqtt]"

    The broker is POWER_MQTT_URL or `url` of [mqtt] in power.toml; without one the command ends with exit
    code 2. POWER_URL and POWER_TOKEN name the service, as for every command.

    \b
    Example:
      POWER_MQTT_URL=mqtt://power:secret@broker.lan POWER_MQTT_TTL=2h power mqtt
    """
    settings = _read_settings(config)
    try:
        from app.cli.mqtt_connection import MqttConnection
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("paho"):
            raise
        raise WrongUsage('`power mqtt` needs an extra: pip install "power-windows[mqtt]"') from error
    topics = HomeTopics(settings.topic, settings.discovery_prefix)
    connection = MqttConnection(settings, topics)
    with connect() as api, follow.until_stopped():
        bridge = HomeBridge(api, topics, connection.publish, settings.ttl)
        errors = ErrorNotes()
        handle = errors.wrap(bridge.handle)
        with connection.serving(handle, errors.wrap(bridge.announce)):
            keep_current(api, errors.wrap(bridge.refresh), errors)


def _read_settings(config: Path | None) -> MqttSettings:
    environ = environment.with_config(config)
    path = environment.load(environ).config
    try:
        toml = read_power_toml(path).mqtt if path.is_file() or config else None
        settings = mqtt_settings(toml, os.environ)
    except ConfigError as error:
        raise environment.usage(error) from error
    if settings is None:
        raise WrongUsage(
            f"no MQTT broker is named: set POWER_MQTT_URL=mqtt://HOST, or write url below [mqtt] in {path}"
        )
    return settings


def keep_current(api: Api, refresh: Callable[[], None], errors: ErrorNotes) -> NoReturn:
    """Refresh whenever something may have changed, and at intervals for the minutes left.

    A token that is refused is tried again only every REFUSED_PAUSE seconds: it may be made valid again.
    """
    while True:
        refresh()
        if errors.is_refused:
            time.sleep(REFUSED_PAUSE)
            continue
        with follow.Hints(api) as hints:
            while not errors.is_refused:
                hints.wait()
                refresh()


class ErrorNotes:
    """Prints an error of the API once, and again after a success in between."""

    def __init__(self) -> None:
        self._last = ""
        self.is_refused = False
        """Whether the last action was refused, such as one with a token that was revoked."""

    def wrap(self, action: Callable[_P, None]) -> Callable[_P, None]:
        """The same action, which prints errors in place of raising them."""

        def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
            try:
                action(*args, **kwargs)
                self._last, self.is_refused = "", False
            except PowerError as error:
                self.is_refused = isinstance(error, Refused)
                self._print(error)

        return run

    def _print(self, error: PowerError) -> None:
        again = "; trying again" if isinstance(error, Unreachable) else ""
        line = f"power: {error.message.partition(chr(10))[0]}{again}"
        if line != self._last:
            self._last = line
            output.note(line)
