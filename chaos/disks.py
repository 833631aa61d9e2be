"""Small disks in memory, which can be filled to the brim and freed again."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from pathlib import Path

_BALLAST = "ballast"


class Disk:
    """A tmpfs of its own, mounted for as long as the run lasts."""

    def __init__(self, at: Path, megabytes: int) -> None:
        self.at = at
        at.mkdir(parents=True)
        options = f"size={megabytes}m,mode=755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "chaos", str(at)], check=True)

    def fill(self) -> None:
        """Write until nothing more goes in."""
        with (self.at / _BALLAST).open("ab", buffering=0) as ballast:
            for size in (1 << 20, 1 << 12):
                _pour(ballast.fileno(), bytes(size))

    def free(self) -> None:
        (self.at / _BALLAST).unlink(missing_ok=True)

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self.free()
        subprocess.run(["umount", "-l", str(self.at)], check=False, capture_output=True)


def _pour(descriptor: int, some: bytes) -> None:
    try:
        while os.write(descriptor, some) == len(some):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
