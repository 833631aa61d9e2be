"""The way out: windows that stay on are named, or closed first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.standalone import shutdown
from app.standalone.process_record import Record
from app.standalone.signals import Signals
from app.standalone.supervisor import Supervisor
from app.standalone.terminal import Terminal
from app.standalone.web_client import NoAnswer


class Windows:
    """A web with windows that take a few looks to close; it is away for its first `away` answers."""

    def __init__(self, *ids: str, away: int = 0, looks: int = 2) -> None:
        self.left, self.away, self.closing = dict.fromkeys(ids, looks), away, list[str]()

    def live_windows(self) -> list[dict[str, Any]]:
        self._answer()
        for one in self.closing:
            self.left[one] -= 1
        return [_window(one, one in self.closing) for one, looks in self.left.items() if looks > 0]

    def close(self, window: str) -> None:
        self._answer()
        self.closing.append(window)

    def _answer(self) -> None:
        self.away -= 1
        if self.away >= 0:
            raise NoAnswer("no answer")


def _window(one: str, closing: bool) -> dict[str, Any]:
    return {
        "id": one,
        "stack": "vx11",
        "services": ["switch", "hermes"],
        "state": "closing" if closing else "open",
        "deadline": "2030-01-01T10:00:00.000Z",
        "ttl_remaining_sec": 1793.2,
    }


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Signals() as signals:
        yield Supervisor([], Record(tmp_path / "children.json"), Terminal(tmp_path / "log"), signals)


@pytest.fixture
def voice(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "log")


def test_windows_that_stay_on_are_named(
    supervisor: Supervisor, voice: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    shutdown.print_open_windows(Windows("w-1", "w-2"), supervisor, voice)

    output = capsys.readouterr().out
    assert "2 windows stay on without us" in output
    assert "w-1  vx11  switch, hermes  (open, until 2030-01-01T10:00:00.000Z, 29m 53s left)" in output


def test_nothing_is_said_where_nothing_stays(
    supervisor: Supervisor, voice: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    shutdown.print_open_windows(Windows(), supervisor, voice)

    assert capsys.readouterr().out == ""


def test_a_web_that_is_away_is_no_reason_to_stay(
    supervisor: Supervisor, voice: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    shutdown.print_open_windows(Windows("w-1", away=1), supervisor, voice)

    assert "cannot be told" in capsys.readouterr().out


def test_closing_waits_until_every_window_is_closed(supervisor: Supervisor, voice: Terminal) -> None:
    windows = Windows("w-1", "w-2")

    with Signals() as signals:
        shutdown.close_all(windows, supervisor, signals, voice, seconds=10)

    assert windows.closing == ["w-1", "w-2"]
    assert windows.live_windows() == []


def test_closing_survives_a_web_that_is_started_again(supervisor: Supervisor, voice: Terminal) -> None:
    windows = Windows("w-1", away=2)

    with Signals() as signals:
        shutdown.close_all(windows, supervisor, signals, voice, seconds=10)

    assert windows.closing == ["w-1"]


def test_closing_does_not_wait_for_ever(supervisor: Supervisor, voice: Terminal) -> None:
    stuck = Windows("w-1", looks=10_000)

    with Signals() as signals:
        shutdown.close_all(stuck, supervisor, signals, voice, seconds=0.5)

    assert stuck.closing == ["w-1"]
