"""The replies of the API as values: windows, services, stacks, plans, entries of the audit trail.

`raw` is the whole JSON of a reply, with the fields that a later server adds.
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
    """The state of one service of a window; `detail` ends with its last log lines where it is failing."""

    service: str
    power: str
    ready: bool
    detail: str

    @property
    def failing(self) -> bool:
        """Whether the service failed to start, or stopped by itself."""
        return self.power == Power.FAILING


@dataclass(frozen=True, slots=True)
class Call:
    """One compose call for a window; `elapsed_ms` and `returncode` are None until it has ended."""

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
    """A window as it was when it was read: some services are powered until `deadline`.

    Times are in UTC; `ttl` and `left`, the time until the deadline, in seconds.
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
    """Why it ends, as a sentence."""
    ttl: float
    left: float
    stuck: bool
    health: Mapping[str, Health]
    calls: tuple[Call, ...]
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Window:
        """Return the value of a reply's JSON; raises KeyError where a field is missing."""
        return cls(
            id=payload["id"],
            stack=payload["stack"],
            services=tuple(payload["services"]),
            state=payload["state"],
            status=payload["status"],
            actor=payload["actor"],
            reason=payload["reason"],
            created_at=datetime.fromisoformat(payload["created_at"]),
            opened_at=parse_time(payload["opened_at"]),
            deadline=parse_time(payload["deadline"]),
            closed_at=parse_time(payload["closed_at"]),
            close_reason=payload["close_reason"],
            closed_by=payload.get("closed_by"),
            close_detail=payload.get("close_detail"),
            ttl=float(payload["ttl_sec"]),
            left=float(payload["ttl_remaining_sec"] or 0),
            stuck=payload["stuck"],
            health={name: _health(name, health) for name, health in payload["health"].items()},
            calls=tuple(_call(call) for call in payload["results"]),
            raw=payload,
        )

    @property
    def live(self) -> bool:
        """Whether the window holds its services or waits until its node can start them."""
        return self.state in LIVE_STATES and self.left > 0

    @property
    def ready(self) -> bool:
        """Whether the window is open and every service is ready."""
        all_ready = all(health.ready for health in self.health.values())
        return self.state == State.OPEN and self.status in {None, Status.OK} and all_ready

    @property
    def unready(self) -> tuple[Health, ...]:
        """The services that are not ready."""
        return tuple(health for health in self.health.values() if not health.ready)


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a stack.

    `holders` are the ids of the windows that hold it. `left` is the time in seconds until the last of
    them ends, None where there is none.
    """

    name: str
    role: str
    power: str
    ready: bool
    detail: str
    holders: tuple[str, ...]
    left: float | None


@dataclass(frozen=True, slots=True)
class Stack:
    """A Compose project under control; `faults` are the errors of its files, as sentences."""

    name: str
    mode: str
    node: str
    services: tuple[Service, ...]
    faults: tuple[str, ...]
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Stack:
        """Return the value of a reply's JSON; raises KeyError where a field is missing."""
        services = tuple(_service(service) for service in payload["services"])
        return cls(
            payload["name"],
            payload["mode"],
            payload["node"],
            services,
            tuple(payload.get("faults", ())),
            payload,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What an opening would do: `waves` of services that start together, and those that are `already_on`.

    `ttl` is in seconds.
    """

    stack: str
    services: tuple[str, ...]
    ttl: float
    waves: tuple[tuple[str, ...], ...]
    already_on: tuple[str, ...]

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Plan:
        """Return the value of a reply's JSON; raises KeyError where a field is missing."""
        waves = tuple(tuple(wave) for wave in payload["waves"])
        return cls(
            payload["stack"],
            tuple(payload["services"]),
            payload["ttl_sec"],
            waves,
            tuple(payload["already_on"]),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the audit trail; which `facts` it has depends on its `event`."""

    seq: int
    at: datetime
    event: str
    actor: str
    stack: str | None
    window: str | None
    service: str | None
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Entry:
        """Return the value of a reply's JSON; raises KeyError where a field is missing."""
        names = ("event", "actor", "stack", "window", "service", "facts")
        return cls(payload["seq"], datetime.fromisoformat(payload["at"]), *(payload[name] for name in names))


@dataclass(frozen=True, slots=True)
class Line:
    """One log line of a container of a window's service; `at` is None where the engine gave no time."""

    service: str
    container: str
    at: datetime | None
    text: str

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Line:
        """Return the value of a reply's JSON; raises KeyError where a field is missing."""
        return cls(payload["service"], payload["container"], parse_time(payload["at"]), payload["line"])


def parse_time(text: str | None) -> datetime | None:
    """Return a time of the API, ISO 8601, as a datetime; None stays None."""
    return datetime.fromisoformat(text) if text else None


def _health(name: str, payload: Mapping[str, Any]) -> Health:
    return Health(name, payload["power"], payload["ready"], payload["detail"])


def _call(payload: Mapping[str, Any]) -> Call:
    return Call(
        service=payload["service"],
        action=payload["action"],
        status=payload["status"],
        returncode=payload["returncode"],
        elapsed_ms=payload["elapsed_ms"],
        stdout=payload["stdout"],
        stderr=payload["stderr"],
        argv=tuple(payload["argv"]),
        timestamp=datetime.fromisoformat(payload["timestamp"]),
    )


def _service(payload: Mapping[str, Any]) -> Service:
    return Service(
        name=payload["name"],
        role=payload["role"],
        power=payload["power"],
        ready=payload["ready"],
        detail=payload["detail"],
        holders=tuple(payload["holders"]),
        left=payload["time_left_sec"],
    )


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a scenario; `outcome` is None until it is finished, then `passed`, `failed` or `cut`."""

    id: str
    name: str
    stack: str
    state: str
    outcome: str | None
    detail: str
    window: str | None
    steps: Mapping[str, str]
    """The status of each step by its name."""
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def passed(self) -> bool:
        """Whether every step passed and the services are off again."""
        return self.outcome == "passed"

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Run:
        """Return the run of a payload."""
        names = ("id", "name", "stack", "state", "outcome", "detail", "window")
        steps = {step["name"]: step["status"] for step in payload["steps"]}
        return cls(**{name: payload[name] for name in names}, steps=steps, raw=payload)


@dataclass(frozen=True)
class IntentRequest:
    """A request for an intent; `outcome` is None until it is finished, then `passed`, `failed` or `cut`."""

    id: str
    intent: str
    stack: str
    state: str
    outcome: str | None
    detail: str
    window: str | None
    builds: Mapping[str, str]
    """The status of each build by its service."""
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def passed(self) -> bool:
        """Whether its window is open and every check has passed."""
        return self.outcome == "passed"

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> IntentRequest:
        """Return the request of a payload."""
        names = ("id", "intent", "stack", "state", "outcome", "detail", "window")
        builds = {build["service"]: build["status"] for build in payload["builds"]}
        return cls(**{name: payload[name] for name in names}, builds=builds, raw=payload)
