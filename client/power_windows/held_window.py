"""A window that is open for the length of a block: opened, waited for, extended, closed.

    enter:  open --> wait until ready --------------------------------+
                          | failed, or the wait was interrupted       v
                          +--> close, raise                   the block runs, and a thread
    exit:   close <-------------------------------------------  extends the window in time

This process closes its window when the block ends. If the process is killed, it no longer extends the
window, and the server closes the window at its deadline.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from types import FrameType, TracebackType
from typing import Any, Self

from power_windows import durations
from power_windows.errors import NotReady, PowerError, Refused, Unreachable
from power_windows.printable import printable_line, printable_lines
from power_windows.rest import Api
from power_windows.states import State
from power_windows.values import Window

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
"""Seconds between two reads of a window that is opening."""
OUTAGE_SECONDS = 30.0
"""Seconds of waiting for a server that does not answer, when a block begins and when it ends."""
EXTENSION_RETRY_SECONDS = 2.0
"""Seconds at most until an extension that got no answer is sent again."""
LOG_TAIL_LINES = 6
"""Log lines shown of a service that failed."""


class LetGo(UserWarning):
    """A window ended before its block, or could not be closed when the block ended."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The request for a window and the conditions for its block.

    `body` and `key` are the opening's JSON and Idempotency-Key. `within` is the longest wait for ready
    services in seconds; None waits as long as the window is opening. With `partial_ok` one ready service
    is enough.
    """

    body: dict[str, Any]
    key: str
    within: float | None = None
    partial_ok: bool = False


class HeldWindow:
    """A window while a block runs: a context manager that can be entered once."""

    def __init__(self, api: Api, terms: Terms) -> None:
        self._api, self._terms = api, terms
        self._window: Window | None = None
        self._leaving = threading.Event()
        self._extender = threading.Thread(target=self._extend_until_end, daemon=True, name="power-window")
        self._sigterm = _SigtermHandler()
        self._early_end = ""
        self.faults: list[PowerError] = []
        """Errors while the block ran: lost answers, refused extensions."""

    @property
    def now(self) -> Window:
        """The window as it was last read, without a request; raises RuntimeError before it was opened."""
        if self._window is None:
            raise RuntimeError("this window has not been opened")
        return self._window

    @property
    def id(self) -> str:
        """The window's id."""
        return self.now.id

    @property
    def services(self) -> tuple[str, ...]:
        """The names of the window's services."""
        return self.now.services

    @property
    def lost(self) -> bool:
        """Whether the window has ended, or its deadline has passed, although the block still runs."""
        return not self.now.live

    def refresh(self) -> Window:
        """Read the window from the server and return it; raises PowerError."""
        self._window = Window.of(self._api.window(self.id))
        return self._window

    def __enter__(self) -> Self:
        self._sigterm.install()
        try:
            self._window = self._open()
            self._wait_until_ready()
        except BaseException as error:
            if self._window is None and not isinstance(error, PowerError):
                # Interrupted between request and answer: the same key returns the window to close.
                with suppress(PowerError):
                    self._window = self._open()
            self._leave(f"{type(error).__name__} while it opened")
            raise
        self._extender.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave("its block ended" if kind is None else f"its block ended with {kind.__name__}")
        if kind is None and self._early_end:
            warnings.warn(self._early_end, LetGo, stacklevel=2)

    def _open(self) -> Window:
        return Window.of(self._api.open(self._terms.body, self._terms.key))

    def _wait_until_ready(self) -> None:
        give_up_at = None if self._terms.within is None else time.monotonic() + self._terms.within
        extend_at = time.monotonic() + self._extension_interval()
        while self.now.state in {State.WAITING, State.OPENING} and self.now.left > 0:
            if give_up_at is not None and time.monotonic() > give_up_at:
                waited = durations.show(self._terms.within or 0)
                raise NotReady(
                    f"{_failure_text(self.now)}\nafter {waited}, which is as long as it may take", self.now
                )
            time.sleep(POLL_SECONDS)
            if time.monotonic() > extend_at:
                # Opening may take longer than a short ttl.
                self._extend()
                extend_at = time.monotonic() + self._extension_interval()
            self._window = _retry_while_unreachable(self.refresh, OUTAGE_SECONDS)
        if not (self.now.ready or (self._terms.partial_ok and self._one_is_ready())):
            raise NotReady(_failure_text(self.now), self.now)

    def _one_is_ready(self) -> bool:
        return self.now.state == State.OPEN and any(one.ready for one in self.now.health.values())

    def _extension_interval(self) -> float:
        """Return a third of the window's ttl in seconds, so that two extensions in a row may be lost."""
        return max(0.2, self._ttl() / 3)

    def _ttl(self) -> float:
        return float(self._terms.body.get("ttl_sec", self.now.ttl))

    def _extend_until_end(self) -> None:
        wait = self._extension_interval()
        while not self._leaving.wait(wait):
            wait = self._extension_interval()
            if not self._extend():
                wait = min(EXTENSION_RETRY_SECONDS, wait)
            if self._early_end:
                return

    def _extend(self) -> bool:
        """Move the deadline to the window's ttl from now; return False where a retry may succeed."""
        try:
            # Another client may have extended it further.
            if self.refresh().left < self._ttl():
                self._window = Window.of(self._api.extend(self.id, self._ttl()))
        except (Unreachable, Refused) as error:
            self.faults.append(error)
            if isinstance(error, Refused) and error.status != HTTPStatus.TOO_MANY_REQUESTS:
                self._use_remaining_time(error)
                return True
            log.warning("window %s could not be extended, trying again: %s", self.id, error.message)
            return False
        return True

    def _use_remaining_time(self, refused: Refused) -> None:
        """Extend up to the stack's max_ttl; record that the window may end before the block."""
        longest = refused.problem.get("allowed")
        if refused.type.endswith("/ttl-too-long") and isinstance(longest, int | float) and longest > 1:
            with suppress(PowerError):
                self._window = Window.of(self._api.extend(self.id, longest - 0.5))
        self._early_end = f"window {self.id} could not be kept: {refused.message}"
        log.warning("%s", self._early_end)

    def _leave(self, reason: str) -> None:
        self._leaving.set()
        if self._window is not None:
            with self._sigterm.defer():
                self._close(reason)
        if self._extender.ident is not None:
            self._extender.join(timeout=1)
        self._sigterm.restore()

    def _close(self, reason: str) -> None:
        def request_close() -> Window:
            return Window.of(self._api.close(self.id, force=False, reason=reason))

        try:
            self._window = _retry_while_unreachable(request_close, OUTAGE_SECONDS)
        except PowerError as error:
            self.faults.append(error)
            left = durations.show(self.now.left)
            self._early_end = f"window {self.id} was not closed, it ends by itself in {left}: {error.message}"
            log.warning("%s", self._early_end)


