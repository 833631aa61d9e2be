"""What the REST API answers, as types: names for the reader and for mypy, nothing at run time."""

from typing import Any, NotRequired, TypedDict


class Health(TypedDict):
    power: str
    ready: bool
    detail: str


class Call(TypedDict):
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
    stack: str
    services: list[str]
    ttl_sec: float
    waves: list[list[str]]
    already_on: list[str]


class Drift(TypedDict):
    since: str | None
    why: str


class Service(TypedDict):
    name: str
    role: str
    power: str
    ready: bool
    detail: str
    holders: list[str]
    time_left_sec: float | None
    last_call: Call | None
    drift: NotRequired[Drift | None]
    failed_stops: NotRequired[int]
    retry_at: NotRequired[str | None]


class Stack(TypedDict):
    name: str
    mode: str
    node: str
    away: NotRequired[bool]
    away_since: NotRequired[str | None]
    services: list[Service]
    faults: NotRequired[list[str]]
    refused: NotRequired[list[str]]


class Entry(TypedDict):
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
    seq: int
    reason: str


class Chain(TypedDict):
    chain: str
    entries: int
    ok: bool
    first_bad: Fault | None
    archived: NotRequired[int]
    archived_hash: NotRequired[str]


class Verdict(TypedDict):
    ok: bool
    chains: list[Chain]
