"""`power top`: in screens of several sizes, with keys, without a service for a while, and in a pipe."""

from __future__ import annotations

import os
import signal
import struct
import termios
from dataclasses import replace
from fcntl import ioctl
from pathlib import Path

import pytest
from rich.text import Text

from app.cli import keyboard, top_view
from app.cli.top import Board
from app.cli.top_view import TopScreen
from power_windows.discovery import Target
from power_windows.rest import Api
from tests.cli.api_bodies import ON, entry, stack, window
from tests.cli.api_bodies import service as compose_service
from tests.cli.conftest import Power
from tests.cli.service import TOKEN, Service
from tests.cli.test_terminal import Terminal

pytestmark = pytest.mark.integration

ID = "3f2a9c1d00"


@pytest.fixture(autouse=True)
def _one_window(service: Service) -> None:
    held = compose_service("switch", "on", holders=[ID], time_left_sec=1793.2)
    service.stacks = [
        stack("vx11", "OPEN", [compose_service("redis", "on", role="core"), held, compose_service("mcp")])
    ]
    service.add(window(state="open", status="ok", health={"switch": ON}, reason="batch 7"))


def scene(
    service: Service, *, events: int = 0, lost: float | None = None, chosen: str | None = None
) -> TopScreen:
    lines = [Text(f"10:00:0{number}  {'x' * 200}") for number in range(events)]
    windows = list(service.windows.values())
    return TopScreen("http://127.0.0.1:8420", service.stacks, windows, lines, 1.0, lost, chosen, "")  # type: ignore[arg-type]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 24), (200, 60), (40, 8), (20, 5)])
def test_a_picture_fills_the_screen_and_no_more(service: Service, width: int, height: int) -> None:
    service.stacks[0]["services"] += [compose_service(f"another-service-{number}") for number in range(40)]
    service.add(*(window(f"w{number}", state="open") for number in range(5)))

    lines = top_view.screen_lines(scene(service, events=9, chosen=ID), width, height)

    assert len(lines) == height
    assert lines[-1].plain.startswith("↑↓")
    assert "more lines" in "".join(line.plain for line in lines) or height in {5, 60}


def test_what_does_not_fit_is_scrolled_to(service: Service) -> None:
    service.stacks[0]["services"] += [compose_service(f"another-{number:02}") for number in range(40)]
    service.add(*(window(f"w{number:02}", state="open") for number in range(30)))
    screen = replace(scene(service, chosen="w29"), scroll=top_view.Scroll(first=999))

    text = "\n".join(line.plain for line in top_view.screen_lines(screen, 80, 24))

    assert "another-39" in text
    assert "another-00" not in text
    assert "0 more lines, " in text
    assert "w29" in text
    assert screen.scroll.first == 45 - screen.scroll.page


@pytest.mark.parametrize(
    ("pattern", "seen", "unseen"),
    [
        ("MCP", ["mcp"], ["switch", "redis", "batch 7"]),
        ("batch", ["batch 7", ID[:8]], ["redis"]),
        ("vx11", ["redis", "mcp", "batch 7"], []),
        ("nosuch", ["no windows"], ["redis", "mcp"]),
    ],
)
def test_a_filter_leaves_what_contains_it(
    service: Service, pattern: str, seen: list[str], unseen: list[str]
) -> None:
    screen = replace(scene(service), pattern=pattern)

    text = "\n".join(line.plain for line in top_view.screen_lines(screen, 80, 24))

    assert [one for one in seen if one not in text] == []
    assert [one for one in unseen if one in text] == []
    assert f"filter: {pattern}" in text


def test_keys_in_one_read_stay_separate() -> None:
    text = "q\r\x1b[B\x1bOA\x1b[5~\x1b[1;5Cx\x1b"

    assert keyboard.split_keys(text) == [
        "q", "\r", keyboard.DOWN, keyboard.UP, keyboard.PAGE_UP, "x", keyboard.ESCAPE,
    ]  # fmt: skip


def test_keys_type_a_filter_and_scroll(service: Service) -> None:
    board = Board(Api(Target(service.url, TOKEN)))
    board.reload()
    for key in ["/", *"switq", keyboard.DOWN, "\x7f", "ch", "c", "\r", "j"]:
        board.press(key)
    assert (board.pattern, board.chosen, board.leaving.is_set()) == ("switc", ID, False)

    board.press("/")
    board.press("z")
    assert (board.screen().message, board.chosen) == ("filter: switcz_", None)
    for key in ["\r", keyboard.ESCAPE, keyboard.PAGE_DOWN, keyboard.PAGE_DOWN, keyboard.PAGE_UP]:
        board.press(key)
    assert (board.pattern, board.scroll.first, board.leaving.is_set()) == ("", 1, False)

    board.press("q")
    assert board.leaving.is_set()


