"""How the demo speaks: one step per paragraph, every line with the seconds since it began."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

WIDTH = 150


class Narrator:
    """Writes to standard output; colours and a live countdown only on a terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._steps = 0
        self._told = float("inf")

    def step(self, title: str) -> None:
        """Begin a step."""
        self._steps += 1
        self._console.print()
        self._line(Text(f"{self._steps}. {title}", style="bold"))

    def say(self, text: str, style: str = "") -> None:
        self._line(Text(f"   {text}", style=style))

    def good(self, text: str) -> None:
        self.say(f"✓ {text}", "green")

    def bad(self, text: str) -> None:
        self.say(f"✗ {text}", "bold red")

    def plain(self, text: str) -> None:
        """Write the output of another program unchanged."""
        self._console.print(Text(text.rstrip("\n"), style="dim"))

    def typed(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, where: Path | None = None
    ) -> int:
        """Show a command as a user would type it, run it before the reader's eyes, return its exit code."""
        self.say(f"$ {shlex.join([command[0].rsplit('/', 1)[-1], *command[1:]])}", "cyan")
        typed = Popen(
            command, env=environment, cwd=where, stdin=DEVNULL, stdout=self._out(), stderr=STDOUT, text=True
        )
        with typed as run:
            for line in run.stdout or ():
                self.plain(line if len(line) <= WIDTH else f"{line[:WIDTH]}…")
        return run.returncode

    def _out(self) -> int | None:
        # In a pipe a command writes whole records; the beginning of each is enough to follow the story.
        return None if self._console.is_terminal else PIPE

    def countdown(self, left: float, what: str) -> None:
        """Show the time left: in place on a terminal, otherwise every few seconds."""
        if self._console.is_terminal:
            # A carriage return inside a text would be taken out of it.
            self._console.control(Control(ControlType.CARRIAGE_RETURN))
            self._console.print(
                Text(f"{self._clock()}    {left:4.1f} s left for {what} ", style="yellow"), end=""
            )
        elif self._told - left >= 3:
            self._told = left
            self.say(f"{left:.0f} s left for {what}")

    def countdown_over(self) -> None:
        self._told = float("inf")
        if self._console.is_terminal:
            self._console.print()

    def _line(self, text: Text) -> None:
        self._console.print(Text.assemble((self._clock(), "dim"), " ", text))

    def _clock(self) -> str:
        return f"{time.monotonic() - self._began:6.1f} s"
