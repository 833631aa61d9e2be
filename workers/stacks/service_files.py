"""One service of a kept configuration, in a compose file of its own.

Compose reads and checks every service of a file at each call: 0.26 s of processor time
for 200 services, 0.04 s for one. So each start reads a file with the one service and
those whose namespaces, volumes or links it shares. Dependencies are left out: they are
started in waves of our own (`--no-deps`), and neither the configuration hash nor the
labels of a container that is started so depend on them.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.host import private_files
from workers.engine.compose import ComposeFiles

ServiceConfig = Mapping[str, Any]
_SHARED_BY = ("network_mode", "ipc", "pid", "cgroup")
"""Keys that may say `service:NAME`."""
_READINGS = 64
"""Kept configurations that stay parsed, over all stacks."""


def place_of(place: ComposeFiles, service: str, external: frozenset[str] = frozenset()) -> ComposeFiles:
    """The same stack with only what this service needs; the stack as it is where nothing was kept of it.

    `external`: what exists already, as `networks.NAME` and `volumes.NAME`; Compose only uses it then.
    """
    if place.accepted is None:
        return place
    mark = hashlib.sha256(" ".join(sorted(external)).encode()).hexdigest()[:8]
    path = place.accepted.with_suffix("") / f"{service}@{mark}.json"
    if not path.exists():
        private_files.replace(path, json.dumps(only(_config(place.accepted), service, external)))
    return replace(place, files=(str(path),))


def networks_of(place: ComposeFiles, service: str) -> set[str] | None:
    """The networks a service joins, by their names in the files; None where that is not known."""
    if place.accepted is None:
        return None
    return set(_config(place.accepted)["services"][service].get("networks") or {})


def only(config: ServiceConfig, service: str, external: Collection[str] = ()) -> dict[str, Any]:
    """The configuration with this service, what it refers to, and every top-level element."""
    names = _referred_to(config["services"], service)
    services = {name: _without_others(config["services"][name], names) for name in sorted(names)}
    shared = {
        kind: _existing(config[kind], kind, external) for kind in ("networks", "volumes") if kind in config
    }
    return {**config, **shared, "services": services}


def _existing(
    section: Mapping[str, ServiceConfig], kind: str, external: Collection[str]
) -> dict[str, ServiceConfig]:
    return {
        name: {"name": raw["name"], "external": True} if f"{kind}.{name}" in external else raw
        for name, raw in section.items()
    }


def _without_others(raw: ServiceConfig, names: set[str]) -> dict[str, Any]:
    left = {name: how for name, how in (raw.get("depends_on") or {}).items() if name in names}
    return {**{key: value for key, value in raw.items() if key != "depends_on"}, "depends_on": left}


def _referred_to(services: Mapping[str, ServiceConfig], service: str) -> set[str]:
    names: set[str] = set()
    todo = [service]
    while todo:
        name = todo.pop()
        if name not in names and name in services:
            names.add(name)
            todo.extend(_references(services[name]))
    return names


def namespace_owners(raw: ServiceConfig) -> Iterator[str]:
    """The services whose namespaces this one uses."""
    for key in _SHARED_BY:
        kind, _, name = str(raw.get(key) or "").partition(":")
        if kind == "service":
            yield name


def names_containers(raw: ServiceConfig) -> bool:
    """Does Compose replace names of services in its definition with ids of their containers?"""
    return any(namespace_owners(raw)) or bool(raw.get("volumes_from"))


def _references(raw: ServiceConfig) -> Iterator[str]:
    """The services whose containers this one cannot be created without."""
    yield from namespace_owners(raw)
    for volumes in raw.get("volumes_from") or []:
        yield str(volumes).partition(":")[0]
    for link in raw.get("links") or []:
        yield str(link).partition(":")[0]


@functools.lru_cache(maxsize=_READINGS)
def _config(file: Path) -> ServiceConfig:
    """Read an accepted file. It is cached, since its name contains the digest of its content."""
    config: ServiceConfig = json.loads(file.read_text())
    return config
