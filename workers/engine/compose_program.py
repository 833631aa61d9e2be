"""Which Compose runs here, and the environment that it runs in."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

from app.host import compose_binaries, engine_endpoint
from workers.engine import child_processes


class NoCompose(Exception):
    """Neither `docker compose` nor `docker-compose` runs here."""


@functools.cache
def program() -> tuple[str, ...]:
    """What runs Compose here: Docker's own plugin, the binary beside this Python, or a binary on PATH.

    Each is asked, since a `docker` on PATH says nothing about its plugins, and a plugin may be of a version
    that is not supported. Raises NoCompose.
    """
    python = Path(sys.executable)
    for candidate in compose_binaries.candidates(os.environ, python):
        version = _version(candidate.argv) if candidate.is_there(python) else None
        if version is not None and candidate.accepts(version):
            return candidate.argv
    none = "neither `docker compose` nor `docker-compose` runs here; install the Compose plugin"
    raise NoCompose("; ".join(filter(None, (none, compose_binaries.fault(python)))))


def _version(argv: tuple[str, ...]) -> str | None:
    """What a candidate says of itself; None where it does not run."""
    command = (*argv, "version", "--short")
    try:
        asked = subprocess.run(command, capture_output=True, timeout=10, check=False, env=environment())
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.decode(errors="replace") if asked.returncode == 0 else None


def environment() -> dict[str, str]:
    """Ours, less what would make compose do more than it is told or go to another engine than we look at.

    Raises BadEndpoint.
    """
    kept = child_processes.environment(engine_endpoint.current().environment(os.environ))
    # Compose lives for a moment, and a quarter of its time would go into collecting garbage.
    return {"GOGC": "400"} | kept | {"COMPOSE_REMOVE_ORPHANS": "false", "COMPOSE_IGNORE_ORPHANS": "true"}
