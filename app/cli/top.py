"""`power top`: everything at once on one screen, live; in a pipe the same once, as plain lines.

events --> read again --+
keys ------------------ +--> picture, twice a second, for the countdowns
lost connection --------+
"""

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from app.cli import keyboard, output, top_view
from app.cli.arguments import unfinished
from app.cli.event_text import EventText
from app.cli.follow import Hints
from app.domain import durations
from power_windows.errors import PowerError, Unreachable
from power_windows.payloads import Entry, Stack, Window
from power_windows.rest import Api, connect

MOST_EVENTS = 200
"""Lines of news that are kept for a large screen."""
REFRESHES_PER_SECOND = 2
"""Pictures a second."""
TROUBLE = 1.0
"""Seconds before a service that is out of reach is asked again."""


@click.command()
def top() -> None:
    """Look at everything at once: stacks, services, windows, and what happens.

    Changes are shown as they happen. Keys: up and down choose a window, e extends it by its own time
    from now, x closes it (both ask first), q leaves. In a pipe it is shown once, as plain lines.

    \b
    Examples:
      power top
      power top | grep failing
    """
    with connect() as api:
        board = Board(api)
        board.reload()
        if output.live():
            with _leave_on_signal():
                _watch(api, board)
        else:
            output.say(*top_view.plain_lines(board.scene()))


@contextmanager
def _leave_on_signal() -> Iterator[None]:
    """SIGTERM and Ctrl-C leave the terminal as it was."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except KeyboardInterrupt:
        raise click.exceptions.Exit(0) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch(api: Api, board: "Board") -> None:
    terminal = Console(highlight=False, markup=False, emoji=False)

    def picture() -> Group:
        return output.group(top_view.screen_lines(board.scene(), terminal.width, terminal.height))

    # The picture stays within the screen by itself; what is too long is cut, never wrapped.
    with (
        Live(
            console=terminal, get_renderable=picture, screen=True, refresh_per_second=REFRESHES_PER_SECOND
        ) as live,
        keyboard.listen_for_keys(board.press),
        Hints(api, board.hear) as hints,
    ):
        refresher = threading.Thread(target=_refresh, args=(board, hints, live.refresh), daemon=True)
        refresher.start()
        while not board.over.wait(0.1):
            if board.pressed.is_set():
                board.pressed.clear()
                live.refresh()


def _refresh(board: "Board", hints: Hints, draw: Callable[[], None]) -> None:
    """Read again whenever there may be something new, until the user leaves."""
    while not board.over.is_set():
        hints.wait()
        board.reload_or_report()
        draw()


@dataclass
class Board:
    """What is shown, shared by who reads it, who draws it and who presses keys."""

    api: Api
    stacks: list[Stack] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    read_at: float = 0.0
    lost_since: float | None = None
    chosen: str | None = None
    asking: str | None = None
    said: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    pressed: threading.Event = field(default_factory=threading.Event)
    _news: deque[Text] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))
    _story: EventText = field(default_factory=EventText)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reload(self) -> None:
        """Read stacks and unfinished windows anew."""
        stacks, windows = self.api.stacks(), list(unfinished(self.api))
        with self._lock:
            self.stacks, self.windows = stacks, sorted(windows, key=lambda one: one["created_at"])
            self.read_at, self.lost_since = time.monotonic(), None
            self._story.know(windows)
            self._story.named = len(stacks) > 1
            if self.chosen not in {one["id"] for one in windows}:
                self.chosen, self.asking = None, None

    def reload_or_report(self) -> None:
        """Read anew; show the reason where the service cannot be reached."""
        try:
            self.reload()
        except Unreachable:
            with self._lock:
                self.lost_since = self.lost_since or time.monotonic()
            self.over.wait(TROUBLE)
        except PowerError as error:
            self.said = error.message
            self.over.wait(TROUBLE)

    def hear(self, entry: Entry) -> bool:
        """Add an audit entry to the list of events."""
        with self._lock:
            self._news.extend(self._story.lines(entry)[:1])
        return True

    def scene(self) -> top_view.TopScreen:
        """All of it at one moment."""
        with self._lock:
            since = time.monotonic() - self.read_at
            lost = None if self.lost_since is None else time.monotonic() - self.lost_since
            news = list(self._news)
            said = self._question() or self.said
            return top_view.TopScreen(
                self.api.url, self.stacks, self.windows, news, since, lost, self.chosen, said
            )

    # Keys.

    def press(self, key: str) -> None:
        """Act on a pressed key."""
        if key == keyboard.GONE:
            self.over.set()
        elif self.asking:
            self._answer(key)
        elif key in keyboard.QUIT:
            self.over.set()
        elif key in {"j", "k"}:
            self._choose(1 if key == "j" else -1)
        elif key in {"e", "x"} and self.chosen:
            self.asking, self.said = key, ""
        self.pressed.set()

    def _choose(self, step: int) -> None:
        with self._lock:
            ids = [one["id"] for one in self.windows]
            self.said = "" if ids else "no window to choose"
            if ids:
                at = ids.index(self.chosen) + step if self.chosen in ids else (0 if step > 0 else -1)
                self.chosen = ids[at % len(ids)]

    def _question(self) -> str:
        window = self._window()
        if self.asking is None or window is None:
            return ""
        what = f"{', '.join(window['services'])} of {window['actor']}"
        if self.asking == "x":
            return f"close {window['id'][:8]}, {what}? (y/n)"
        return f"give {window['id'][:8]}, {what}, {durations.show(window['ttl_sec'])} from now? (y/n)"

    def _window(self) -> Window | None:
        return next((one for one in self.windows if one["id"] == self.chosen), None)

    def _answer(self, key: str) -> None:
        window, asked, self.asking = self._window(), self.asking, None
        if window is None or key not in {"y", "Y"}:
            self.said = "nothing was done"
            return
        try:
            if asked == "x":
                self.api.close(window["id"], force=False, reason=None)
            else:
                self.api.extend(window["id"], window["ttl_sec"])
            self.said = ""
        except PowerError as error:
            self.said = error.message.partition("\n")[0]
