"""Show windows while they change.

On a terminal one picture is redrawn, and its time left counts down between two reads. In a pipe each change
is one line.
"""

import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.text import Text

from app.cli import follow, output, window_text
from app.cli.follow import EndCondition
from app.cli.live_picture import LivePicture
from app.domain.enums import Power, State
from power_windows.payloads import Window
from power_windows.rest import Api

_MOVING = {State.WAITING, State.OPENING, State.CLOSING}
"""States that end by themselves within seconds or minutes, so that the time of the wait is of interest."""


class Show(Protocol):
    """Shows windows while they change."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def update(self, windows: Sequence[Window], /) -> None:
        """Show these windows."""


def watch(
    api: Api,
    first: Sequence[Window],
    has_ended: EndCondition,
    *,
    silent: bool = False,
    still: float | None = None,
) -> list[Window]:
    """Show these windows until all meet `has_ended` or nothing changed for `still` seconds; return them."""
    now = list(first)
    with _show(silent) as show:
        for now in follow.windows(api, first, has_ended, still=still):
            show.update(now)
    return now


def _show(silent: bool) -> Show:
    if silent:
        return Silence()
    return LiveProgress() if output.live() else ChangeLines()


class Silence:
    """Shows nothing, where only the result is printed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, _: Sequence[Window], /) -> None:
        """Show nothing."""
        return


class LiveProgress(LivePicture):
    """The windows as they are, with their time left."""

    def __init__(self) -> None:
        self._windows: Sequence[Window] = []
        self._began_at = self._read_at = time.monotonic()
        super().__init__()

    def update(self, windows: Sequence[Window]) -> None:
        """Redraw the picture with these windows."""
        self._windows, self._read_at = windows, time.monotonic()
        self.refresh()

    def lines(self, width: int) -> Iterable[Text]:
        """Return one window with its services, or a table of several; with the time of the wait."""
        left = {one["id"]: self._time_left(one) for one in self._windows}
        waited = Text(f"waited {output.seconds(time.monotonic() - self._began_at)}", "dim")
        if len(self._windows) != 1:
            table = window_text.windows(self._windows, left).lines(width)
            return [*table, waited] if self._windows else []
        window = self._windows[0]
        headline = window_text.headline(window, left[window["id"]])
        if window["state"] in _MOVING:
            headline.append("  ").append_text(waited)
        return [headline, *window_text.services(window).lines(width)]

    def _time_left(self, window: Window) -> float | None:
        """The time left now, computed from that at the last read."""
        left = window["ttl_remaining_sec"]
        return None if left is None else max(0.0, left - (time.monotonic() - self._read_at))


class ChangeLines:
    """Prints a line for each change."""

    def __init__(self) -> None:
        self._printed: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, windows: Sequence[Window]) -> None:
        """Print a line for each window and service that has changed."""
        for window in windows:
            self._print_change(window, "window", f"{window['id']}  {window_text.state(window).plain}")
            for name, one in window_text.health(window).items():
                ready = "ready" if one["ready"] else "-" if one["power"] == Power.OFF else "not-ready"
                text = f"{name}  {one['power']}  {ready}  {window_text.first_line(one['detail'])}"
                self._print_change(window, name, text if len(windows) == 1 else f"{window['id']}  {text}")

    def _print_change(self, window: Window, subject: str, line: str) -> None:
        if self._printed.get((window["id"], subject)) != line:
            self._printed[window["id"], subject] = line
            output.say(("window  " if subject == "window" else "") + output.harmless(line).rstrip())


def times_left(windows: Iterable[Window]) -> dict[str, float | None]:
    """The seconds left by window id; None for windows that are closing or closed."""
    has_ended = {State.CLOSED, State.CLOSING}
    return {one["id"]: None if one["state"] in has_ended else one["ttl_remaining_sec"] for one in windows}
