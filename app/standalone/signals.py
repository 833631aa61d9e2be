"""Being asked to stop, and the death of a child, as something a loop can wait for."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
from types import FrameType, TracebackType
from typing import Any, Self

_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """While entered: `asked` counts the signals to stop, and `wait` returns at any signal."""

    def __init__(self) -> None:
        self.asked = 0
        self._reader, self._writer = socket.socketpair()
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup = -1

    def __enter__(self) -> Self:
        for end in (self._reader, self._writer):
            end.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in _STOP:
            # Under nohup a hang-up is nothing to us.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._stop)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _wake)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._reader.close()
        self._writer.close()

    def wait(self, seconds: float) -> None:
        """Sleep, at most so long, until any signal comes."""
        select.select([self._reader], [], [], max(0.0, seconds))
        try:
            self._reader.recv(4096)
        except BlockingIOError:
            return

    def wake(self) -> None:
        """End a `wait` from another thread."""
        # A full buffer will wake it too; a closed one has no reader.
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def _stop(self, _: int, __: FrameType | None) -> None:
        self.asked += 1


def _wake(_: int, __: FrameType | None) -> None:
    """A handler that does nothing: without one the wakeup descriptor is not written to."""
