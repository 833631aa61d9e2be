"""Every command with an output that takes nothing, and with arguments that are no text: one line each.

Each is a process of its own, since only there is a standard stream really full, closed or left.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.test_front import CommandLine, command_line

pytestmark = pytest.mark.integration

__all__ = ["command_line"]
POWER = str(Path(sys.executable).with_name("power"))
COMMANDS = (
    "--help",
    "--version",
    "open --help",
    "completion bash",
    "stacks",
    "stacks --json",
    "ps",
    "ps --json",
    "windows",
    "windows --json",
    "show WINDOW",
    "show WINDOW --json",
    "open forge --no-wait",
    "open forge --json",
    "open forge --plan",
    "extend WINDOW --ttl 30m",
    "close WINDOW --no-wait",
    "watch --window WINDOW",
    "watch --window WINDOW --json",
    "top",
    "audit",
    "audit --json",
    "audit --follow",
    "audit verify",
    "audit verify --json",
    "token list",
    "notices --json",
    "doctor",
    "doctor --json",
)


class Terminal:
    """Runs `power` as a shell would."""

    def __init__(self, command_line: CommandLine, tmp_path: Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("POWER_")}
        given = {name: value for name, value in command_line.environ.items() if value is not None}
        self.environ = {**inherited, **given, "POWER_DATA_DIR": str(tmp_path / "data"), "HOME": str(tmp_path)}
        assert command_line.power("open", "forge", "--no-wait").exit_code == 0
        self.window = command_line.power("windows", "--json").output.partition('"id": "')[2].partition('"')[0]

    def run(self, line: str, redirected: str = "", *more: str) -> tuple[int, str]:
        """The exit code, and what it says on its errors, of a line of shell."""
        words = f'"$0" {line.replace("WINDOW", self.window)} "$@" {redirected}'
        argv = ["bash", "-c", words, POWER, *more]
        done = subprocess.run(
            argv, env=self.environ, capture_output=True, text=True, errors="replace", timeout=60, check=False
        )
        return done.returncode, done.stderr


@pytest.fixture
def terminal(command_line: CommandLine, tmp_path: Path) -> Terminal:
    return Terminal(command_line, tmp_path)


def lines(output: str) -> Sequence[str]:
    assert "Traceback" not in output
    assert "Exception ignored" not in output
    return [line for line in output.splitlines() if line]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_that_takes_nothing_is_one_line(terminal: Terminal, command: str) -> None:
    for redirected, why in ((">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")):
        code, output = terminal.run(command, redirected)

        assert (code, lines(output)[-1:]) == (1, [f"power: the output cannot be written: {why}"]), redirected


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_gone_ends_it_without_a_word(terminal: Terminal, command: str) -> None:
    # It is gone before anything is written, so that no chance decides.
    reading, writing = os.pipe()
    os.close(reading)
    try:
        argv = [POWER, *command.replace("WINDOW", terminal.window).split()]
        done = subprocess.run(
            argv,
            env=terminal.environ,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, lines(done.stderr)) == (1, [])


def test_without_an_output_the_exit_code_is_the_same(terminal: Terminal) -> None:
    assert [terminal.run("open nothing", end)[0] for end in ("", "2>/dev/full", "2>&-")] == [4, 4, 4]


def test_without_an_input_it_works(terminal: Terminal) -> None:
    assert terminal.run("top", "<&- >/dev/null") == (0, "")


STRAY = b"caf\xe9"
TEXTS = (
    "open forge --no-wait --reason",
    "open --no-wait",
    "open forge --no-wait -s",
    "close WINDOW --no-wait --reason",
    "close",
    "extend --ttl 5m",
    "extend WINDOW --ttl",
    "show",
    "logs",
    "ps",
    "windows -s",
    "windows --state",
    "watch --window",
    "audit --actor",
    "audit --window",
    "token create --wake studio/forge",
    "token create nginx --wake",
    "token revoke",
    "notices --state",
    "completion",
    "standalone --config",
    "audit archive --to /tmp/x --before",
    "",
)


@pytest.mark.parametrize("command", TEXTS)
def test_an_argument_with_a_stray_byte_is_one_clear_line(terminal: Terminal, command: str) -> None:
    argv: list[bytes | str] = [POWER, *command.replace("WINDOW", terminal.window).split(), STRAY]
    done = subprocess.run(
        argv, env=terminal.environ, capture_output=True, text=True, errors="replace", timeout=60, check=False
    )
    stderr_lines = lines(done.stderr)

    assert done.returncode in {1, 2, 4}, done.stdout
    assert "caf" in stderr_lines[-1]


@pytest.mark.parametrize(
    "reason", ["\x1b[31mred", "two\nlines", "tab\there", "bell\x07", "ü → ok", "x" * 500]
)
def test_a_reason_with_any_characters_is_kept_and_shown_harmlessly(terminal: Terminal, reason: str) -> None:
    code, output = terminal.run("open forge --no-wait --reason", "", reason)
    assert (code, output) == (0, "")
    done = subprocess.run(
        [POWER, "windows"], env=terminal.environ, capture_output=True, text=True, check=True
    )
    assert not any(sign in done.stdout for sign in "\x1b\x07")


def test_a_reason_that_is_too_long_names_the_limit(terminal: Terminal) -> None:
    code, output = terminal.run("open forge --no-wait --reason", "", "x" * 501)
    assert code == 4
    assert "500" in lines(output)[0]
