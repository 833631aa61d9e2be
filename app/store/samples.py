"""Named queries about what services used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.domain.stack_id import StackId
from app.store.tables import Sample

MOST_POINTS = 400
"""Points of one service on one picture; of more, every so-manieth is taken."""

CURRENT_FOR = timedelta(seconds=45)
"""How old a sample may be that counts as what a service uses now."""


def between(
    session: Session, stack: StackId, services: Sequence[str], since: datetime, until: datetime
) -> dict[str, list[Sample]]:
    """Samples by service, oldest first; only services that have some."""
    query = select(Sample).where(
        Sample.stack == stack, Sample.service.in_(services), Sample.at >= since, Sample.at <= until
    )
    samples: dict[str, list[Sample]] = {}
    for one in session.scalars(query.order_by(Sample.service, Sample.at)):
        samples.setdefault(one.service, []).append(one)
    return {name: _thin_out(rows) for name, rows in samples.items()}


def _thin_out(rows: list[Sample]) -> list[Sample]:
    step = -(-len(rows) // MOST_POINTS)
    # Counted from the end, so that the newest stays.
    return rows[::-1][::step][::-1]


def means(session: Session) -> dict[tuple[str, str], float]:
    """The mean of the memory in bytes that each sampled service used."""
    query = select(Sample.stack, Sample.service, func.avg(Sample.memory)).where(Sample.memory > 0)
    rows = session.execute(query.group_by(Sample.stack, Sample.service))
    return {(stack, service): float(mean) for stack, service, mean in rows}


def forget(session: Session, before: datetime) -> None:
    """Delete samples taken before this time."""
    session.execute(delete(Sample).where(Sample.at < before))


def newest(session: Session, since: datetime) -> dict[tuple[StackId, str], Sample]:
    """The newest sample of each stack and service that was measured since then."""
    query = select(Sample).where(Sample.at >= since).order_by(Sample.at)
    return {(StackId(one.stack), one.service): one for one in session.scalars(query)}
