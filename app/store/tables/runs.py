"""Runs of scenarios, each with its report."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.scenarios import RunOutcome, RunState
from app.domain.stack_id import StackId
from app.store.tables.base import EnumColumn, Table


class ScenarioRun(Table):
    """One run of a scenario: who asked for it, how far it is, and how it ended."""

    __tablename__ = "scenario_runs"
    __table_args__ = (
        Index("scenario_runs_newest", "created_at", "id"),
        Index("scenario_runs_by_state", "state", "node"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    stack: Mapped[StackId] = mapped_column(String(120))
    node: Mapped[str] = mapped_column(String(120))
    name: Mapped[str] = mapped_column(String(60))
    actor: Mapped[str] = mapped_column(String(120))
    services: Mapped[list[str]]
    state: Mapped[RunState] = mapped_column(EnumColumn(RunState, RunState.FINISHED), default=RunState.QUEUED)
    outcome: Mapped[RunOutcome | None] = mapped_column(EnumColumn(RunOutcome, None))
    detail: Mapped[str] = mapped_column(Text, default="")
    """What it does now or, at its end, why it ended so."""
    document: Mapped[dict[str, Any]] = mapped_column(deferred=True)
    """The scenario as it was asked for; once the run is over, without headers and bodies of requests."""
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSON(), default=list)
    """Each step as it stands, in the order of the scenario."""
    window_id: Mapped[str | None] = mapped_column(String(32))
    worker: Mapped[str] = mapped_column(String(120), default="")
    """The worker that conducts it; empty until one has begun."""
    cancelled_by: Mapped[str | None] = mapped_column(String(120))
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
