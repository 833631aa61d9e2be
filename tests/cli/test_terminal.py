"""The command as a person sees it: in a real terminal of 80 columns, through the real entry."""

import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.cli.api_bodies import ON, health, stack, window
from tests.cli.api_bodies import service as compose_service
from tests.cli.service import TOKEN, Service

pytestmark = pytest.mark.integration

WIDTH = 80
POWER = [sys.executable, "-c", "from app.cli import main; main()"]
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A terminal with one command in it."""

    def __init__(self, service: Service, home: Path, *arguments: str, **environ: str) -> None:
        self.master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
        inherited = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS"}}
        given = {"POWER_URL": service.url, "POWER_TOKEN": TOKEN, "HOME": str(home), "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [*POWER, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**inherited, **given, **environ},
        )
        os.close(slave)
        self.raw = ""

    def until(self, text: str, deadline: float = 20) -> None:
        """Read until this is on the screen."""
        end = time.monotonic() + deadline
        while text not in self.text:
            assert time.monotonic() < end, self.text
            self._read()

    def until_after(self, text: str, place: int, deadline: float = 20) -> None:
        """Read until this is drawn once more, after so much had been."""
        end = time.monotonic() + deadline
        while text not in _CONTROL.sub("", self.raw[place:]).replace("\r", ""):
            assert time.monotonic() < end, self.text
            self._read()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            continue
        os.close(self.master)
        return self.process.wait(timeout=10)

    def _read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], 20)
        assert ready, self.text
        try:
            read = os.read(self.master, 65536)
        except OSError:
            # A terminal reports so that its last writer has closed it.
            return False
        self.raw += read.decode()
        return bool(read)

    @property
    def text(self) -> str:
        return _CONTROL.sub("", self.raw).replace("\r", "")


@pytest.fixture
def slow(service: Service) -> Service:
    service.opens_as = window(services=["switch", "hermes"]) | {
        "health": {"switch": ON, "hermes": health("starting", detail="waiting for its healthcheck")}
    }
    return service


def test_an_opening_is_drawn_and_ends_in_one_sentence(slow: Service, tmp_path: Path) -> None:
    terminal = Terminal(slow, tmp_path, "open", "switch", "hermes")
    terminal.until("waiting for its healthcheck")
    slow.add(
        window(state="open", status="ok", services=["switch", "hermes"], health={"switch": ON, "hermes": ON})
    )

    assert terminal.end() == 0
    assert "opening  29m 53s left" in terminal.text
    assert "open: switch, hermes on vx11" in terminal.text


def test_the_time_left_ticks_between_looks(slow: Service, tmp_path: Path) -> None:
    slow.add(slow.opens_as)
    terminal = Terminal(slow, tmp_path, "show", "3f2a9c1d00", "--follow")
    terminal.until("29m 53s left")
    terminal.until("29m 52s left")
    terminal.interrupt()

    assert terminal.end() == 0


def test_interrupting_leaves_the_window_and_says_how_to_close_it(slow: Service, tmp_path: Path) -> None:
    terminal = Terminal(slow, tmp_path, "open", "switch", "hermes")
    terminal.until("waiting for its healthcheck")
    terminal.interrupt()

    assert terminal.end() == 130
    assert "waited 0s" in terminal.text
    text = terminal.text.replace("\n", " ")
    assert "window 3f2a9c1d00 goes on until" in text
    assert "power close 3f2a9c1d00" in text
    assert "Traceback" not in terminal.text
    assert not slow.requests("POST", "/windows/3f2a9c1d00/close")


@pytest.mark.parametrize("command", ["stacks", "ps"])
def test_faults_are_whole_and_red_on_a_terminal(service: Service, tmp_path: Path, command: str) -> None:
    faults = [f"power.toml: stacks.new.core: the compose files have no service {'x' * 90}{at}" for at in "ab"]
    service.stacks = [stack("new", "REJECTED") | {"faults": faults}]
    terminal = Terminal(service, tmp_path, command)

    assert terminal.end() == 0
    text = terminal.text.replace("\n", "")
    assert all("".join(fault.split()) in "".join(text.split()) for fault in faults)
    assert re.search(r"\x1b\[(1;)?31m", terminal.raw)
    assert "\x1b[1;31mREJECTED" in terminal.raw


def test_long_names_are_cut_and_every_line_fits(service: Service, tmp_path: Path) -> None:
    long = "a-service-with-a-name-that-is-longer-than-a-table-cell-expects"
    held = {"holders": ["3f2a9c1d00", "77aa000000"], "time_left_sec": 1793.2, "detail": "exit code 1, " * 9}
    service.stacks = [
        stack("vx11", "OPEN", [compose_service(long, "failing", **held), compose_service("mcp")])
    ]
    terminal = Terminal(service, tmp_path, "ps")

    assert terminal.end() == 0
    lines = terminal.text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert any(
        line.startswith("a-service-with") and "failing" in line and "29m 53s" in line for line in lines
    )
    assert "…" in terminal.text


def test_watching_shows_a_change_and_ends_when_one_looks_away(service: Service, tmp_path: Path) -> None:
    service.stacks = [stack("vx11", "SOLO_CORE", [compose_service("mcp")])]
    terminal = Terminal(service, tmp_path, "ps", "--watch")
    terminal.until("SOLO_CORE")
    service.wait_for_listener()
    service.stacks = [stack("vx11", "OPEN", [compose_service("mcp", "on")])]
    service.say("1", {"event": "service.ready"})
    terminal.until("OPEN")
    terminal.interrupt()

    assert terminal.end() == 0
    assert "Traceback" not in terminal.text


def test_colour_can_be_switched_off(service: Service, tmp_path: Path) -> None:
    service.stacks = [stack("vx11", "OPEN", [compose_service("mcp", "on")])]
    coloured, plain = (Terminal(service, tmp_path, "ps", **more) for more in ({}, {"NO_COLOR": "1"}))

    assert (coloured.end(), plain.end()) == (0, 0)
    assert "\x1b[32m" in coloured.raw
    assert "\x1b[32m" not in plain.raw


def test_a_terminal_that_cannot_be_drawn_on_gets_lines(slow: Service, tmp_path: Path) -> None:
    slow.course("3f2a9c1d00", {"state": "open", "status": "ok", "health": {"switch": ON, "hermes": ON}})
    terminal = Terminal(slow, tmp_path, "open", "switch", "hermes", TERM="dumb")

    assert terminal.end() == 0
    assert "window  3f2a9c1d00  opening\n" in terminal.text
    assert "\x1b" not in terminal.raw


def test_a_refusal_breaks_between_words(service: Service, tmp_path: Path) -> None:
    service.refuse("POST", "/windows", 403, detail="word " * 40)
    terminal = Terminal(service, tmp_path, "open", "switch")

    assert terminal.end() == 4
    assert max(map(len, terminal.text.splitlines())) <= WIDTH
    assert "wor\n" not in terminal.text


def test_in_a_pipe_there_is_no_colour_and_nothing_is_cut(service: Service, tmp_path: Path) -> None:
    service.add(window(reason="long " * 40))
    environ = {**os.environ, "POWER_URL": service.url, "POWER_TOKEN": TOKEN, "HOME": str(tmp_path)}
    ended = subprocess.run([*POWER, "windows"], env=environ, capture_output=True, text=True, check=True)

    assert ended.stdout.rstrip().endswith("long " * 39 + "long")
    assert "\x1b" not in ended.stdout
    assert "\t" not in ended.stdout


def test_a_reader_that_leaves_early_is_no_fault(service: Service, tmp_path: Path) -> None:
    service.add(*(window(f"w{number:04}", reason="x" * 200) for number in range(500)))
    environ = {**os.environ, "POWER_URL": service.url, "POWER_TOKEN": TOKEN, "HOME": str(tmp_path)}
    with subprocess.Popen(
        [*POWER, "windows", "--limit", "500"],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