def _retry_while_unreachable(request: Callable[[], Window], seconds: float) -> Window:
    """Send a request until the server answers; raises Unreachable after so many seconds without an answer."""
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            return request()
        except Unreachable:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.5)


def _failure_text(window: Window) -> str:
    """Return the window's state, and log lines and the failed call of each service that is not ready."""
    lines = [f"window {window.id} on {window.stack} is {window.state}, {window.status or 'not known how'}"]
    if window.close_reason and window.state in {State.CLOSING, State.CLOSED}:
        lines.append(f"  {printable_line(window.close_detail or window.close_reason)}")
    for health in window.unready:
        lines.append(f"  {health.service}: {health.power}")
        lines += _last_lines(health.detail)
        failed = [call for call in window.calls if call.service == health.service and call.status != "ok"]
        for call in failed[-1:]:
            lines += _last_lines(call.stderr or call.stdout)
    return "\n".join(lines)


def _last_lines(text: str) -> list[str]:
    return [f"    {line}" for line in printable_lines(text.strip()).splitlines()[-LOG_TAIL_LINES:]]


class _SigtermHandler:
    """Raises SystemExit at SIGTERM, in a main thread whose program has no SIGTERM handler of its own.

    By default SIGTERM ends a process without running any `finally`. With this handler the block ends as
    with Ctrl-C, and the window is closed.
    """

    def __init__(self) -> None:
        self._installed = False
        self._deferring = False
        self._deferred_signal: int | None = None

    def install(self) -> None:
        """Set the handler; do nothing in another thread or where the program has a handler."""
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._handle)
            self._installed = True

    def restore(self) -> None:
        """Restore the default handler; raise SystemExit for a signal that was deferred."""
        if self._installed:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._installed = False
        if self._deferred_signal is not None:
            raise SystemExit(128 + self._deferred_signal)

    @contextmanager
    def defer(self) -> Iterator[None]:
        """Let a second SIGTERM wait until the window is closed."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._deferring:
            self._deferred_signal = number
            return
        raise SystemExit(128 + number)
