"""Windows on their way, drawn while they change.

On a terminal one picture is redrawn, with the time left ticking between looks; in
a pipe each change is one line, so that a log reads like a log.
"""

import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from app.cli import follow, output, window_text
from app.cli.follow import Over
from app.domain.enums import Power, State
from power_windows.payloads import Window
from power_windows.rest import Api

# Pictures a second: often enough for a countdown to look alive, seldom enough to cost nothing.
FRAMES_PER_SECOND = 4


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
    over: Over,
    *,
    silent: bool = False,
    still: float | None = None,
) -> list[Window]:
    """Show these windows until all are over or long `still`; return them as they then are."""
    now = list(first)
    with _show(silent) as show:
        for now in follow.windows(api, first, over, still=still):
            show.update(now)
    return now


def _show(silent: bool) -> Show:
    if silent:
        return Silence()
    return LiveProgress() if output.live() else Lines()


class Silence:
    """Nothing, where only the outcome is wanted."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, _: Sequence[Window], /) -> None:
        """Show nothing."""
        return


class LiveProgress:
    """One drawing on the terminal that is gone when it is over."""

    def __init__(self) -> None:
        self._windows: Sequence[Window] = []
        self._read = time.monotonic()
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=FRAMES_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, windows: Sequence[Window]) -> None:
        """Redraw the picture with these windows."""
        self._windows, self._read = windows, time.monotonic()
        self._live.refresh()

    def _draw(self) -> Group:
        return output.group(self._lines(self._console.width))

    def _lines(self, width: int) -> Iterable[Text]:
        left = {one["id"]: self._time_left(one) for one in self._windows}
        if len(self._windows) != 1:
            return window_text.windows(self._windows, left).lines(width) if self._windows else []
        window = self._windows[0]
        return [window_text.headline(window, left[window["id"]]), *window_text.services(window).lines(width)]

    def _time_left(self, window: Window) -> float | None:
        """The time left now, carried on from when the window was read."""
        left = window["ttl_remaining_sec"]
        return None if left is None else max(0.0, left - (time.monotonic() - self._read))


class Lines:
    """A line for each change."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, windows: Sequence[Window]) -> None:
        """Print a line for each window and service that has changed."""
        for window in windows:
            self._tell(window, "window", f"{window['id']}  {window_text.state(window).plain}")
            for name, one in window_text.health(window).items():
                ready = "ready" if one["ready"] else "-" if one["power"] == Power.OFF else "not-ready"
                said = f"{name}  {one['power']}  {ready}  {window_text.first_line(one['detail'])}"
                self._tell(window, name, said if len(windows) == 1 else f"{window['id']}  {said}")

    def _tell(self, window: Window, subject: str, line: str) -> None:
        if self._told.get((window["id"], subject)) != line:
            self._told[window["id"], subject] = line
            output.say(("window  " if subject == "window" else "") + output.harmless(line).rstrip())


def times_left(windows: Iterable[Window]) -> dict[str, float | None]:
    """Time left by id, of those that have not ended."""
    over = {State.CLOSED, State.CLOSING}
    return {one["id"]: None if one["state"] in over else one["ttl_remaining_sec"] for one in windows}
