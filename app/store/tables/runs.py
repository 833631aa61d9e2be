"""Runs of scenarios, each with its report."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.scenarios import RunOutcome, RunState
from app.store.tables.base import EnumColumn, Table
from app.store.tables.jobs import JobColumns


class ScenarioRun(JobColumns, Table):
    """One run of a scenario: who asked for it, how far it is, and how it ended."""

    __tablename__ = "scenario_runs"
    __table_args__ = (
        Index("scenario_runs_newest", "created_at", "id"),
        Index("scenario_runs_by_state", "state", "node"),
    )

    UNFINISHED: ClassVar[tuple[RunState, ...]] = (RunState.QUEUED, RunState.RUNNING)

    name: Mapped[str] = mapped_column(String(60))
    state: Mapped[RunState] = mapped_column(EnumColumn(RunState, RunState.FINISHED), default=RunState.QUEUED)
    outcome: Mapped[RunOutcome | None] = mapped_column(EnumColumn(RunOutcome, None))
    document: Mapped[dict[str, Any]] = mapped_column(deferred=True)
    """The scenario as it was asked for; once the run is over, without headers and bodies of requests."""
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSON(), default=list)
    """Each step as it stands, in the order of the scenario."""
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)

    def audit_facts(self) -> dict[str, str]:
        """Which run it is, as every audit entry about it has it."""
        return {"run": self.id, "name": self.name}
