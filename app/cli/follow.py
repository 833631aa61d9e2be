"""Follow windows while they change, until each meets a condition.

An event only says that a window may have changed; the state is always read from the API, and also at regular
intervals without an event. So no change is missed when the stream breaks, and a web process that restarts is
waited for.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Self

import click

from app.domain.enums import State
from power_windows.errors import Unreachable
from power_windows.event_stream import Stream
from power_windows.payloads import Entry, Window
from power_windows.rest import Api

# Seconds between two reads without an event: with an open event stream, and without one.
READ_SECONDS, READ_SECONDS_WITHOUT_STREAM = 5.0, 1.0
# A standalone restarts a dead web process within a few seconds.
GIVE_UP_SECONDS = 30.0
HINT_PAUSE = 0.05
# If a closing window does not change for so long, its worker does not run: a worker retries more often.
STILL = 600.0

EndCondition = Callable[[Window], bool]


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Exit with 0 at Ctrl-C, which is how a user ends a command that follows."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.exceptions.Exit(0) from None


@contextmanager
def until_stopped() -> Iterator[None]:
    """Exit with 0 at SIGTERM too, after the block has tidied up."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        with until_interrupted():
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def is_outcome_known(window: Window) -> bool:
    """True where the window is no longer waiting or opening, or its time is up."""
    return window["state"] not in {State.WAITING, State.OPENING} or window["ttl_remaining_sec"] == 0


def is_closed_or_stuck(window: Window) -> bool:
    """True where the window is closed, or stuck."""
    return window["state"] == State.CLOSED or window["stuck"]


def is_closed(window: Window) -> bool:
    """True where the window is closed."""
    return window["state"] == State.CLOSED


def entries(
    api: Api, before: Callable[[], Iterable[Entry]], lost: Callable[[], None] = lambda: None
) -> Iterator[Entry]:
    """Yield the entries of `before`, then new ones without an end.

    An entry that comes from both is recognized by its sequence number in its chain and yielded once.
    """
    latest: dict[str | None, int] = {}
    for entry in api.events(before=before, lost=lost):
        if entry["seq"] > latest.get(entry["stack"], 0):
            latest[entry["stack"]] = entry["seq"]
            yield entry


class Hints:
    """Reads the event stream in a thread and tells when to read the windows again."""

    def __init__(self, api: Api, concerns: Callable[[Entry], bool] = lambda _: True) -> None:
        self._api, self._concerns = api, concerns
        self._hint, self._leaving = threading.Event(), threading.Event()
        self._stream: Stream | None = None
        self._last_id: str | None = None
        self._thread = threading.Thread(target=self._listen_until_leaving, daemon=True, name="events")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        if stream := self._stream:
            stream.hang_up()
        self._thread.join(timeout=1)

    def wait(self) -> None:
        """Return when the windows may have changed."""
        if self._hint.wait(READ_SECONDS if self._stream else READ_SECONDS_WITHOUT_STREAM):
            # Changes come together; one read serves all of them.
            time.sleep(HINT_PAUSE)
        self._hint.clear()

    def _listen_until_leaving(self) -> None:
        while not self._leaving.is_set():
            # Without a stream the windows are read at shorter intervals.
            with suppress(Exception):
                self._listen()
            # Resume after the last event, since `concerns` must get every entry.
            self._last_id = (self._stream and self._stream.last_id) or self._last_id
            self._stream = None
            self._leaving.wait(READ_SECONDS_WITHOUT_STREAM)

    def _listen(self) -> None:
        with self._api.listen(self._last_id) as stream:
            self._stream = stream
            if self._leaving.is_set():
                return
            # Something may have changed before the stream was open.
            self._hint.set()
            for entry in stream:
                if self._leaving.is_set():
                    return
                if self._concerns(entry):
                    self._hint.set()


def windows(
    api: Api, first: Sequence[Window], has_ended: EndCondition, *, still: float | None = None
) -> Iterator[list[Window]]:
    """Yield these windows now and whenever they may have changed, until all meet `has_ended`.

    With `still` also until nothing has changed for so many seconds.
    """
    latest = {window["id"]: window for window in first}
    stacks = {window["stack"] for window in first}
    yield list(latest.values())
    if all(has_ended(window) for window in latest.values()):
        return
    with Hints(api, lambda entry: entry.get("stack") in stacks) as hints:
        changed_at = time.monotonic()
        while not all(has_ended(window) for window in latest.values()):
            if still is not None and time.monotonic() - changed_at > still:
                return
            hints.wait()
            fresh = [_read_window(api, window["id"]) for window in latest.values() if not has_ended(window)]
            if any(_differs(window, latest[window["id"]]) for window in fresh):
                changed_at = time.monotonic()
            latest |= {window["id"]: window for window in fresh}
            yield list(latest.values())


def _differs(one: Window, other: Window) -> bool:
    return {**one, "ttl_remaining_sec": 0} != {**other, "ttl_remaining_sec": 0}


def _read_window(api: Api, identifier: str) -> Window:
    """Read a window; wait up to GIVE_UP_SECONDS for a server that does not answer."""
    until = time.monotonic() + GIVE_UP_SECONDS
    while True:
        try:
            return api.window(identifier)
        except Unreachable:
            if time.monotonic() > until:
                raise
            time.sleep(READ_SECONDS_WITHOUT_STREAM)
