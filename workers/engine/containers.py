"""Containers as the engine describes them, turned into values.

A fault in the description of one container (a label that is not a number, an invalid time, a missing
field) does not affect the values of the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.domain import healthchecks
from app.domain.healthchecks import Healthcheck
from app.domain.readiness import Container

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
WINDOW_LABEL = "power-windows.window"
"""The label with the window for whose run a container has another image than its files say."""
ONEOFF = "com.docker.compose.oneoff"
_NUMBER = "com.docker.compose.container-number"
_HASH = "com.docker.compose.config-hash"
_VERSION = "com.docker.compose.version"
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?")

Raw = Mapping[str, Any]


def container_from_inspection(raw: Raw) -> Container:
    """A container from what the engine says when one is inspected."""
    state, config, host = _part(raw, "State"), _part(raw, "Config"), _part(raw, "HostConfig")
    labels = labels_of(config)
    return Container(
        id=str(raw["Id"]),
        service=labels.get(SERVICE, ""),
        state=str(state["Status"]),
        health=_word(_part(state, "Health").get("Status")),
        exit_code=parse_integer(state.get("ExitCode"), 0),
        restarts=parse_integer(raw.get("RestartCount"), 0),
        oom_killed=bool(state.get("OOMKilled")),
        created_at=moment(raw.get("Created")),
        started_at=moment(state.get("StartedAt")),
        finished_at=moment(state.get("FinishedAt")),
        error=str(state.get("Error") or ""),
        image=str(raw.get("Image") or ""),
        config_hash=labels.get(_HASH, ""),
        window=labels.get(WINDOW_LABEL, ""),
        compose_version=labels.get(_VERSION, "").removeprefix("v"),
        number=parse_integer(labels.get(_NUMBER), 1),
        policy=_word(_part(host, "RestartPolicy").get("Name")),
        grace=_grace(config.get("StopTimeout")),
        ready_within=_ready_within(_part(config, "Healthcheck")),
        networks=_network_ids(raw),
        owners=_owners(host),
        unattached=_missing_network(state, host, raw),
    )


def _networks(raw: Raw) -> Raw:
    return _part(_part(raw, "NetworkSettings"), "Networks")


def _network_ids(raw: Raw) -> frozenset[str]:
    networks = _networks(raw)
    return frozenset(
        network_id for name in networks if (network_id := str(_part(networks, name).get("NetworkID") or ""))
    )


_NAMESPACES = {"NetworkMode": "network", "IpcMode": "ipc", "PidMode": "pid"}


def _owners(host: Raw) -> dict[str, str]:
    """The containers whose namespaces this one uses, by the kind of namespace."""
    pairs = ((word, str(host.get(key) or "").partition(":")) for key, word in _NAMESPACES.items())
    return {word: owner for word, (kind, _, owner) in pairs if kind == "container"}


_WITHOUT = frozenset({"", "none", "host", "default", "bridge"})
"""Network modes under which a container joins no network of a project."""


def _missing_network(state: Raw, host: Raw, raw: Raw) -> str:
    """Why a running container is on no network though it was made to join one."""
    mode = str(host.get("NetworkMode") or "")
    if state.get("Status") != "running" or mode in _WITHOUT or mode.startswith("container:"):
        return ""
    networks = _networks(raw)
    if any(_part(networks, name).get("EndpointID") for name in networks):
        return ""
    return f"it runs, but is attached to no network, and should be on {mode}"


def _ready_within(raw: Raw) -> float | None:
    """By the healthcheck that a container was made with, which may be its image's; times are nanoseconds."""
    if (raw.get("Test") or ["NONE"])[0] == "NONE":
        return None
    seconds = (parse_integer(raw.get(name), 0) / 1e9 for name in ("StartPeriod", "Interval", "Timeout"))
    return healthchecks.ready_timeout(Healthcheck(parse_integer(raw.get("Retries"), 0), *seconds))


def container_from_list(raw: Raw, unreadable: str) -> Container:
    """A container that could not be inspected, from its line in the list; `unreadable` says why."""
    labels = labels_of(raw)
    return Container(
        id=str(raw.get("Id") or ""),
        service=labels.get(SERVICE, ""),
        state=str(raw.get("State") or "running"),
        number=parse_integer(labels.get(_NUMBER), 1),
        unreadable=unreadable,
    )


def labels_of(raw: Raw) -> dict[str, str]:
    """Return the labels of a list entry or a container's configuration; the engine may return null."""
    labels = _part(raw, "Labels")
    return {str(name): str(value) for name, value in labels.items()}


def parse_integer(value: Any, otherwise: int) -> int:
    """A whole number, as a number or in digits; `otherwise` for all else."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return otherwise


def moment(text: Any) -> datetime | None:
    """Parse the engine's RFC 3339 time with nanoseconds, as UTC if no zone is named.

    None for year 1, which means never, and for invalid text.
    """
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[1].startswith("0001-"):
        return None
    digits, zone = (match[2] or "")[:6].ljust(6, "0"), (match[3] or "Z").replace("Z", "+00:00")
    try:
        return datetime.fromisoformat(f"{match[1]}.{digits}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _part(raw: Raw, name: str) -> Raw:
    part = raw.get(name)
    return part if isinstance(part, Mapping) else {}


def _word(value: Any) -> str:
    """The engine's word, which has several spellings for having none."""
    word = str(value or "")
    return "" if word in {"no", "none"} else word


def _grace(value: Any) -> float | None:
    grace = parse_integer(value, -1)
    return float(grace) if grace >= 0 else None


def concerned_container(actor: Raw) -> str:
    """The id of the container that an event is about; one of a network names it as an attribute."""
    attributes = _part(actor, "Attributes")
    # A container's attributes are its labels and always its image.
    container = actor.get("ID") if "image" in attributes else attributes.get("container", actor.get("ID"))
    return str(container or "")


def event_time(event: Mapping[str, Any]) -> datetime | None:
    """Return the time of an engine event; None if the event has none."""
    try:
        return datetime.fromtimestamp(int(event["timeNano"]) / 1e9, UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
