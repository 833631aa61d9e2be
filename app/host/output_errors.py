"""What becomes of a command whose output cannot be written: a full disk, a reader that left, a closed stream.

A reader that has gone has seen enough, so the command ends without a word. Anything else is
one line on standard error. Either way the exit code is 1, and never a traceback.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FAILED = 1
_STREAMS = (0, 1, 2)


@contextmanager
def guard_output() -> Iterator[None]:
    """Let a command write; raises SystemExit in place of what its output raises."""
    _occupy()
    try:
        try:
            yield
        finally:
            # A failure to write what is still in the buffer counts too, and shows only now.
            sys.stdout.flush()
    except OSError as error:
        discard()
        if error.errno != errno.EPIPE:
            _tell(error)
        raise SystemExit(FAILED) from None


def discard() -> None:
    """Discard all further output, and the content of the buffers."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        sys.stdout.flush()


def _occupy() -> None:
    """Open the null device for each standard stream that is closed.

    Otherwise the next file or connection would get the number of the stream and receive its output.
    """
    for number in _STREAMS:
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is the one that is given. It can be read and not written to.
            os.open(os.devnull, os.O_RDONLY)
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115


def _tell(error: OSError) -> None:
    why = error.strerror or str(error)
    message = f"{error.filename}: {why}" if error.filename else f"the output cannot be written: {why}"
    with suppress(OSError, ValueError):
        sys.stderr.write(f"power: {message}\n")
        sys.stderr.flush()
