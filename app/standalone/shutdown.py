"""The windows on the way out: closed if that was asked for, and else named, since they stay on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from app.domain import durations
from app.standalone.signals import Signals
from app.standalone.supervisor import Supervisor
from app.standalone.terminal import Terminal
from app.standalone.web_client import NoAnswer


class LiveWindows(Protocol):
    """Where windows are asked about, and closed; both may raise NoAnswer."""

    def live_windows(self) -> list[dict[str, Any]]:
        """The windows that are not closed."""

    def close(self, window: str) -> None:
        """Close one window."""


def close_all(
    front: LiveWindows, supervisor: Supervisor, signals: Signals, voice: Terminal, seconds: float
) -> None:
    """Close every window and see them closed, for at most so long or until asked to stop again."""
    asked, reported = signals.asked, set[str]()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and signals.asked == asked:
        try:
            if not (living := supervisor.supervise_during(front.live_windows)):
                return
            for window in living:
                if window["id"] not in reported:
                    voice.event(f"closing {_line(window)}")
                    supervisor.supervise_during(partial(front.close, window["id"]))
                    reported.add(window["id"])
        except NoAnswer:
            # The web is being started again; the next look will find it.
            pass
        supervisor.wait(0.2)


def print_open_windows(front: LiveWindows, supervisor: Supervisor, voice: Terminal) -> None:
    """Print which windows stay open after this process has ended."""
    try:
        living = supervisor.supervise_during(front.live_windows)
    except NoAnswer as error:
        voice.bad(f"which windows are still open cannot be told: {error}")
        return
    if not living:
        return
    some = "1 window stays" if len(living) == 1 else f"{len(living)} windows stay"
    voice.bad(f"{some} on without us:")
    for window in living:
        voice.line(f"         {_line(window)}")
    voice.line("         nothing ends them until Power Windows runs again; then their deadline does, or")
    voice.line("         `power close ID`. With --close-on-exit they are closed before we leave.")


def _line(window: Mapping[str, Any]) -> str:
    return f"{window['id']}  {window['stack']}  {', '.join(window['services'])}  ({_until(window)})"


def _until(window: Mapping[str, Any]) -> str:
    left, deadline = window.get("ttl_remaining_sec"), window.get("deadline")
    if deadline is None or left is None:
        return str(window["state"])
    return f"{window['state']}, until {deadline}, {durations.show(left)} left"
