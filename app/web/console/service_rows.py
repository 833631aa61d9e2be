"""One service as one line of a page: its power, what it is ready for or why not, its holder, its actions."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain import planning
from app.domain.enums import Power, Role
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId

_MOVING = {Power.STARTING, Power.STOPPING}
_RUNS = {Power.ON, Power.DONE}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_TLS_PORTS = {"443", "8443"}
_DOWN = {Power.OFF, Power.FAILING}
_TROUBLED = {Power.FAILING, Power.UNKNOWN}


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """What one line shows."""

    stack: StackId
    name: str
    role: Role
    power: Power
    ready: bool
    why: str
    """What it is ready for, or why it is not ready; empty where there is nothing to say."""
    is_wrong: bool
    """Whether `why` names a fault."""
    holder: dict[str, Any] | None
    """The window that holds it and ends last, as JSON."""
    others: int
    """How many more windows hold it."""
    memory: int | None
    """Bytes in use."""
    may_open: bool
    key: str
    """The idempotency key of the forms of this line."""
    is_outdated: bool
    """Whether it runs an older definition than the compose files have."""
    links: list[str]
    """The addresses at which a browser reaches its published ports."""

    @property
    def rank(self) -> int:
        """The place of the line: faults first, then what moves or is held, then what is off, then core."""
        if self.is_wrong or self.power in _TROUBLED:
            return 0
        if self.role is Role.CORE:
            return 3
        return 1 if self.holder or self.power is not Power.OFF else 2

    @property
    def is_quiet(self) -> bool:
        """Whether nothing about the service needs attention now."""
        return self.rank >= 2


def service_rows(
    stack: Mapping[str, Any],
    spec: StackSpec,
    windows: Mapping[str, dict[str, Any]],
    memory: Mapping[tuple[StackId, str], int],
    host: str = "",
) -> list[ServiceRow]:
    """The lines of one stack as JSON, in their order; `windows` are by id, `memory` is in bytes.

    `host` is the name by which the browser reaches the stack's node; empty where that is not known.
    """
    powers = {one["name"]: one["power"] for one in stack["services"]}
    # A form that is sent twice opens one window.
    key = secrets.token_hex(12)
    rows = []
    for number, service in enumerate(stack["services"]):
        if service["role"] == Role.NONE and service["power"] == Power.OFF:
            continue
        holders = [windows[one] for one in service["holders"] if one in windows]
        holder = last_ending(holders)
        why, is_wrong = _why(service, holder, _core_that_is_down(spec, service["name"], powers))
        rows.append(
            ServiceRow(
                stack=stack["name"],
                name=service["name"],
                role=Role(service["role"]),
                power=Power(service["power"]),
                ready=service["ready"],
                why=why,
                is_wrong=is_wrong,
                holder=holder,
                others=max(0, len(holders) - 1),
                memory=memory.get((stack["name"], service["name"]))
                if service["power"] != Power.OFF
                else None,
                may_open=_may_open(stack, service),
                key=f"{key}{number:04d}",
                is_outdated=bool(service.get("outdated")),
                links=_links(spec, service, host),
            )
        )
    return sorted(rows, key=lambda row: (row.rank, row.name))


def _links(spec: StackSpec, service: Mapping[str, Any], host: str) -> list[str]:
    defined = spec.services.get(service["name"])
    if defined is None or not host or service["power"] not in _RUNS:
        return []
    return [url for url in (published_url(one, host) for one in defined.published) if url]


def published_url(published: str, host: str) -> str:
    """The address of a published port for a browser that reaches the node as `host`.

    Empty where the port is bound to the node itself and the browser is on another machine.
    """
    bound, _, port = published.rpartition(":")
    if bound in _LOOPBACK and host not in _LOOPBACK:
        return ""
    name = bound if bound not in {"", *_LOOPBACK} else host
    scheme = "https" if port in _TLS_PORTS else "http"
    return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}/"


def _may_open(stack: Mapping[str, Any], service: Mapping[str, Any]) -> bool:
    """Whether the line offers to open the service."""
    is_free = service["role"] == Role.ALLOWED and not service["holders"]
    return is_free and not stack.get("faults")


def last_ending(windows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The window that ends last; None without any."""
    return max(windows, key=lambda one: one["ttl_remaining_sec"], default=None)


def _core_that_is_down(spec: StackSpec, name: str, powers: Mapping[str, str]) -> list[str]:
    """The core services that this one needs and that are down, as `redis, which is off`."""
    needed = planning.requirements(spec, name) if name in spec.services else []
    return [f"{one}, which is {powers[one]}" for one in needed if one in spec.core and powers[one] in _DOWN]


def _why(service: Mapping[str, Any], holder: Mapping[str, Any] | None, down: list[str]) -> tuple[str, bool]:
    """What the line says of the service, and whether that is a fault."""
    if fault := _fault(service):
        return fault, True
    if down and service["power"] == Power.OFF:
        return f"needs {' and '.join(down)}", False
    detail = _first_line(service["detail"])
    if service["power"] in _RUNS and service["ready"]:
        return _purpose(service, holder), False
    return (detail, False) if service["power"] in _MOVING | _RUNS else ("", False)


def _fault(service: Mapping[str, Any]) -> str:
    parts = []
    if service["drift"]:
        parts.append(service["drift"]["why"])
    diagnosis = service.get("diagnosis")
    if diagnosis and diagnosis["causes"][0]["rule"]:
        parts.append(diagnosis["causes"][0]["title"])
    elif service["power"] in _TROUBLED:
        parts.append(_first_line(service["detail"]))
    if service.get("missing_image"):
        parts.append(service["missing_image"])
    if service["failed_stops"]:
        parts.append(
            f"{service['failed_stops']} failed {'stop' if service['failed_stops'] == 1 else 'stops'}"
        )
    return "; ".join(filter(None, parts))


def _purpose(service: Mapping[str, Any], holder: Mapping[str, Any] | None) -> str:
    """`ready`, and for which services where it was opened as a dependency."""
    if holder is None:
        return ""
    if service["name"] in holder["services"]:
        return "finished" if service["power"] == Power.DONE else "ready"
    return f"ready for {', '.join(holder['services'])}"


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
