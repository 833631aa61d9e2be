"""Queries that runs of scenarios and requests for intents share; `table` is one of the two."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.store.tables import IntentRequest, ScenarioRun

JobRow = TypeVar("JobRow", ScenarioRun, IntentRequest)


def lock_job(session: Session, table: type[JobRow], job_id: str) -> JobRow | None:
    """The job of this id, with its row locked where the database locks rows; None where there is none."""
    query = select(table).where(table.id == job_id).with_for_update()
    return session.execute(query, execution_options={"populate_existing": True}).scalar_one_or_none()


def unfinished_jobs(session: Session, table: type[JobRow], node: str) -> list[JobRow]:
    """The jobs of a node that are not finished, oldest first."""
    query = select(table).where(table.state.in_(table.UNFINISHED), table.node == node)
    return list(session.scalars(query.order_by(table.created_at, table.id)))


def count_unfinished(session: Session, table: type[JobRow], node: str) -> int:
    """How many jobs of a node are not finished."""
    query = select(func.count(table.id)).where(table.state.in_(table.UNFINISHED), table.node == node)
    return session.scalar(query) or 0
