"""Reads both streams of a child process while it runs, and waits for its end."""

from __future__ import annotations

import codecs
import io
import os
import selectors
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO

READ_SIZE = 64 * 1024
"""Bytes that are read at once, at most."""
LONGEST_WAIT = 3600.0
"""Seconds of one wait for output; a longer timeout is several of them.

The kernel takes no wait of more than 2**31 milliseconds.
"""
_LAST_WORDS = 2.0
"""Seconds that the output of a killed child is read for."""

PrintText = Callable[[str], object]
"""Called with each piece of output, in the thread that reads it. It must neither wait nor raise."""


class _Stream:
    """What one stream of a child has printed, as text with line breaks as Python has them."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file
        self._decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder("utf-8")("replace"), translate=True
        )
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """Everything that was read."""
        return "".join(self._pieces)

    def read(self) -> str | None:
        """Return the next piece; None at the end of the stream."""
        data = os.read(self.file.fileno(), READ_SIZE)
        piece = self._decoder.decode(data, final=not data)
        self._pieces.append(piece)
        return piece if data else None


class ChildOutput:
    """The output and the errors of one child process with pipes for both."""

    def __init__(self, child: subprocess.Popen[str], print_text: PrintText | None = None) -> None:
        """`print_text` gets the pieces of both streams in the order in which they come, if it is not None."""
        assert child.stdout
        assert child.stderr
        self._child, self._print_text = child, print_text
        self._stdout, self._stderr = _Stream(child.stdout), _Stream(child.stderr)
        self._open = [self._stdout, self._stderr]

    @property
    def texts(self) -> tuple[str, str]:
        """What was read so far, output and errors."""
        return self._stdout.text, self._stderr.text

    def read_to_end(self, until: float) -> None:
        """Read until the child has ended; raise TimeoutExpired at `until`, a reading of `time.monotonic`."""
        with selectors.DefaultSelector() as selector:
            for stream in self._open:
                selector.register(stream.file, selectors.EVENT_READ, stream)
            while selector.get_map():
                for key, _ in selector.select(min(self._time_left(until), LONGEST_WAIT)):
                    if not self._read(key.data):
                        selector.unregister(key.fileobj)
        while self._child.poll() is None:
            left = self._time_left(until)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(min(left, LONGEST_WAIT))

    def read_last_words(self) -> None:
        """Read what a killed child had printed; what another process keeps open is left after two seconds."""
        with suppress(subprocess.TimeoutExpired):
            self.read_to_end(time.monotonic() + _LAST_WORDS)

    def close(self) -> None:
        """Close both pipes."""
        for stream in (self._stdout, self._stderr):
            stream.file.close()

    def _read(self, stream: _Stream) -> bool:
        """Read one piece; False at the end of the stream."""
        piece = stream.read()
        if piece is None:
            self._open.remove(stream)
            return False
        if self._print_text:
            self._print_text(piece)
        return True

    def _time_left(self, until: float) -> float:
        left = until - time.monotonic()
        if left <= 0:
            raise subprocess.TimeoutExpired(self._child.args, 0)
        return left
