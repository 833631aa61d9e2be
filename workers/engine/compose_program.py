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
    """Return the words that run Compose here. Raises NoCompose."""
    return _usable()[0]


@functools.cache
def known_version() -> str:
    """Return the version of the Compose that runs here, without a leading `v`; empty where none does."""
    try:
        return _usable()[1].removeprefix("v")
    except (NoCompose, engine_endpoint.BadEndpoint):
        return ""


def _usable() -> tuple[tuple[str, ...], str]:
    python = Path(sys.executable)
    if usable := compose_binaries.first_usable(os.environ, python, _version):
        return usable
    none = "neither `docker compose` nor `docker-compose` runs here; install the Compose plugin"
    raise NoCompose("; ".join(filter(None, (none, compose_binaries.fault(python)))))


def _version(argv: tuple[str, ...]) -> str | None:
    """Return what `version --short` prints; None where the program does not run."""
    command = (*argv, "version", "--short")
    try:
        answer = subprocess.run(command, capture_output=True, timeout=10, check=False, env=environment())
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.decode(errors="replace") if answer.returncode == 0 else None


def environment() -> dict[str, str]:
    """Return the environment of every compose process: it names the worker's engine and keeps orphans.

    Raises BadEndpoint.
    """
    inherited = child_processes.environment(engine_endpoint.current().environment(os.environ))
    # A compose process is short-lived. By default it spends a quarter of its time in garbage collection.
    return {"GOGC": "400"} | inherited | {"COMPOSE_REMOVE_ORPHANS": "false", "COMPOSE_IGNORE_ORPHANS": "true"}
