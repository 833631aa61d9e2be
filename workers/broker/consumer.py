"""Celery's consumer, made to survive its broker.

Celery reconnects after a lost connection. After any other error it ends the worker: a read-only replica,
no memory, a full disk, a changed password. A worker also has deadlines to keep, which need no broker. So
after any error here the connection is closed, and after a bounded delay the consumer starts again.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from celery.worker import state
from celery.worker.consumer import consumer

from workers.broker import transport
from workers.broker.retry_log import BrokerRetries

log = logging.getLogger(__name__)

# Celery sets most of a consumer's attributes where a type checker does not see them.
celery: Any = consumer

SLICE = 0.2
"""Seconds between looks at whether the worker is to stop."""


class Consumer(celery.Consumer):  # type: ignore[misc]
    """Set as `worker_consumer`. Runs in the worker's main thread for as long as the worker lives."""

    connection: Any
    event_dispatcher: Any

    def start(self) -> None:
        """Consume until the worker stops; reconnect with a backoff when the broker is unreachable."""
        _stop_without_output()
        retries = BrokerRetries("deadlines are kept without it")
        while self._is_running():
            state.maybe_shutdown()
            self.restart_count += 1
            began = time.monotonic()
            try:
                self.blueprint.start(self)
            except Exception as error:  # noqa: BLE001 - no answer of a broker's may end the worker
                state.maybe_shutdown()
                transport.count_consumer_error(error)
                wait = retries.record_failure(error, after=time.monotonic() - began)
                self._let_go()
                self._rest(wait)

    def ensure_connected(self, conn: Any) -> Any:
        """Try each server once; the loop in `start` does the waiting."""
        conn.ensure_connection(
            max_retries=len(conn.alt or ()), interval_start=0, interval_step=0, interval_max=0
        )
        self.first_connection_attempt = False
        return conn

    def shutdown(self) -> None:
        """Close the connection; a broker that refuses this must not keep the worker from ending."""
        try:
            super().shutdown()
        except Exception as error:  # noqa: BLE001
            log.warning("the broker's connection could not be closed: %s", error)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return the handler of one message; an error of one message does not end the consumer."""
        handle = super().create_task_handler(*args, **kwargs)
        broken = (*self.connection_errors, *self.channel_errors)

        def handle_safely(message: Any) -> None:
            try:
                handle(message)
            except Exception as error:
                if isinstance(error, broken) and not isinstance(error, KeyError):
                    raise
                self._refuse(message, error)

        return handle_safely

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Log and drop a message whose body cannot be decoded."""
        self._refuse(message, exc)

    def on_invalid_task(self, _body: Any, message: Any, exc: Exception) -> None:
        """Log and drop a message with arguments that its task does not take."""
        self._refuse(message, exc)

    def on_unknown_task(self, _body: Any, message: Any, exc: Exception) -> None:
        """Log and drop a message for a task that this worker does not have."""
        self._refuse(message, f"unknown task {exc}")

    def on_unknown_message(self, _body: Any, message: Any) -> None:
        """Log and drop a message that names no task."""
        self._refuse(message, "it names no task")

    def _refuse(self, message: Any, reason: object) -> None:
        queue = (message.delivery_info or {}).get("routing_key", "the broker")
        transport.log_dropped_message(str(queue), reason)
        if not message.acknowledged:
            message.reject_log_error(log, self.connection_errors)

    def _is_running(self) -> bool:
        return self.blueprint.state not in celery.STOP_CONDITIONS

    def _let_go(self) -> None:
        """Drop all that hangs on the connection. The pool and the tasks in it go on."""
        connection, self.connection = self.connection, None
        dispatcher = self.event_dispatcher
        steps: list[Callable[[], object]] = [self.on_close]
        if connection:
            steps.append(connection.collect)
        if dispatcher:
            # What it has buffered would be carried on from try to try.
            steps += [dispatcher.close, dispatcher.connection.collect]
        steps += [lambda: self.blueprint.restart(self), self._clear_hub]
        for step in steps:
            with suppress(Exception):
                step()
        self.event_dispatcher = self.task_consumer = None

    def _clear_hub(self) -> None:
        """Remove the callbacks and timers of the closed transport; each attempt registers its own."""
        if self.hub:
            self.hub.on_tick.clear()
            self.hub.timer.clear()
            self.hub.reset()

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._is_running() and (left := end - time.monotonic()) > 0:
            state.maybe_shutdown()
            time.sleep(min(left, SLICE))


def _stop_without_output() -> None:
    """Have TERM end the worker even where Celery's handler cannot write its message, as on a full disk."""
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before):
        return

    def stop(number: int, frame: FrameType | None) -> None:
        try:
            before(number, frame)
        except OSError:
            state.should_stop = 0  # type: ignore[assignment]

    signal.signal(signal.SIGTERM, stop)
