"""The services of Power Windows itself, which no window may start or stop.

A service is one of them where its definition carries the label, where this worker's own container
belongs to it, or where the engine has it with the label in the same project. Such a service may be
core, since core services are never started or stopped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from workers.engine import containers
from workers.engine.client import Engine
from workers.engine.negotiation import Unable

LABEL = "power-windows.controller"
"""Every service of the top-level docker-compose.yml carries it."""
_MOUNTS = Path("/proc/self/mountinfo")
_OWN_FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
"""The files that the engine mounts into each container, from that container's own folder."""
_CONTAINER_FOLDER = re.compile(r"/containers/([0-9a-f]{64})/[^/]+$")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The Compose project and service that this very process runs in, and our services beside it."""

    project: str
    service: str
    ours: frozenset[str]


def faults(
    key: str, project: str, allowed: list[str], config: Mapping[str, Any], around: Surroundings | None
) -> Iterator[str]:
    """One line for each allowed service that is ours."""
    for service in allowed:
        if why := _why(project, service, config["services"].get(service) or {}, around):
            yield f"{key}.allow: {service} {why}; Power Windows does not power itself: take it out"


def _why(project: str, service: str, raw: Mapping[str, Any], around: Surroundings | None) -> str:
    if _has_label(raw.get("labels") or {}):
        return f"carries the label {LABEL}"
    if around is None or around.project != project:
        return ""
    if around.service == service:
        return "is what this worker itself runs in"
    return f"belongs to the project {project} that this worker runs in" if service in around.ours else ""


def _has_label(labels: Mapping[str, Any]) -> bool:
    return str(labels.get(LABEL, "false")).lower() != "false"


def surroundings() -> Surroundings | None:
    """Where this process runs; None outside of Compose, and while the engine does not answer."""
    container = inside(_MOUNTS)
    return _describe(container) if container else None


def inside(mounts: Path) -> str | None:
    """The id of the container that this process runs in, by the files that the engine mounts into each.

    A host's own list names containers too: their shared memory, and their files under the folder of
    their root. Only a mount *at* one of the files belongs to this process.
    """
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    return next((container for line in lines if (container := _mounted_from(line.split()))), None)


def _mounted_from(fields: list[str]) -> str | None:
    """The container whose folder one line of mountinfo (its fields) mounts one of the files from."""
    if len(fields) < 5 or fields[4] not in _OWN_FILES:
        return None
    folder = _CONTAINER_FOLDER.search(fields[3])
    return folder.group(1) if folder else None


def _describe(container: str) -> Surroundings | None:
    try:
        return _ask_engine(container)
    except Unable:
        return None


@cache
def _ask_engine(container: str) -> Surroundings | None:
    """Asked once: a container's labels never change. Raises what the engine raises while it is away."""
    asked = Engine()
    try:
        labels = asked.labels(container)
        project, service = labels.get(containers.PROJECT), labels.get(containers.SERVICE)
        if not project or not service:
            return None
        return Surroundings(project, service, frozenset(asked.services_with(project, f"{LABEL}=true")))
    finally:
        asked.close()
