"""`power top`: everything on one screen, live; in a pipe once, as plain lines.

events --> read again --+
keys ------------------ +--> picture, twice a second, for the countdowns
lost connection --------+
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from app.cli import follow, keyboard, output, top_view
from app.cli.arguments import read_unfinished_windows, utc_option
from app.cli.event_text import EventText
from app.cli.follow import Hints
from app.domain import durations
from power_windows.errors import PowerError, Unreachable
from power_windows.payloads import Entry, Stack, Window
from power_windows.rest import Api, connect

MOST_EVENTS = 200
"""Event lines in memory at most."""
REFRESHES_PER_SECOND = 2
"""Redraws per second."""
RETRY_SECONDS = 1.0
"""Seconds before the next request to a server that does not answer."""


@click.command()
@utc_option
def top() -> None:
    """Show stacks, services, windows and events on one screen.

    Changes are shown as they happen. Keys: up and down choose a window, e extends it to its own ttl from
    now, x closes it (both ask first); page up and down scroll the services; / shows only what contains the
    typed text, Esc shows all again; q quits. In a pipe it prints plain lines once.

    \b
    Examples:
      power top
      power top | grep failing
    """
    with connect() as api:
        board = Board(api)
        board.reload()
        if output.live():
            with follow.until_stopped():
                _watch(api, board)
        else:
            output.say(*top_view.plain_lines(board.screen()))


def _watch(api: Api, board: "Board") -> None:
    terminal = Console(highlight=False, markup=False, emoji=False)

    def picture() -> Group:
        return output.group(top_view.screen_lines(board.screen(), terminal.width, terminal.height))

    # Lines that are too long are cut and never wrapped, so the picture fits the screen.
    with (
        Live(
            console=terminal, get_renderable=picture, screen=True, refresh_per_second=REFRESHES_PER_SECOND
        ) as live,
        keyboard.listen_for_keys(board.press),
        Hints(api, board.add_event) as hints,
    ):
        refresher = threading.Thread(target=_refresh, args=(board, hints, live.refresh), daemon=True)
        refresher.start()
        while not board.leaving.wait(0.1):
            if board.pressed.is_set():
                board.pressed.clear()
                live.refresh()


def _refresh(board: "Board", hints: Hints, draw: Callable[[], None]) -> None:
    """Read again whenever something may have changed, until the user quits."""
    while not board.leaving.is_set():
        hints.wait()
        board.reload_or_report()
        draw()


@dataclass
class Board:
    """The state of the screen, shared by the threads that read the API, draw, and handle keys."""

    api: Api
    stacks: list[Stack] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    read_at: float = 0.0
    lost_since: float | None = None
    chosen: str | None = None
    asking: str | None = None
    message: str = ""
    pattern: str = ""
    is_typing: bool = False
    """Whether keys are characters of the pattern."""
    scroll: top_view.Scroll = field(default_factory=top_view.Scroll)
    leaving: threading.Event = field(default_factory=threading.Event)
    pressed: threading.Event = field(default_factory=threading.Event)
    _events: deque[Text] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))
    _event_text: EventText = field(default_factory=EventText)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reload(self) -> None:
        """Read stacks and unfinished windows again."""
        stacks, windows = self.api.stacks(), list(read_unfinished_windows(self.api))
        with self._lock:
            self.stacks, self.windows = stacks, sorted(windows, key=lambda one: one["created_at"])
            self.read_at, self.lost_since = time.monotonic(), None
            self._event_text.know(windows)
            self._event_text.named = len(stacks) > 1
            if self.chosen not in {one["id"] for one in windows}:
                self.chosen, self.asking = None, None

    def reload_or_report(self) -> None:
        """Read again; show the error where the server cannot be reached."""
        try:
            self.reload()
        except Unreachable:
            with self._lock:
                self.lost_since = self.lost_since or time.monotonic()
            self.leaving.wait(RETRY_SECONDS)
        except PowerError as error:
            self.message = error.message
            self.leaving.wait(RETRY_SECONDS)

    def add_event(self, entry: Entry) -> bool:
        """Add an audit entry to the list of events."""
        with self._lock:
            self._events.extend(self._event_text.lines(entry)[:1])
        return True

    def screen(self) -> top_view.TopScreen:
        """A copy of the state, to draw it."""
        with self._lock:
            since = time.monotonic() - self.read_at
            lost = None if self.lost_since is None else time.monotonic() - self.lost_since
            events = list(self._events)
            message = f"filter: {self.pattern}_" if self.is_typing else self._question() or self.message
            return top_view.TopScreen(
                self.api.url,
                self.stacks,
                self.windows,
                events,
                since,
                lost,
                self.chosen,
                message,
                self.pattern,
                self.scroll,
            )

    # Keys.

    def press(self, key: str) -> None:
        """Act on a pressed key."""
        if key == keyboard.CLOSED:
            self.leaving.set()
        elif self.is_typing:
            self._type(key)
        elif self.asking:
            self._answer(key)
        elif key == keyboard.ESCAPE and self.pattern:
            self.pattern = ""
        elif key in keyboard.QUIT:
            self.leaving.set()
        else:
            self._act(key)
        self.pressed.set()

    def _act(self, key: str) -> None:
        if key in {"j", "k", keyboard.UP, keyboard.DOWN}:
            self._choose(1 if key in {"j", keyboard.DOWN} else -1)
        elif key in {keyboard.PAGE_UP, keyboard.PAGE_DOWN}:
            step = self.scroll.page if key == keyboard.PAGE_DOWN else -self.scroll.page
            self.scroll.first = max(0, self.scroll.first + step)
        elif key == "/":
            self.is_typing, self.message = True, ""
        elif key in {"e", "x"} and self.chosen:
            self.asking, self.message = key, ""

    def _type(self, key: str) -> None:
        """Change the pattern: Enter keeps it, Esc and Ctrl-C remove it."""
        if key in keyboard.ENTER:
            self.is_typing = False
        elif key in keyboard.QUIT - {"q", "Q"}:
            self.is_typing, self.pattern = False, ""
        elif key in keyboard.ERASE:
            self.pattern = self.pattern[:-1]
        elif len(key) == 1 and key.isprintable():
            self.pattern += key
        self.scroll.first = 0
        if self.chosen not in self._visible_ids():
            self.chosen = None

    def _choose(self, step: int) -> None:
        ids = self._visible_ids()
        with self._lock:
            self.message = "" if ids else "no window to choose"
            if ids:
                at = ids.index(self.chosen) + step if self.chosen in ids else (0 if step > 0 else -1)
                self.chosen = ids[at % len(ids)]

    def _visible_ids(self) -> list[str]:
        return [one["id"] for one in self.screen().apply_filter().windows]

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
        window, action, self.asking = self._window(), self.asking, None
        if window is None or key not in {"y", "Y"}:
            self.message = "nothing was done"
            return
        try:
            if action == "x":
                self.api.close(window["id"], force=False, reason=None)
            else:
                self.api.extend(window["id"], window["ttl_sec"])
            self.message = ""
        except PowerError as error:
            self.message = error.message.partition("\n")[0]
