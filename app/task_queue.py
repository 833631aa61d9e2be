"""Nudges: after a commit, say "look at this window" to the node that has it.

A nudge is a name and an id. It may come late, twice or never: the database row is
the queue and the watch of every worker reads it. So a broker that is away costs a
request nothing but the time a refused connection takes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from celery import Celery
from kombu import Connection
from kombu.exceptions import ChannelError

from app import tracing

OPEN = "power.open_window"
CLOSE = "power.close_window"
SWEEP = "power.sweep"
RESYNC = "power.resync"
READ_LOGS = "power.read_logs"
RUN_SCENARIO = "power.run_scenario"
BUILD_INTENT = "power.build_intent"
"""Sent and known only where the feature `intents` is on."""
NAMES = (OPEN, CLOSE, SWEEP, RESYNC, READ_LOGS, RUN_SCENARIO)
SHARED_QUEUE = "power"
"""The queue of what any worker may do; a node's own begins with it."""

log = logging.getLogger(__name__)

SLOW, REST = 1.0, 5.0
"""Seconds a failing nudge may take before the broker counts as hung, and how long it is then left alone."""


def queue(node: str) -> str:
    """The name of a node's queue."""
    return f"{SHARED_QUEUE}.{node}"


def build_queue(node: str) -> str:
    """The name of a node's queue of requests that may build; no start or stop waits in it."""
    return f"{SHARED_QUEUE}.build.{node}"


LONGEST_DESCRIPTION = 400
"""Characters of what a task is about, at most."""


def about(window: str, stack: str, services: Sequence[str]) -> str:
    """What a monitor shows for a task; the worker does not read it."""
    return f"{window} {stack}: {', '.join(services)}"[:LONGEST_DESCRIPTION]


class Dispatch:
    """A way to send nudges; one per process."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._rest_until = 0.0

    @classmethod
    def to(cls, broker_url: str) -> Dispatch:
        """For a process that must never hang on a broker: two seconds at most, one try."""
        app = Celery("power-front", broker=broker_url, set_as_current=False)
        app.conf.update(
            task_ignore_result=True,
            task_serializer="json",
            accept_content=["json"],
            task_send_sent_event=True,
            broker_transport_options={
                "socket_timeout": 2,
                "socket_connect_timeout": 2,
                "retry_on_timeout": False,
                # Not the publishing, which `retry=False` is about, but the connecting before it.
                "max_retries": 0,
            },
        )
        return cls(app)

    def opening(self, window: str, node: str, label: str = "") -> bool:
        """Ask the node to open this window; False where the broker is down."""
        return self.nudge(OPEN, [window], queue(node), label)

    def closing(self, window: str, node: str, label: str = "") -> bool:
        """Ask the node to close this window; False where the broker is down."""
        return self.nudge(CLOSE, [window], queue(node), label)

    def reading(self, read: str, node: str) -> bool:
        """Ask the node to read the logs of this request; False where the broker is down."""
        return self.nudge(READ_LOGS, [read], queue(node))

    def conducting(self, run: str, node: str, label: str = "") -> bool:
        """Ask the node to conduct this run; False where the broker is down."""
        return self.nudge(RUN_SCENARIO, [run], queue(node), label)

    def building(self, request: str, node: str, label: str = "") -> bool:
        """Ask the node to attend to this request for an intent; False where the broker is down."""
        return self.nudge(BUILD_INTENT, [request], build_queue(node), label)

    def nudge(self, name: str, args: list[Any], to: str, label: str = "") -> bool:
        """Send, or log that it could not be; never raises for a broker that is away.

        `label` is what a monitor displays in place of the arguments; the worker ignores it.
        """
        began = time.monotonic()
        if began < self._rest_until:
            return False  # It hung a moment ago, and every request would wait for it anew.
        try:
            self._app.send_task(
                name,
                args=args,
                queue=to,
                retry=False,
                ignore_result=True,
                argsrepr=label or repr(tuple(args)),
                headers=tracing.trace_headers(),
            )
        except Exception as error:  # noqa: BLE001 - the window is committed; no word of a broker's may unsay that
            if time.monotonic() - began >= SLOW:
                self._rest_until = time.monotonic() + REST
            log.warning("nudge %s%s not sent, the watch will see to it: %s", name, tuple(args), error)
            return False
        return True

    def depths(self, names: Sequence[str]) -> dict[str, int]:
        """How many messages wait in each queue; of none while the broker is away or has just hung."""
        began = time.monotonic()
        if began < self._rest_until:
            return {}
        try:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=0, timeout=2)
                return {name: _depth(connection.default_channel, name) for name in names}
        except Exception as error:  # noqa: BLE001 - after any error there is no figure
            if time.monotonic() - began >= SLOW:
                self._rest_until = time.monotonic() + REST
            log.info("the broker does not say how much waits: %s", error)
            return {}

    def fault(self) -> str | None:
        """What keeps nudges from being sent, or None; takes as long as the broker's time-outs allow.

        A broker that answers but takes no writes has a fault too: a read-only replica, one with too few
        replicas, one that is out of memory or cannot save.
        """
        try:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=0, timeout=2)
                _try_to_write(connection)
        except Exception as error:  # noqa: BLE001 - any error is the reason why they are not sent
            message = str(error) or type(error).__name__
            return f"{NO_WRITES}: {message}" if _is_refusal(error) else message
        return None


PROBE = "power.probe"
"""The key of a list that never exists."""
NO_WRITES = "it takes no writes"
"""How the fault of a broker begins that answers and refuses to be written to."""


def _try_to_write(connection: Connection) -> None:
    """Raise what a Redis server would answer to a message now. Other brokers are only connected to.

    LPUSHX pushes to a list that exists, so it changes nothing here; but the server counts it as a write
    that needs memory, as the LPUSH of a message, and refuses it for the same reasons.
    """
    if connection.transport.driver_type == "redis":
        channel: Any = connection.default_channel
        channel.client.lpushx(PROBE, "")


def _is_refusal(error: Exception) -> bool:
    """Did a Redis server answer, and answer no?"""
    from redis.exceptions import ResponseError

    causes = (error, error.__cause__, error.__context__)
    return any(isinstance(one, ResponseError) for one in causes)


def _depth(channel: Any, name: str) -> int:
    try:
        return int(channel.queue_declare(name, passive=True).message_count)
    except ChannelError:
        return 0  # A queue that is empty is not there, for Redis.
