"""The JSON of the REST API's replies, as types for mypy. Nothing is checked at run time."""

from typing import Any, NotRequired, TypedDict


class SuggestedPatch(TypedDict):
    """A unified diff of one file; its paths are relative to `directory` on the stack's node."""

    file: str
    diff: str
    directory: str


class Cause(TypedDict):
    """One possible cause of a failure; `confidence` is from 0 to 1."""

    cause: str
    title: str
    confidence: float
    evidence: list[str]
    suggestion: str
    rule: str
    source: str
    patch: SuggestedPatch | None


class Diagnosis(TypedDict):
    """Why a service failed, the most certain cause first; `service` is empty for a stack's refused files."""

    stack: str
    service: str
    window: str | None
    at: str | None
    causes: list[Cause]


class Health(TypedDict):
    """The state of one service of a window."""

    power: str
    ready: bool
    detail: str
    diagnosis: NotRequired[Diagnosis]


class Call(TypedDict):
    """One compose call."""

    service: str
    action: str
    status: str
    returncode: int | None
    elapsed_ms: int | None
    stdout: str
    stderr: str
    argv: list[str]
    timestamp: str


class Window(TypedDict):
    """A window; times are ISO 8601 in UTC."""

    id: str
    stack: str
    services: list[str]
    state: str
    status: str | None
    actor: str
    reason: str | None
    created_at: str
    opened_at: str | None
    deadline: str | None
    ttl_sec: float
    ttl_remaining_sec: float | None
    closed_at: str | None
    close_reason: str | None
    closed_by: NotRequired[str | None]
    close_detail: NotRequired[str | None]
    waiting_for: NotRequired[str]
    stuck: bool
    health: dict[str, Health]
    results: list[Call]


class Plan(TypedDict):
    """What an opening would do; services of one wave start together."""

    stack: str
    services: list[str]
    ttl_sec: float
    waves: list[list[str]]
    already_on: list[str]
    missing_images: NotRequired[list[str]]


class Drift(TypedDict):
    """A difference between desired and actual power that no window explains; `since` is ISO 8601."""

    since: str | None
    why: str


class Service(TypedDict):
    """One service of a stack."""

    name: str
    role: str
    power: str
    ready: bool
    detail: str
    holders: list[str]
    time_left_sec: float | None
    last_call: Call | None
    diagnosis: NotRequired[Diagnosis]
    outdated: NotRequired[bool]
    missing_image: NotRequired[str | None]
    drift: NotRequired[Drift | None]
    failed_stops: NotRequired[int]
    retry_at: NotRequired[str | None]


class Stack(TypedDict):
    """A Compose project under control."""

    name: str
    mode: str
    node: str
    away: NotRequired[bool]
    away_since: NotRequired[str | None]
    services: list[Service]
    namespace: NotRequired[str | None]
    diagnosis: NotRequired[Diagnosis]
    faults: NotRequired[list[str]]
    refused: NotRequired[list[str]]


class RunStep(TypedDict):
    """One step of a run of a scenario."""

    name: str
    kind: str
    check: str
    depends_on: list[str]
    status: str
    detail: str
    tries: int


class Run(TypedDict):
    """A run of a scenario; times are ISO 8601 in UTC."""

    id: str
    name: str
    stack: str
    node: str
    actor: str
    services: list[str]
    state: str
    outcome: str | None
    detail: str
    window: str | None
    cancelled_by: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    steps: list[RunStep]


class IntentCheck(TypedDict):
    """One check of an intent, in one line."""

    name: str
    kind: str
    check: str
    depends_on: list[str]


class Intent(TypedDict):
    """What a person may want, by name."""

    name: str
    stack: str
    description: str
    services: list[str]
    ttl_sec: float | None
    reason: str | None
    build: list[str]
    build_timeout_sec: float
    checks: list[IntentCheck]
    approval: str


class PlannedBuild(TypedDict):
    """A service that is built where its content has changed."""

    service: str
    last_built_at: str | None


class IntentPlan(TypedDict):
    """What a request for an intent would do."""

    intent: Intent
    builds: list[PlannedBuild]
    opening: Plan
    until: str
    waits: bool


class ServiceBuild(TypedDict):
    """How the build of one service went."""

    service: str
    status: str
    detail: str


class IntentRequest(TypedDict):
    """A request for an intent; times are ISO 8601 in UTC."""

    id: str
    intent: str
    stack: str
    node: str
    actor: str
    services: list[str]
    ttl_sec: float | None
    until: str | None
    reason: str | None
    approval: str
    approved_by: str | None
    state: str
    outcome: str | None
    detail: str
    builds: list[ServiceBuild]
    checks: list[RunStep]
    window: str | None
    cancelled_by: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class BuildOutput(TypedDict):
    """A piece of what a build has printed."""

    seq: int
    service: str
    at: str
    text: str


class Entry(TypedDict):
    """One entry of the audit trail."""

    seq: int
    at: str
    event: str
    actor: str
    stack: str | None
    window: str | None
    service: str | None
    facts: dict[str, Any]
    prev: NotRequired[str]
    hash: NotRequired[str]


class Fault(TypedDict):
    """The first entry of a chain that does not match its hash."""

    seq: int
    reason: str


class Chain(TypedDict):
    """The check of one hash chain of the audit trail."""

    chain: str
    entries: int
    ok: bool
    first_bad: Fault | None
    archived: NotRequired[int]
    archived_hash: NotRequired[str]


class Verdict(TypedDict):
    """The check of all chains."""

    ok: bool
    chains: list[Chain]
