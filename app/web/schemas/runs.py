"""Responses with runs of scenarios."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from app.domain.scenarios import RunOutcome, RunState, StepStatus
from app.web.schemas.base import AnswerModel, Timestamp


class RunStep(AnswerModel):
    """One step of a run."""

    name: str
    kind: str
    check: str = Field(description="The check in one line, without headers and body of a request.")
    depends_on: list[str]
    status: StepStatus = Field(strict=False)
    detail: str = Field(description="What the last try found, or why it was skipped.")
    tries: int


class Run(AnswerModel):
    """One run of a scenario."""

    id: str
    name: str
    stack: str
    node: str
    actor: str
    services: list[str]
    state: RunState = Field(strict=False)
    outcome: RunOutcome | None = Field(strict=False)
    detail: str = Field(description="What it does now or, at its end, why it ended so.")
    window: str | None
    cancelled_by: str | None
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    steps: list[RunStep]


class Runs(AnswerModel):
    """A page of runs, newest first."""

    items: list[Run]
    next: str | None


class RunReport(AnswerModel):
    """The report of a finished run: time line, calls, tries, statistics and the proof."""

    version: int
    run: dict[str, Any]
    product: str
    engine: dict[str, Any]
    window: dict[str, Any] | None
    timeline: list[dict[str, Any]]
    services: dict[str, Any]
    calls: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    failed_first: dict[str, Any] | None
    causes: list[dict[str, Any]]
    """Why services failed, by the diagnosis: `service` with the keys of a cause."""
    proof: dict[str, Any] | None
    notes: list[str]
