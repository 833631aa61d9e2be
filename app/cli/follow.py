"""Windows as they change, until they are as they were wanted.

The event stream only says that it is time to look; what is true is always read
from the windows themselves, now and then also without a hint. So nothing is
missed when the stream breaks, and a front that is being restarted is waited for.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Self

import click

from app.domain.enums import State
from power_windows.errors import Unreachable
from power_windows.event_stream import Stream
from power_windows.payloads import Entry, Window
from power_windows.rest import Api

# Seconds between looks: with a stream that would tell, and without one.
TOLD, UNTOLD = 5.0, 1.0
# A standalone restarts a front that died within a few seconds.
GIVE_UP_SECONDS = 30.0
_BREATH = 0.05
# When nothing moves for so long on the way down, nobody is at work: a worker retries oftener than that.
STILL = 600.0

Over = Callable[[Window], bool]


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Following has no end of its own: Ctrl-C is how it ends, and all is well then."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.exceptions.Exit(0) from None


def is_outcome_known(window: Window) -> bool:
    """Is it known how the opening went? When its time is up it never will be."""
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
    """What is written already, then what is being written, without an end.

    What comes by both ways is told by its place in its chain, and passed on once.
    """
    seen: dict[str | None, int] = {}
    for entry in api.events(before=before, lost=lost):
        if entry["seq"] > seen.get(entry["stack"], 0):
            seen[entry["stack"]] = entry["seq"]
            yield entry


class Hints:
    """Hears the event stream in the background and says when to look again."""

    def __init__(self, api: Api, concerns: Callable[[Entry], bool] = lambda _: True) -> None:
        self._api, self._concerns = api, concerns
        self._hint, self._over = threading.Event(), threading.Event()
        self._stream: Stream | None = None
        self._place: str | None = None
        self._thread = threading.Thread(target=self._hear, daemon=True, name="events")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if stream := self._stream:
            stream.hang_up()
        self._thread.join(timeout=1)

    def wait(self) -> None:
        """Return when there may be something new to see."""
        if self._hint.wait(TOLD if self._stream else UNTOLD):
            # A change seldom comes alone; look once for those that come together.
            time.sleep(_BREATH)
        self._hint.clear()

    def _hear(self) -> None:
        while not self._over.is_set():
            # A refused or broken stream is no loss: the windows are looked at without hints, and oftener.
            with suppress(Exception):
                self._listen()
            # From here on again, so that whoever counts on hearing everything does.
            self._place = (self._stream and self._stream.last_id) or self._place
            self._stream = None
            self._over.wait(UNTOLD)

    def _listen(self) -> None:
        with self._api.listen(self._place) as stream:
            self._stream = stream
            if self._over.is_set():
                return
            # Whatever happened before the stream was there is worth a look.
            self._hint.set()
            for entry in stream:
                if self._over.is_set():
                    return
                if self._concerns(entry):
                    self._hint.set()


def windows(
    api: Api, first: Sequence[Window], over: Over, *, still: float | None = None
) -> Iterator[list[Window]]:
    """These windows, as they are now and whenever they may have changed, until all are over.

    `still`: or until nothing has changed for so many seconds.
    """
    seen = {window["id"]: window for window in first}
    stacks = {window["stack"] for window in first}
    yield list(seen.values())
    if all(over(window) for window in seen.values()):
        return
    with Hints(api, lambda entry: entry.get("stack") in stacks) as hints:
        moved = time.monotonic()
        while not all(over(window) for window in seen.values()):
            if still is not None and time.monotonic() - moved > still:
                return
            hints.wait()
            fresh = [_look(api, window["id"]) for window in seen.values() if not over(window)]
            if any(_differ(window, seen[window["id"]]) for window in fresh):
                moved = time.monotonic()
            seen |= {window["id"]: window for window in fresh}
            yield list(seen.values())


def _differ(one: Window, other: Window) -> bool:
    return {**one, "ttl_remaining_sec": 0} != {**other, "ttl_remaining_sec": 0}


def _look(api: Api, identifier: str) -> Window:
    """The window; a front that is away is given the time to come back."""
    until = time.monotonic() + GIVE_UP_SECONDS
    while True:
        try:
            return api.window(identifier)
        except Unreachable:
            if time.monotonic() > until:
                raise
            time.sleep(UNTOLD)
