"""Services held for the length of a block: opened, waited for, kept, let go of.

    enter:  open --> wait until ready --------------------------------+
                          | failed, or the wait was interrupted       v
                          +--> close, raise                   the block runs, and a thread
    exit:   close <-------------------------------------------  extends the window in time

The promise is kept from both ends. While this process lives it closes its window; if it is
killed it extends no more, and the service closes the window at its deadline.
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
"""Seconds between looks while it opens."""
OUTAGE_SECONDS = 30.0
"""Seconds for which a service that does not answer is waited for, entering and leaving."""
EXTENSION_RETRY_SECONDS = 2.0
"""Seconds after which an extension that got no answer is tried again, or less where there is no time."""
LOG_TAIL_LINES = 6
"""Lines shown of a service that failed."""


class LetGo(UserWarning):
    """A window could not be kept for as long as its block ran, or not be closed at its end."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked for, under which Idempotency-Key, and how patiently."""

    body: dict[str, Any]
    key: str
    within: float | None = None
    partial_ok: bool = False


class HeldWindow:
    """A window while a block runs; a context manager of its own, to be entered once."""

    def __init__(self, api: Api, terms: Terms) -> None:
        self._api, self._terms = api, terms
        self._window: Window | None = None
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True, name="power-window")
        self._ended = _Terminated()
        self._unkept = ""
        self.faults: list[PowerError] = []
        """What went wrong while the block ran: answers lost, extensions refused."""

    @property
    def now(self) -> Window:
        """The window as it was last read; ask `refresh` for what it is."""
        if self._window is None:
            raise RuntimeError("this window has not been opened")
        return self._window

    @property
    def id(self) -> str:
        return self.now.id

    @property
    def services(self) -> tuple[str, ...]:
        return self.now.services

    @property
    def lost(self) -> bool:
        """Has the window ended, or its time run out, with nobody of us having closed it?"""
        return not self.now.live

    def refresh(self) -> Window:
        self._window = Window.of(self._api.window(self.id))
        return self._window

    def __enter__(self) -> Self:
        self._ended.listen()
        try:
            self._window = self._open()
            self._until_ready()
        except BaseException as error:
            if self._window is None and not isinstance(error, PowerError):
                # Interrupted between asking and hearing: under the same key we learn which window to close.
                with suppress(PowerError):
                    self._window = self._open()
            self._leave(f"{type(error).__name__} while it opened")
            raise
        self._keeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave("its block ended" if kind is None else f"its block ended with {kind.__name__}")
        if kind is None and self._unkept:
            warnings.warn(self._unkept, LetGo, stacklevel=2)

    def _open(self) -> Window:
        return Window.of(self._api.open(self._terms.body, self._terms.key))

    # On the way up.

    def _until_ready(self) -> None:
        until = None if self._terms.within is None else time.monotonic() + self._terms.within
        extend_at = time.monotonic() + self._beat()
        while self.now.state in {State.WAITING, State.OPENING} and self.now.left > 0:
            if until is not None and time.monotonic() > until:
                waited = durations.show(self._terms.within or 0)
                raise NotReady(
                    f"{_story(self.now)}\nafter {waited}, which is as long as it may take", self.now
                )
            time.sleep(POLL_SECONDS)
            if time.monotonic() > extend_at:
                # Opening may take longer than a short ttl, and nobody is to run out of time on the way.
                self._extend()
                extend_at = time.monotonic() + self._beat()
            self._window = _patiently(self.refresh, OUTAGE_SECONDS)
        if not (self.now.ready or (self._terms.partial_ok and self._some())):
            raise NotReady(_story(self.now), self.now)

    def _some(self) -> bool:
        return self.now.state == State.OPEN and any(one.ready for one in self.now.health.values())

    # While the block runs.

    def _beat(self) -> float:
        """A third of the time it has, so that two extensions in a row may be lost."""
        return max(0.2, self._ttl() / 3)

    def _ttl(self) -> float:
        return float(self._terms.body.get("ttl_sec", self.now.ttl))

    def _keep(self) -> None:
        wait = self._beat()
        while not self._over.wait(wait):
            wait = self._beat() if self._extend() else min(EXTENSION_RETRY_SECONDS, self._beat())
            if self._unkept:
                return

    def _extend(self) -> bool:
        """Give the window its whole time again; False where nobody answered, which may change."""
        try:
            # Somebody may have given it more than we would.
            if self.refresh().left < self._ttl():
                self._window = Window.of(self._api.extend(self.id, self._ttl()))
        except (Unreachable, Refused) as error:
            self.faults.append(error)
            if isinstance(error, Refused) and error.status != HTTPStatus.TOO_MANY_REQUESTS:
                self._refused(error)
                return True
            log.warning("window %s could not be extended, trying again: %s", self.id, error.message)
            return False
        return True

    def _refused(self, refused: Refused) -> None:
        """Take what is left under the stack's max_ttl; say that the block is longer than the window."""
        longest = refused.problem.get("allowed")
        if refused.type.endswith("/ttl-too-long") and isinstance(longest, int | float) and longest > 1:
            with suppress(PowerError):
                self._window = Window.of(self._api.extend(self.id, longest - 0.5))
        self._unkept = f"window {self.id} could not be kept: {refused.message}"
        log.warning("%s", self._unkept)

    # On the way down.

    def _leave(self, why: str) -> None:
        self._over.set()
        if self._window is not None:
            with self._ended.held_back():
                self._close(why)
        if self._keeper.ident is not None:
            self._keeper.join(timeout=1)
        self._ended.forget()

    def _close(self, why: str) -> None:
        def ask() -> Window:
            return Window.of(self._api.close(self.id, force=False, reason=why))

        try:
            self._window = _patiently(ask, OUTAGE_SECONDS)
        except PowerError as error:
            self.faults.append(error)
            left = durations.show(self.now.left)
            self._unkept = f"window {self.id} was not closed, it ends by itself in {left}: {error.message}"
            log.warning("%s", self._unkept)


