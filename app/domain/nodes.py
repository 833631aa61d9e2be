"""Which worker may serve which stack, and which nodes are away.

A worker sends a heartbeat every few seconds. A worker without a heartbeat for `AWAY` counts as away. A
stack is away while no worker that serves it sends heartbeats.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.stack_id import StackId
from app.domain.throttling import NO_LIMIT, CallLimit

AWAY_AFTER = timedelta(seconds=20)
"""Long enough for a worker to be restarted in, and for a standalone to be."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A worker's heartbeat: its node, its engine and the stacks that it serves.

    `engine_id` is empty until its engine has answered. `locks_id` identifies its lock directory.
    """

    worker: str
    node: str
    engine_id: str
    locks_id: str
    stacks: Collection[StackId]
    started_at: datetime
    seen_at: datetime
    call_limit: CallLimit = NO_LIMIT
    """How many compose calls may start at once there."""

    def live(self, now: datetime) -> bool:
        """True while the last heartbeat is not older than `AWAY_AFTER`."""
        return now - self.seen_at < AWAY_AFTER


def conflicts(mine: Heartbeat, others: Iterable[Heartbeat]) -> list[str]:
    """Why this worker may not work beside those, which are all alive; one sentence each."""
    return [fault for other in others if other.worker != mine.worker for fault in _conflicts(mine, other)]


def _conflicts(mine: Heartbeat, other: Heartbeat) -> Iterator[str]:
    comparable = bool(mine.engine_id and other.engine_id)
    if mine.node != other.node:
        if comparable and mine.engine_id == other.engine_id:
            yield (
                f"node {mine.node!r} is refused: its engine {mine.engine_id} is served already as node "
                f"{other.node!r}, by worker {other.worker}; use that name (POWER_NODE), or another engine"
            )
    elif comparable and mine.engine_id != other.engine_id:
        yield (
            f"node {mine.node!r} is refused: worker {other.worker} serves it with engine {other.engine_id}, "
            f"and this one has engine {mine.engine_id}; give this one a name of its own (POWER_NODE)"
        )
    elif mine.locks_id != other.locks_id:
        yield (
            f"node {mine.node!r} is refused: worker {other.worker} serves it with another lock directory; "
            "workers of one node share it (POWER_DATA_DIR)"
        )


def away_since(
    stack: StackId, node: str, heard_at: datetime | None, signs: Iterable[Heartbeat], now: datetime
) -> datetime | None:
    """Since when no worker that serves a stack has sent a heartbeat; None where one does, or may be starting.

    `heard_at` is the last sign from its node. A node that was never heard of has only just
    published what it is about to serve; a worker that has just begun is about to.
    """
    live = [sign for sign in signs if sign.node == node and sign.live(now)]
    if heard_at is None or any(stack in sign.stacks for sign in live):
        return None
    if live:
        began = min(sign.started_at for sign in live)
        return began if now - began >= AWAY_AFTER else None
    return heard_at if now - heard_at >= AWAY_AFTER else None