def test_a_narrow_screen_says_less_rather_than_cutting(service: Service) -> None:
    text = "\n".join(line.plain for line in top_view.screen_lines(scene(service), 40, 24))
    assert "29m" in text
    assert "HELD BY" not in text
    assert "…" not in text


def test_what_is_shown_while_the_connection_is_lost_is_called_old(service: Service) -> None:
    first, *_ = top_view.screen_lines(scene(service, lost=12.0), 80, 24)
    assert first.plain == "connection lost 12s ago, trying again; last known state:"


def test_in_a_pipe_it_is_shown_once_and_whole(power: Power) -> None:
    result = power("top")

    assert result.exit_code == 0
    assert f"switch   on     yes    29m53s  {ID}" in result.stdout
    assert "batch 7" in result.stdout
    assert "\x1b" not in result.stdout


def test_an_unreachable_server_is_three(power: Power) -> None:
    assert power("top", POWER_URL="http://127.0.0.1:9").exit_code == 3


def press(terminal: Terminal, keys: str) -> None:
    os.write(terminal.master, keys.encode())


def restored(terminal: Terminal) -> bool:
    """Has the other screen been left, with the cursor to be seen?"""
    return "\x1b[?1049l" in terminal.raw and "\x1b[?25h" in terminal.raw


def test_changes_are_shown_as_they_happen_and_q_leaves(service: Service, tmp_path: Path) -> None:
    terminal = Terminal(service, tmp_path, "top")
    terminal.until("OPEN")
    service.wait_for_listener()
    service.say("1", entry(1, "service.failing", window=ID, service="switch", facts={"detail": "exit 1"}))
    terminal.until("switch failing: exit 1")
    terminal.until("29m 51s")
    press(terminal, "q")

    assert terminal.end() == 0
    assert restored(terminal)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_terminal_as_it_was(
    service: Service, tmp_path: Path, number: signal.Signals
) -> None:
    terminal = Terminal(service, tmp_path, "top")
    before = termios.tcgetattr(terminal.master)[3]
    terminal.until("quit")
    terminal.process.send_signal(number)

    assert terminal.process.wait(20) == 0
    assert termios.tcgetattr(terminal.master)[3] == before
    terminal.end()
    assert restored(terminal)
    assert "Traceback" not in terminal.text


def test_a_window_is_closed_only_after_a_yes(service: Service, tmp_path: Path) -> None:
    terminal = Terminal(service, tmp_path, "top")
    terminal.until("quit")
    press(terminal, "\x1b[B")
    terminal.until("x close")
    press(terminal, "x")
    terminal.until("(y/n)")
    press(terminal, "n")
    terminal.until("nothing was done")
    assert not service.requests("POST", f"/windows/{ID}/close")
    press(terminal, "x")
    press(terminal, "y")
    terminal.until("closing")
    press(terminal, "q")

    assert terminal.end() == 0
    assert len(service.requests("POST", f"/windows/{ID}/close")) == 1


def test_a_window_is_given_its_own_time_again(service: Service, tmp_path: Path) -> None:
    terminal = Terminal(service, tmp_path, "top")
    terminal.until("quit")
    press(terminal, "j")
    press(terminal, "e")
    terminal.until("30m from now?")
    press(terminal, "y")
    terminal.until("30m ")
    press(terminal, "q")

    assert terminal.end() == 0
    assert service.requests("PATCH", f"/windows/{ID}")[0].body == {"ttl_sec": 1800}


def test_a_service_that_goes_away_is_reported_and_found_again(service: Service, tmp_path: Path) -> None:
    terminal = Terminal(service, tmp_path, "top")
    terminal.until("quit")
    service.refuse("GET", "/stacks", 503, detail="starting")
    service.wait_for_listener()
    service.say("1", entry(1))
    terminal.until("connection lost")
    service.refusals.clear()
    seen = len(terminal.raw)
    terminal.until_after("power top", seen)
    press(terminal, "q")

    assert terminal.end() == 0


def test_another_size_is_taken_up(service: Service, tmp_path: Path) -> None:
    terminal = Terminal(service, tmp_path, "top")
    terminal.until("HELD BY")
    ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    seen = len(terminal.raw)
    terminal.until_after("SERVICE  POWER  LEFT", seen)
    press(terminal, "q")

    assert terminal.end() == 0


def test_a_terminal_that_goes_away_ends_it(service: Service, tmp_path: Path) -> None:
    terminal = Terminal(service, tmp_path, "top")
    terminal.until("quit")
    os.close(terminal.master)

    terminal.process.wait(20)
