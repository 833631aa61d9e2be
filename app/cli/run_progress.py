"""A run of a scenario on its way: drawn anew on a terminal, a line for each change in a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self

from rich.text import Text

from app.cli import output, window_text
from app.cli.live_picture import LivePicture
from app.domain.scenarios import RunState
from power_windows.errors import NotFound, Unreachable
from power_windows.payloads import Run, Window
from power_windows.rest import Api
from power_windows.runs import RunRoutes

LOOK_INTERVAL = 0.5
"""Seconds between two looks at a run."""
UNREACHABLE_WAIT = 30.0
"""Seconds for which a server that is away is waited for."""


class RunShow(Protocol):
    """Shows a run while it goes on."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def update(self, run: Run, window: Window | None, /) -> None:
        """Show the run and, where it has one, its window."""


def choose_show(silent: bool) -> RunShow:
    """How a run is shown here."""
    if silent:
        return SilentRun()
    return LiveRun() if output.live() else RunLines()


def follow_run(api: Api, identifier: str) -> Iterator[tuple[Run, Window | None]]:
    """The run and its window as they are now and again, until the run is finished."""
    lost_since: float | None = None
    while True:
        try:
            run = RunRoutes(api).read(identifier)
            window = _window(api, run)
        except Unreachable:
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since > UNREACHABLE_WAIT:
                raise
        else:
            lost_since = None
            yield run, window
            if run["state"] == RunState.FINISHED:
                return
        time.sleep(LOOK_INTERVAL)


def _window(api: Api, run: Run) -> Window | None:
    try:
        return api.window(run["window"]) if run["window"] else None
    except NotFound:
        return None


class SilentRun:
    """Nothing, where only the outcome is wanted."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, _run: Run, _window: Window | None) -> None:
        """Show nothing."""


class LiveRun(LivePicture):
    """A run with its services and steps."""

    def __init__(self) -> None:
        self._run: Run | None = None
        self._window: Window | None = None
        super().__init__()

    def update(self, run: Run, window: Window | None) -> None:
        """Redraw the picture."""
        self._run, self._window = run, window
        self.refresh()

    def lines(self, width: int) -> Iterable[Text]:
        """Return the run's headline, its services and its steps."""
        if self._run is None:
            return []
        services = window_text.services(self._window).lines(width) if self._window else []
        steps = steps_table(self._run).lines(width) if self._run["steps"] else []
        return [headline(self._run), *services, *steps]


class RunLines:
    """A line for each change."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, run: Run, window: Window | None) -> None:
        """Print a line for the run, each service and each step that has changed."""
        self._show("run", f"run  {run['id']}  {run['detail']}")
        for name, one in window_text.health(window).items() if window else ():
            self._show(f"service {name}", f"{name}  {one['power']}  {window_text.first_line(one['detail'])}")
        for step in run["steps"]:
            self._show(f"step {step['name']}", _step_line(step["name"], step["status"], step["detail"]))

    def _show(self, subject: str, line: str) -> None:
        if self._shown.get(subject) != line:
            self._shown[subject] = line
            output.say(output.harmless(line).rstrip())


def _step_line(name: str, status: str, detail: str) -> str:
    return f"step  {name}  {status}  {window_text.first_line(detail)}"


def headline(run: Run) -> Text:
    """One line for a run."""
    name, detail = output.harmless(run["name"]), output.harmless(run["detail"])
    word = output.word(str(run["outcome"] or run["state"]))
    return Text.assemble((name, "bold"), f"  run {run['id']}  ", word, f"  {detail}")


def steps_table(run: Run) -> output.TextTable:
    """A table of a run's steps."""
    table = output.TextTable(("STEP", "STATUS", "TRIES", "FOUND"), loose={0: 16, 3: 8})
    for step in run["steps"]:
        first_line = window_text.first_line(step["detail"])
        table.add(step["name"], output.word(step["status"]), str(step["tries"]), first_line)
    return table
