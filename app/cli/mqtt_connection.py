"""The connection of `power mqtt` to its broker, by paho-mqtt.

paho's thread reads the network and reconnects; a thread here handles messages, so that a slow API delays no
keep-alive. The broker's last will says `offline` where this process dies.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from app.cli import output
from app.domain.home_assistant import OFFLINE, HomeTopics
from app.settings.mqtt_settings import MqttSettings

KEEPALIVE_SECONDS = 30
MOST_RECONNECT_SECONDS = 30
"""Seconds between two attempts to connect, at most."""
FLUSH_SECONDS = 3.0
"""Seconds for which the last message is waited for at the end."""
CONNECTED = None
"""In the queue: the broker has accepted the connection, perhaps anew."""

_Event = tuple[str, str] | None


class MqttConnection:
    """One connection to a broker, which is made anew where it breaks. Every published message is retained."""

    def __init__(self, settings: MqttSettings, topics: HomeTopics) -> None:
        self._settings, self._topics = settings, topics
        self._events: queue.Queue[_Event] = queue.Queue()
        self._last_fault = ""
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.reconnect_delay_set(1, MOST_RECONNECT_SECONDS)
        self._client.will_set(topics.availability, OFFLINE, qos=1, retain=True)
        if settings.username:
            self._client.username_pw_set(settings.username, settings.password)
        if settings.tls:
            self._client.tls_set()
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    @contextmanager
    def serving(self, handle: Callable[[str, str], None], connected: Callable[[], None]) -> Iterator[None]:
        """Connect, and call these from one thread during the block; neither may raise. Then say `offline`."""
        threading.Thread(target=self._serve, args=(handle, connected), daemon=True, name="mqtt").start()
        self._client.connect_async(self._settings.host, self._settings.port, KEEPALIVE_SECONDS)
        self._client.loop_start()
        try:
            yield
        finally:
            if self._client.is_connected():
                last = self._client.publish(self._topics.availability, OFFLINE, qos=1, retain=True)
                last.wait_for_publish(FLUSH_SECONDS)
            self._client.disconnect()
            self._client.loop_stop()

    def publish(self, topic: str, text: str) -> None:
        """Publish a retained message. Without a connection it is lost: `connected` publishes all again."""
        if self._client.is_connected():
            self._client.publish(topic, text, qos=1, retain=True)

    def _serve(self, handle: Callable[[str, str], None], connected: Callable[[], None]) -> None:
        while True:
            event = self._events.get()
            if event is CONNECTED:
                connected()
            else:
                handle(*event)

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._note(f"the MQTT broker refuses the connection: {reason}")
            return
        self._note(f"connected to the MQTT broker {self._settings.host}:{self._settings.port}")
        topics = (self._topics.commands, self._topics.birth, self._topics.configs)
        client.subscribe([(topic, 1) for topic in topics])
        self._events.put(CONNECTED)

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        where = f"{self._settings.host}:{self._settings.port}"
        self._note(f"the MQTT broker {where} cannot be reached; trying again")

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._note(f"the connection to the MQTT broker is lost ({reason}); trying again")

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        # A retained command would switch a service at every start of the bridge.
        if not (message.retain and message.topic.endswith("/set")):
            self._events.put((message.topic, message.payload.decode(errors="replace")))

    def _note(self, line: str) -> None:
        """Print a message once, not at every attempt."""
        if line != self._last_fault:
            self._last_fault = line
            output.note(f"power: {line}")
