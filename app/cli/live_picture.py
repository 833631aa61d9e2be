"""One picture on the terminal that is redrawn while things change, and removed at the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from app.cli import output

FRAMES_PER_SECOND = 4
"""Redraws per second, enough for a countdown of seconds."""


class LivePicture:
    """Redraws `lines` while it is entered. A subclass says what they are, and draws once while it is made."""

    def __init__(self) -> None:
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

    def lines(self, width: int) -> Iterable[Text]:
        """Return the picture's lines for a terminal of so many columns."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Redraw the picture now."""
        self._live.refresh()

    def _draw(self) -> Group:
        return output.group(self.lines(self._console.width))
