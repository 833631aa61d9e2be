"""Scenarios: the services of a window, the steps that check them, and the order in which steps run.

A step has one check. A step begins when every step that it depends on has passed, and is skipped
where one of those has failed or was skipped. Steps that do not depend on each other run in parallel.
"""

from __future__ import annotations

import difflib
import graphlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MOST_STEPS = 100
"""Steps of one scenario, at most."""
MOST_RETRIES = 1000
"""Retries of one step, at most."""
LONGEST_TRY = 300.0
"""Seconds that one try of a check may take, at most."""
SHORTEST_PAUSE = 0.1
"""Seconds between two tries, at least."""


class CheckKind(StrEnum):
    """The kinds of check; a step's table has the key of the same name."""

    HTTP = "http"
    TCP = "tcp"
    EXEC = "exec"
    LOG = "log"
    METRIC = "metric"
    FILE = "file"


class Metric(StrEnum):
    """What a metric check can bound, each with its unit in its name."""

    CPU = "cpu_percent"
    """The highest CPU use so far; 100 is one core."""
    MEMORY = "memory_mib"
    """The highest memory use so far, in MiB."""
    RESTARTS = "restarts"
    """Restarts of the service's containers, as the engine counts them."""
    START = "start_sec"
    """Seconds from the window's opening until the service was ready."""


class StepStatus(StrEnum):
    """Where a step is on its way."""

    PENDING = "pending"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


UNPASSED = frozenset({StepStatus.FAILED, StepStatus.SKIPPED})
FINISHED_STEP = UNPASSED | {StepStatus.PASSED}


class RunState(StrEnum):
    """Where a run is on its way; it only moves forward."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"


class RunOutcome(StrEnum):
    """How a run ended."""

    PASSED = "passed"
    """Every step passed, and the engine shows that the window's services are off again."""
    FAILED = "failed"
    CUT = "cut"
    """It was cancelled, its worker died, or its window ended before it."""


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """A request from the worker's host, and what its answer must have."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    status: int = 200
    expect_headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that the answer must have, with these values."""
    json: Mapping[str, Any] = field(default_factory=dict)
    """Values that the JSON answer must have, by path: `items.0.name`."""
    pattern: str | None = None
    verify: bool = True
    """Whether the server's certificate is verified."""
    ca: str | None = None
    """Certificates in PEM to verify it by, in place of the system's."""


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """A connection from the worker's host."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ExecCheck:
    """A command in a container of a service."""

    service: str
    argv: tuple[str, ...]
    exit_code: int = 0
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class LogCheck:
    """A line that a service has written during the window, or must not have written."""

    service: str
    pattern: str
    seen: bool = True


@dataclass(frozen=True, slots=True)
class MetricCheck:
    """A statistic of a service, which must not exceed a bound."""

    service: str
    metric: Metric
    at_most: float


@dataclass(frozen=True, slots=True)
class FileCheck:
    """A file in a container of a service."""

    service: str
    path: str
    exists: bool = True
    pattern: str | None = None


Check = HttpCheck | TcpCheck | ExecCheck | LogCheck | MetricCheck | FileCheck
CHECK_TYPES: Mapping[CheckKind, type[Check]] = {
    CheckKind.HTTP: HttpCheck,
    CheckKind.TCP: TcpCheck,
    CheckKind.EXEC: ExecCheck,
    CheckKind.LOG: LogCheck,
    CheckKind.METRIC: MetricCheck,
    CheckKind.FILE: FileCheck,
}


@dataclass(frozen=True, slots=True)
class ScenarioStep:
    """One check with its retries. Times are seconds."""

    name: str
    kind: CheckKind
    check: Check
    retries: int = 0
    """Further tries after a first one that failed."""
    every: float = 1.0
    timeout: float = 10.0
    """Of one try."""
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a run does. `ttl` is in seconds; None is the stack's default."""

    name: str
    services: tuple[str, ...]
    steps: Mapping[str, ScenarioStep]
    stack: str | None = None
    ttl: float | None = None
    fresh: bool = False
    """Begin with new containers and new anonymous volumes."""
    images: Mapping[str, str] = field(default_factory=dict)
    """By service, the image that it runs in the window of this run, in the place of its own."""

    def checked_services(self) -> dict[str, list[str]]:
        """The steps that look into a service, by its name."""
        steps_by_service: dict[str, list[str]] = {}
        for step in self.steps.values():
            if not isinstance(step.check, HttpCheck | TcpCheck):
                steps_by_service.setdefault(step.check.service, []).append(step.name)
        return steps_by_service


def describe_check(check: Check) -> str:
    """A check in one line, without what may be secret: no header's value and no body."""
    match check:
        case HttpCheck():
            return f"{check.method} {check.url}"
        case TcpCheck():
            return f"connect to {check.host}:{check.port}"
        case ExecCheck():
            return f"in {check.service}: {' '.join(check.argv)}"
        case LogCheck():
            return f"log of {check.service} {'has' if check.seen else 'lacks'} {check.pattern!r}"
        case MetricCheck():
            return f"{check.metric} of {check.service} at most {check.at_most:g}"
        case FileCheck():
            content = f", has {check.pattern!r}" if check.pattern else ""
            return f"in {check.service}: {check.path} {'exists' if check.exists else 'is absent'}{content}"


def find_cycle(depends_on: Mapping[str, Iterable[str]]) -> list[str]:
    """The steps of a dependency cycle, the first one repeated at the end; empty where there is none."""
    try:
        graphlib.TopologicalSorter(depends_on).prepare()
    except graphlib.CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


def steps_to_start(steps: Mapping[str, ScenarioStep], status: Mapping[str, StepStatus]) -> list[str]:
    """The pending steps whose dependencies have all passed, in the order of the scenario."""
    return [
        name
        for name, step in steps.items()
        if status[name] is StepStatus.PENDING
        and all(status[other] is StepStatus.PASSED for other in step.depends_on)
    ]


def steps_to_skip(steps: Mapping[str, ScenarioStep], status: Mapping[str, StepStatus]) -> dict[str, str]:
    """The pending steps that can never begin, each with the step that has not passed, at any distance."""
    lost_step_of: dict[str, str] = {}
    changed = True
    while changed:
        changed = False
        for name, step in steps.items():
            if name in lost_step_of or status[name] is not StepStatus.PENDING:
                continue
            lost = next(
                (one for one in step.depends_on if one in lost_step_of or status[one] in UNPASSED), None
            )
            if lost is not None:
                lost_step_of[name], changed = lost, True
    return lost_step_of


def value_at(document: Any, path: str) -> tuple[bool, Any]:
    """What a JSON document has at `items.0.name`, and whether it has anything there."""
    value = document
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, Sequence) and not isinstance(value, str) and part.isdigit():
            if int(part) >= len(value):
                return False, None
            value = value[int(part)]
        else:
            return False, None
    return True, value


def suggestion(given: str, allowed: Collection[str]) -> str:
    """`; did you mean …?` where a known name is near, else the known names."""
    near = difflib.get_close_matches(given, sorted(allowed), n=1)
    return f"; did you mean {near[0]}?" if near else f"; there is {', '.join(sorted(allowed)) or 'none'}"
