"""What the service tells, as values: windows, services, stacks, plans, entries of the trail.

Each is read from the JSON of the API; `raw` has it all, what is not known here included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from power_windows.states import Power, State, Status

LIVE_STATES = frozenset({State.WAITING, State.OPENING, State.OPEN})


@dataclass(frozen=True, slots=True)
class Health:
    """What one service is doing under a window; `detail` ends with its last lines where it is failing."""

    service: str
    power: str
    ready: bool
    detail: str

    @property
    def failing(self) -> bool:
        return self.power == Power.FAILING


@dataclass(frozen=True, slots=True)
class Call:
    """One compose call that was made for a window."""

    service: str
    action: str
    status: str
    returncode: int | None
    elapsed_ms: int | None
    stdout: str
    stderr: str
    argv: tuple[str, ...]
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """A promise that some services are powered until a deadline, as it was when it was read.

    Times are in UTC, `ttl` and `left` in seconds.
    """

    id: str
    stack: str
    services: tuple[str, ...]
    state: str
    status: str | None
    actor: str
    reason: str | None
    created_at: datetime
    opened_at: datetime | None
    deadline: datetime | None
    closed_at: datetime | None
    close_reason: str | None
    """`manual`, `expired`, `failed`, `forced` or `lost`; later versions may add words."""
    closed_by: str | None
    close_detail: str | None
    """Why it ends, as a sentence for people."""
    ttl: float
    left: float
    stuck: bool
    health: Mapping[str, Health]
    calls: tuple[Call, ...]
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Window:
        return cls(
            id=told["id"],
            stack=told["stack"],
            services=tuple(told["services"]),
            state=told["state"],
            status=told["status"],
            actor=told["actor"],
            reason=told["reason"],
            created_at=datetime.fromisoformat(told["created_at"]),
            opened_at=parse_time(told["opened_at"]),
            deadline=parse_time(told["deadline"]),
            closed_at=parse_time(told["closed_at"]),
            close_reason=told["close_reason"],
            closed_by=told.get("closed_by"),
            close_detail=told.get("close_detail"),
            ttl=float(told["ttl_sec"]),
            left=float(told["ttl_remaining_sec"] or 0),
            stuck=told["stuck"],
            health={name: _health(name, one) for name, one in told["health"].items()},
            calls=tuple(_call(one) for one in told["results"]),
            raw=told,
        )

    @property
    def live(self) -> bool:
        """Does it hold its services, or wait to?"""
        return self.state in LIVE_STATES and self.left > 0

    @property
    def ready(self) -> bool:
        """Is it open with every service ready?"""
        whole = all(one.ready for one in self.health.values())
        return self.state == State.OPEN and self.status in {None, Status.OK} and whole

    @property
    def unready(self) -> tuple[Health, ...]:
        return tuple(one for one in self.health.values() if not one.ready)


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a stack; `holders` are the ids of the windows that hold it, `left` is in seconds."""

    name: str
    role: str
    power: str
    ready: bool
    detail: str
    holders: tuple[str, ...]
    left: float | None


@dataclass(frozen=True, slots=True)
class Stack:
    name: str
    mode: str
    node: str
    services: tuple[Service, ...]
    faults: tuple[str, ...]
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Stack:
        services = tuple(_service(one) for one in told["services"])
        return cls(told["name"], told["mode"], told["node"], services, tuple(told.get("faults", ())), told)


@dataclass(frozen=True, slots=True)
class Plan:
    """What opening would do: what would start, in waves, and what runs already."""

    stack: str
    services: tuple[str, ...]
    ttl: float
    waves: tuple[tuple[str, ...], ...]
    already_on: tuple[str, ...]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Plan:
        waves = tuple(tuple(wave) for wave in told["waves"])
        return cls(told["stack"], tuple(told["services"]), told["ttl_sec"], waves, tuple(told["already_on"]))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit trail; `facts` go with its `event`."""

    seq: int
    at: datetime
    event: str
    actor: str
    stack: str | None
    window: str | None
    service: str | None
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Entry:
        names = ("event", "actor", "stack", "window", "service", "facts")
        return cls(told["seq"], datetime.fromisoformat(told["at"]), *(told[name] for name in names))


@dataclass(frozen=True, slots=True)
class Line:
    """One line that a container of a window's service wrote."""

    service: str
    container: str
    at: datetime | None
    text: str

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Line:
        return cls(told["service"], told["container"], parse_time(told["at"]), told["line"])


def parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _health(name: str, told: Mapping[str, Any]) -> Health:
    return Health(name, told["power"], told["ready"], told["detail"])


def _call(told: Mapping[str, Any]) -> Call:
    return Call(
        service=told["service"],
        action=told["action"],
        status=told["status"],
        returncode=told["returncode"],
        elapsed_ms=told["elapsed_ms"],
        stdout=told["stdout"],
        stderr=told["stderr"],
        argv=tuple(told["argv"]),
        timestamp=datetime.fromisoformat(told["timestamp"]),
    )


def _service(told: Mapping[str, Any]) -> Service:
    return Service(
        name=told["name"],
        role=told["role"],
        power=told["power"],
        ready=told["ready"],
        detail=told["detail"],
        holders=tuple(told["holders"]),
        left=told["time_left_sec"],
    )
