"""What every process that a worker starts has in common: it dies with its parent, and what it is told.

Variables of a parent fill in the compose files that a child reads, so what the worker itself is told
must not be among them. The list of those is here.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Collection, Mapping

_PREFIXES = (
    "POWER_",
    "COMPOSE_",
    "CELERY_",
    "FLOWER_",
    "GUNICORN_",
    "OTEL_",
    "REDISCLI_",
    "VALKEYCLI_",
    "LISTEN_",
)
"""What settings of this product, of its libraries and of Compose begin with."""
_NAMES = frozenset(
    {"PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGDATABASE", "PGSERVICE", "PGSERVICEFILE",
     "NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM", "INVOCATION_ID", "WATCHDOG_PID",
     "WATCHDOG_USEC", "WEB_CONCURRENCY", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
)  # fmt: skip
_withheld: set[str] = set()


def withhold(names: Collection[str]) -> None:
    """Keep these variables from every child too: power.toml takes secrets of the worker from them."""
    _withheld.update(names)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """This environment, less what a child is not told."""
    hidden = _NAMES | _withheld
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(_PREFIXES) and name not in hidden
    }


@functools.cache
def dying_with_us() -> tuple[str, ...]:
    """What stands before a command line whose process is to die with the thread that started it."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def kill_family(child: subprocess.Popen[str]) -> None:
    """Kill a child that has a process group of its own, with all of that."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
