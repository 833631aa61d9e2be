"""Read single keys from the terminal, and restore its mode at the end."""

import os
import re
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

QUIT = frozenset({"q", "Q", "\x1b", "\x03", "\x04"})
CLOSED = ""
"""The value in place of a key when the terminal is closed."""
UP, DOWN, PAGE_UP, PAGE_DOWN = "up", "down", "page up", "page down"
ENTER, ESCAPE, ERASE = frozenset("\r\n"), "\x1b", frozenset({"\x7f", "\b"})
_NAMED = {
    "\x1b[A": UP, "\x1b[B": DOWN, "\x1bOA": UP, "\x1bOB": DOWN, "\x1b[5~": PAGE_UP, "\x1b[6~": PAGE_DOWN,
}  # fmt: skip


_KEY = re.compile(r"\x1b(?:\[[0-9;]*[~A-Za-z]|O[A-Z])?|.", re.DOTALL)


@contextmanager
def listen_for_keys(handle: Callable[[str], None]) -> Iterator[None]:
    """Call `handle` in a thread for each key during the block: a character, or a name such as `UP`.

    Where standard input is no terminal it does nothing.
    """
    if not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    stop_read, stop_write = os.pipe()
    listener = threading.Thread(
        target=_listen, args=(descriptor, stop_read, handle), daemon=True, name="keys"
    )
    # Keys come one by one and are not echoed; Ctrl-C stays a signal.
    tty.setcbreak(descriptor)
    listener.start()
    try:
        yield
    finally:
        os.close(stop_write)
        listener.join(timeout=1)
        os.close(stop_read)
        # The terminal may be closed.
        with suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _listen(descriptor: int, stop_read: int, handle: Callable[[str], None]) -> None:
    while True:
        ready, _, _ = select.select([descriptor, stop_read], [], [])
        if stop_read in ready:
            return
        text = _read_keys(descriptor)
        if not text:
            handle(CLOSED)
            return
        for key in split_keys(text):
            handle(key)


def _read_keys(descriptor: int) -> str:
    """The characters of the pressed keys; empty where the terminal is closed."""
    try:
        return os.read(descriptor, 64).decode(errors="replace")
    except OSError:
        return ""


def split_keys(text: str) -> list[str]:
    """The keys in what was read at once; an escape sequence that has no name here is left out."""
    keys = [_NAMED.get(key, key) for key in _KEY.findall(text)]
    return [key for key in keys if key in _NAMED.values() or len(key) == 1]
