"""What a job needs of the loops that open and close windows."""

from __future__ import annotations

from typing import Protocol

from app.domain.stack_id import StackId


class Converging(Protocol):
    """What hurries the opening and closing of windows in this worker."""

    def open_soon(self, window: str) -> None:
        """Start what the opening window needs."""

    def close_soon(self, stack: StackId) -> None:
        """Stop what no live window of the stack holds."""
