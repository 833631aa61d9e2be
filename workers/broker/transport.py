"""Kombu's Redis transport, which drops what is no message of ours instead of breaking on it.

With kombu's own, one entry of a queue that is not JSON, or one that lacks a field, ends
the worker that reads it, and then the next one. Here it is dropped, counted and logged,
and the messages around it are delivered. `install` puts these classes in kombu's
table of transports, so that a broker URL finds them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import Empty
from typing import Any

from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, RedisError, ResponseError, TimeoutError

from app.domain.enums import Loop
from workers.broker import messages
from workers.broker.retry_log import one_line

log = logging.getLogger(__name__)

# Kombu's classes refer to each other in ways that a type checker cannot follow.
kombu: Any = redis


def _ignore_failure(_: Loop) -> None:
    """Until a worker counts."""


class _Counter:
    add: Callable[[Loop], None] = staticmethod(_ignore_failure)


def count_with(add: Callable[[Loop], None]) -> None:
    """Have `add` called for each message that is dropped, and each error that the broker answers with."""
    _Counter.add = staticmethod(add)


def log_dropped_message(where: str, reason: object) -> None:
    """Log and count a message that was dropped."""
    _Counter.add(Loop.MESSAGES)
    log.warning("%s: dropped a message: %s", where, one_line(reason))


def count_consumer_error(error: Exception) -> None:
    """Count an error of the consumer, unless it says that the broker is away."""
    if not isinstance(error, OSError | RedisConnectionError | TimeoutError | OperationalError):
        _Counter.add(Loop.CONSUMER)


class QoS(kombu.QoS):  # type: ignore[misc]
    """Acknowledgements. The stored list of unacknowledged messages may be forged, too."""

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Return an unacknowledged message to its queue; drop and count one that cannot be restored."""
        try:
            super().restore_by_tag(tag, client=client, leftmost=leftmost)
        except (RedisError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - any error would keep the other messages from being restored
            log_dropped_message(self.unacked_key, error)
            self._remove_from_indices(tag).execute()

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """A server that refuses to write keeps nothing from being read."""
        try:
            super().restore_visible(*args, **kwargs)
        except NoPermissionError:
            log.debug("restoring unacknowledged messages is left to the workers")
        except ResponseError as error:
            log.warning("unacknowledged messages cannot be restored: %s", error)


class Channel(kombu.Channel):  # type: ignore[misc]
    """Reads the queues; an entry that cannot be read is dropped."""

    QoS = QoS

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except (RedisError, OSError, Empty):
            raise
        except Exception as error:  # noqa: BLE001 - kombu's JSON reader may raise any exception
            log_dropped_message(", ".join(self.active_queues), f"it cannot be read: {error}")
            return True

    def _do_restore_message(
        self, payload: Any, exchange: str, routing_key: str, pipe: Any, leftmost: bool = False
    ) -> None:
        try:
            if messages.is_ours(str(routing_key)):
                payload = messages.validate(payload)
        except messages.RefusedMessage as refused:
            log_dropped_message(str(routing_key), refused)
            return
        super()._do_restore_message(payload, exchange, routing_key, pipe, leftmost)

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Acknowledge; on a channel that was closed meanwhile, the message is delivered again."""
        if not self.closed:
            super().basic_ack(delivery_tag, multiple=multiple)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Reject a message, unless the channel is closed already."""
        if not self.closed:
            super().basic_reject(delivery_tag, requeue=requeue)


class Transport(kombu.Transport):  # type: ignore[misc]
    """Delivers messages of tasks once they are checked, and all others as they are."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        if messages.is_ours(queue):
            try:
                message = messages.validate(message)
            except messages.RefusedMessage as refused:
                log_dropped_message(queue, refused)
                return
        super()._deliver(message, queue)


def install() -> None:
    """Have every connection of this process use these. Call it before the first connection."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
