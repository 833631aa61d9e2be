"""Keys as they are pressed, from a terminal that is given back as it was, whatever happens."""

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

QUIT = frozenset({"q", "Q", "\x1b", "\x03", "\x04"})
GONE = ""
"""Said in place of a key when the terminal has gone."""
_ARROWS = {"\x1b[A": "k", "\x1b[B": "j", "\x1bOA": "k", "\x1bOB": "j"}


@contextmanager
def listen_for_keys(hear: Callable[[str], None]) -> Iterator[None]:
    """Have `hear` called, in a thread, for each key; an arrow is said as `j` or `k`.

    Where standard input is no terminal there are no keys.
    """
    if not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    ends, over = os.pipe()
    listener = threading.Thread(target=_listen, args=(descriptor, ends, hear), daemon=True, name="keys")
    # Keys come one by one and are not echoed; Ctrl-C stays a signal.
    tty.setcbreak(descriptor)
    listener.start()
    try:
        yield
    finally:
        os.close(over)
        listener.join(timeout=1)
        os.close(ends)
        # There may be nothing left to give back.
        with suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _listen(descriptor: int, ends: int, hear: Callable[[str], None]) -> None:
    while True:
        ready, _, _ = select.select([descriptor, ends], [], [])
        if ends in ready:
            return
        read = _read_keys(descriptor)
        if not read:
            hear(GONE)
            return
        for key in [_ARROWS[read]] if read in _ARROWS else _single(read):
            hear(key)


def _read_keys(descriptor: int) -> str:
    """What was pressed; nothing where there is no terminal any more."""
    try:
        return os.read(descriptor, 64).decode(errors="replace")
    except OSError:
        return ""


def _single(read: str) -> list[str]:
    """Several keys at once, but not the pieces of one that is unknown here."""
    return [] if read.startswith("\x1b") and len(read) > 1 else list(read)
