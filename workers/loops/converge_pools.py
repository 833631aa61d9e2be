"""The two thread pools that converge opening windows and closing stacks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from app.domain.enums import Loop
from app.domain.stack_id import StackId
from workers.reconcile.attend import attend_closing, attend_opening
from workers.state.context import WorkerContext

POOL_SIZE = 4
"""Threads of each pool: opening and closing never wait for each other."""


class ConvergePools:
    """Converges windows and stacks in the background; a failure is logged and counted by the guard."""

    def __init__(self, context: WorkerContext, stopping: threading.Event) -> None:
        """Once `stopping` is set, requests are ignored."""
        self._context, self._stopping = context, stopping
        self.opening = ThreadPoolExecutor(POOL_SIZE, "watch-opening")
        self.closing = ThreadPoolExecutor(POOL_SIZE, "watch-closing")

    def open_soon(self, window: str) -> None:
        """Start what the opening window with this id needs."""
        self._submit(self.opening, Loop.OPENING, attend_opening, window)

    def close_soon(self, stack: StackId) -> None:
        """Stop what no live window of this stack holds."""
        self._submit(self.closing, Loop.CLOSING, attend_closing, stack)

    def close(self, *, wait: bool) -> None:
        """Drop what has not begun; `wait` for what has."""
        for pool in (self.opening, self.closing):
            pool.shutdown(wait=wait, cancel_futures=True)

    def _submit(
        self, pool: ThreadPoolExecutor, loop: Loop, work: Callable[[WorkerContext, Any], None], what: str
    ) -> None:
        if not self._stopping.is_set():
            pool.submit(self._context.guard.run, loop, partial(work, self._context, what), what)