def _patiently(ask: Callable[[], Window], patience: float) -> Window:
    """Ask until there is an answer; a front that is being started again is waited for."""
    until = time.monotonic() + patience
    while True:
        try:
            return ask()
        except Unreachable:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def _story(window: Window) -> str:
    """What failed, and what it said last."""
    lines = [f"window {window.id} on {window.stack} is {window.state}, {window.status or 'not known how'}"]
    if window.close_reason and window.state in {State.CLOSING, State.CLOSED}:
        lines.append(f"  {printable_line(window.close_detail or window.close_reason)}")
    for one in window.unready:
        lines.append(f"  {one.service}: {one.power}")
        lines += [
            f"    {line}" for line in printable_lines(one.detail.strip()).splitlines()[-LOG_TAIL_LINES:]
        ]
        failed = [call for call in window.calls if call.service == one.service and call.status != "ok"]
        for call in failed[-1:]:
            said = printable_lines((call.stderr or call.stdout).strip()).splitlines()
            lines += [f"    {line}" for line in said[-LOG_TAIL_LINES:]]
    return "\n".join(lines)


class _Terminated:
    """SIGTERM as an exception, in a main thread whose owner has nothing else in mind for it.

    Without this a process that is told to end does so between two instructions, and no
    `finally` is run. With it the block ends as with Ctrl-C, and the window is closed.
    """

    def __init__(self) -> None:
        self._mine = False
        self._held_back = False
        self._came: int | None = None

    def listen(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._end)
            self._mine = True

    def forget(self) -> None:
        if self._mine:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._mine = False
        if self._came is not None:
            raise SystemExit(128 + self._came)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """A second SIGTERM does not keep us from closing; it counts when that is done."""
        self._held_back = True
        try:
            yield
        finally:
            self._held_back = False

    def _end(self, number: int, _frame: FrameType | None) -> None:
        if self._held_back:
            self._came = number
            return
        raise SystemExit(128 + number)
