"""Named queries about how often the loops of a node's workers have failed."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.domain.enums import Loop
from app.store.tables import LoopFailures, insert_if_new


def add(session: Session, node: str, counts: Mapping[Loop, int]) -> None:
    """Add these failures, by loop, to the stored counts."""
    for loop, failures in sorted(counts.items()):
        new = {"node": node, "loop": str(loop), "failures": 0}
        session.execute(insert_if_new(session, LoopFailures).values(new))
        row = update(LoopFailures).where(LoopFailures.node == node, LoopFailures.loop == str(loop))
        session.execute(row.values(failures=LoopFailures.failures + failures))


def counts(session: Session) -> dict[tuple[str, str], int]:
    """The stored counts of failures, by node and loop."""
    return {(row.node, row.loop): row.failures for row in session.scalars(select(LoopFailures))}
