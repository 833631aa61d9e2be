"""Child processes of a worker: their environment, and how one is killed and discarded.

A child dies with the thread that started it. A compose file takes variables from the environment of
the process that reads it, so the environment leaves out the variables of the worker itself.
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
    """Leave these variables out of every child's environment too: they hold secrets of the worker."""
    _withheld.update(names)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` without the variables that no child may have."""
    hidden = _NAMES | _withheld
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(_PREFIXES) and name not in hidden
    }


@functools.cache
def dying_with_us() -> tuple[str, ...]:
    """Return the words before a command line whose process has to die with the thread that started it."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def kill_family(child: subprocess.Popen[str]) -> None:
    """Kill a child that has a process group of its own, with all of that."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def discard(child: subprocess.Popen[str]) -> None:
    """Kill a child whose output is no longer read, and close its pipes."""
    kill_family(child)
    for pipe in (child.stdout, child.stderr):
        if pipe:
            pipe.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=2)
