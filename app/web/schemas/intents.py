"""Requests and responses about intents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StrictBool

from app.domain.intents import Approval, BuildStatus, IntentOutcome, IntentState
from app.web.schemas.base import (
    AnswerModel,
    BoundedName,
    Cursor,
    LengthSeconds,
    Limit,
    Query,
    Reason,
    RequestModel,
    Timestamp,
)
from app.web.schemas.runs import RunStep
from app.web.schemas.windows import Plan


def _require_text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("write a time as text in ISO 8601 with an offset: 2026-11-26T18:00:00+01:00")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is no time of the calendar in UTC") from error


class Want(RequestModel):
    """How long an intent is wanted, and why; without an end the intent's own ttl counts."""

    stack: BoundedName | None = Field(None, description="Needed where several stacks have this intent.")
    ttl_sec: LengthSeconds | None = Field(None, description="Seconds from the opening of the window.")
    until: Annotated[AwareDatetime, BeforeValidator(_require_text), AfterValidator(_in_utc)] | None = Field(
        None, description="The end of the window: ISO 8601 with an offset. Not together with `ttl_sec`."
    )
    reason: Reason | None = None
    approve: StrictBool = Field(
        False,
        description="The person who asks has seen the plan and agrees to it. An intent with "
        '`approval = "other"` waits for another token all the same.',
    )


class WantQuery(Query):
    """How to ask for an intent."""

    plan: bool = Field(False, description="Change nothing; answer with what would be done.")


class IntentRequestsQuery(Query):
    """Which requests to list."""

    intent: BoundedName | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class BuildOutputQuery(Query):
    """Which part of the output to read."""

    after: int = Field(0, ge=0, le=2**53, description="The `next` of the answer before.")
    limit: Limit = 50


class IntentCheck(AnswerModel):
    """One check of an intent."""

    name: str
    kind: str
    check: str = Field(description="The check in one line, without headers and body of a request.")
    depends_on: list[str]


class Intent(AnswerModel):
    """What a person may want, as its stack's power.toml defines it."""

    name: str
    stack: str
    description: str
    services: list[str]
    ttl_sec: float | None
    reason: str | None
    build: list[str] = Field(description="Services that are built where their content has changed.")
    build_timeout_sec: float
    checks: list[IntentCheck]
    approval: Approval = Field(strict=False)


class Intents(AnswerModel):
    """All intents, by name."""

    items: list[Intent]


class PlannedBuild(AnswerModel):
    """A service that is built where its content has changed."""

    service: str
    last_built_at: Timestamp | None


class IntentPlan(AnswerModel):
    """What a request would do: builds first, then the opening, then the checks."""

    intent: Intent
    builds: list[PlannedBuild]
    opening: Plan
    until: Timestamp
    waits: bool = Field(description="Whether the request would wait for another token's approval.")


class ServiceBuild(AnswerModel):
    """How the build of one service went."""

    service: str
    status: BuildStatus = Field(strict=False)
    detail: str


class IntentRequest(AnswerModel):
    """One request for an intent."""

    id: str
    intent: str
    stack: str
    node: str
    actor: str
    services: list[str]
    ttl_sec: float | None
    until: Timestamp | None
    reason: str | None
    approval: Approval = Field(strict=False)
    approved_by: str | None
    state: IntentState = Field(strict=False)
    outcome: IntentOutcome | None = Field(strict=False)
    detail: str = Field(description="What it does now or, at its end, why it ended so.")
    builds: list[ServiceBuild]
    checks: list[RunStep]
    window: str | None
    cancelled_by: str | None
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None


class IntentRequests(AnswerModel):
    """A page of requests, newest first."""

    items: list[IntentRequest]
    next: str | None


class BuildOutput(AnswerModel):
    """A piece of what a build has printed."""

    seq: int
    service: str
    at: Timestamp
    text: str


class BuildOutputs(AnswerModel):
    """Pieces of output, oldest first; `next` is sent back as `after`."""

    items: list[BuildOutput]
    next: int
