"""What workers claim: a node's name, and the stacks they serve there.

Claims are transactions that never overlap, so two workers never
win the same name. A worker that dies gives up its claims with its sign of life.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain import nodes
from app.domain.enums import Event
from app.domain.locations import Holding, Location, elsewhere, why_not_moved
from app.domain.nodes import Heartbeat
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId, named_for, namespace_of, section_of
from app.store import audit, services, stacks, workers
from app.store import windows as rows
from app.store.tables import Node, Stack
from app.usecases.nodes import relocation
from app.usecases.windows.transitions import SYSTEM_ACTOR

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
Dead = Callable[[str], bool]
"""Has this worker, which shares our lock directory, let go of its sign of life?"""


class NodeTaken(Exception):
    """Another worker that is alive has what this one claims; `faults` has one sentence for each reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class StackTaken(Exception):
    """Another worker that is alive serves this stack or its project; the sentence says which."""


class StackHeld(Exception):
    """A service is still held, or its stop is pending, elsewhere, so the stack is not served here yet.

    The sentence says what. `at` is where its own is held; None where another stack holds its project.
    """

    def __init__(self, sentence: str, at: Location | None = None) -> None:
        super().__init__(sentence)
        self.at = at


def appear(session: Session, mine: Heartbeat, *, dead: Dead, now: datetime, up: bool = True) -> None:
    """Send a heartbeat, and claim the node with it; raises NodeTaken.

    `up` is True once its stacks are published. An audit entry is written only for a node's first heartbeat,
    and for one with another engine than before.
    """
    workers.lock_claims(session)
    signs = workers.signs(session)
    gone = {one.worker for one in signs if _is_gone(one, mine, dead, now)}
    if faults := nodes.conflicts(mine, _alive(signs, gone, now)):
        raise NodeTaken(faults)
    workers.delete_workers(session, gone - {mine.worker})
    _claim(session, mine, now, up)
    workers.write(session, mine)


def _is_gone(one: Heartbeat, mine: Heartbeat, dead: Dead, now: datetime) -> bool:
    if one.worker == mine.worker:
        return False
    return (one.locks_id == mine.locks_id and dead(one.worker)) or now - one.seen_at > workers.FORGOTTEN


def _alive(signs: list[Heartbeat], gone: set[str], now: datetime) -> list[Heartbeat]:
    return [one for one in signs if one.worker not in gone and one.live(now)]


def _claim(session: Session, mine: Heartbeat, now: datetime, up: bool) -> None:
    before = session.get(Node, mine.node)
    engine = mine.engine_id or (before.engine_id if before else "")
    if before is None or before.engine_id != engine:
        facts: dict[str, Any] = {
            "engine": engine,
            "before": before.engine_id if before else None,
            "worker": mine.worker,
        }
        audit.record(session, Event.NODE_CLAIMED, actor=SYSTEM_ACTOR, now=now, node=mine.node, **facts)
    session.merge(
        Node(
            name=mine.node,
            engine_id=engine,
            worker=mine.worker,
            # Until its stacks are published, a node has not come up.
            started_at=mine.started_at if up else before.started_at if before else _NEVER,
            seen_at=mine.seen_at,
        )
    )


def record_refused_claim(session: Session, mine: Heartbeat, faults: list[str], now: datetime) -> None:
    """Record that a worker was refused; the transaction of its claim was rolled back."""
    facts: dict[str, Any] = {
        "node": mine.node,
        "engine": mine.engine_id,
        "worker": mine.worker,
        "faults": faults,
    }
    audit.record(session, Event.NODE_REFUSED, actor=SYSTEM_ACTOR, now=now, **facts)


def leave(session: Session, worker: str) -> None:
    """Record that a worker ends; another worker of its node may serve its stacks."""
    workers.lock_claims(session)
    workers.delete_workers(session, [worker])


def claim_stack(
    session: Session, spec: StackSpec, mine: Heartbeat, *, key: str, dead: Dead, now: datetime
) -> None:
    """Make sure that no other worker serves this stack or its project; raises StackTaken or StackHeld.

    `key` is the stack's table in power.toml. A stack that still has windows or pending stops on a node that
    is away, or in another location, is refused: they have to end there first.
    """
    workers.lock_claims(session)
    signs = workers.signs(session)
    gone = {one.worker for one in signs if _is_gone(one, mine, dead, now)}
    for other in _alive(signs, gone, now):
        if other.worker != mine.worker:
            _check_rivals(session, spec, mine, other, key)
    row = stacks.lock_stack(session, spec.name)
    held = relocation.holdings(session, spec.name)
    if row is not None and row.node != spec.node:
        _not_moved(row, held, key)
    here = Location(spec.project, mine.engine_id)
    if away := elsewhere(held, here):
        raise StackHeld(why_not_moved(key, spec.name, here, away), away[0].location)
    for other_stack in stacks.every(session):
        if other_stack.name != spec.name and _shares(other_stack, spec, here):
            _take_over(session, other_stack, spec.name, here, key=key, now=now)


def _not_moved(row: Stack, held: Collection[Holding], key: str) -> None:
    """A stack moves to another node once nothing is left on the one it had, or that is given up."""
    left = [one for one in held if one.location != Location()]
    if any(one.windows for one in left):
        raise StackTaken(
            f"{key}: stack {row.name!r} still has windows on node {row.node!r}, which is away; "
            "start its worker, or close them with --force"
        )
    if names := sorted(name for one in left for name in one.pending_stops):
        raise StackTaken(
            f"{key}: stack {row.name!r} still owes an off of {', '.join(names)} on node {row.node!r}; "
            "start its worker, which turns that off, or give this one another name; "
            f"if that node is gone, run `power relocate {row.name}`"
        )


def _shares(other: Stack, spec: StackSpec, here: Location) -> bool:
    """May another stack have something in the very same location?"""
    if other.node != spec.node and not (other.engine_id and here.engine_id):
        return False
    return other.engine_id == here.engine_id or other.node == spec.node


def _take_over(
    session: Session, other: Stack, mine: StackId, here: Location, *, key: str, now: datetime
) -> None:
    """Take over a project that was another stack's, once nothing of that one is left in it."""
    stacks.lock_stack(session, other.name)
    for one in relocation.holdings(session, other.name):
        if one.location.project == here.project and one.location.agrees(here):
            user = named_for(mine, other.name)
            what = f": {one}" if namespace_of(mine) in {"", namespace_of(other.name)} else ""
            raise StackHeld(
                f"{key}.project: project {here.project!r} is still used by {user}{what}; "
                f"close its windows with `power close`, and wait until it is off"
            )
    if other.location.project == here.project and not other.faults:
        where = key if namespace_of(other.name) in {"", namespace_of(mine)} else section_of(other.name)
        other.faults = [f"{where}.project: its project {here.project!r} is another stack's by now"]
        facts: dict[str, Any] = {"faults": other.faults, "digest": other.digest, "before": other.digest}
        audit.record(session, Event.STACK_REJECTED, actor=SYSTEM_ACTOR, now=now, stack=other.name, **facts)


def holding_elsewhere(session: Session, stack: Stack, mine: Heartbeat) -> Holding | None:
    """What a stack still holds, or has to stop, on another engine than this worker's."""
    others = elsewhere(relocation.holdings(session, stack.name), Location(engine_id=mine.engine_id))
    return others[0] if others else None


def _check_rivals(session: Session, spec: StackSpec, mine: Heartbeat, other: Heartbeat, key: str) -> None:
    if other.node != mine.node and spec.name in other.stacks:
        raise StackTaken(
            f"{key}: stack {spec.name!r} (project {spec.project!r}) is served already on node "
            f"{other.node!r}, by worker {other.worker}; give this one another name"
        )
    if other.node == mine.node:
        for name in other.stacks:
            row = session.get(Stack, name)
            if name != spec.name and row is not None and row.project == spec.project:
                raise StackTaken(
                    f"{key}.project: project {spec.project!r} is served already on node {other.node!r}, "
                    f"as {named_for(spec.name, name)}, by worker {other.worker}"
                )


def rejected_elsewhere(session: Session, stack: StackId, fault: str, digest: str, now: datetime) -> None:
    """Record that a worker rejected a stack that another node serves. The other node's stack is unchanged."""
    row = session.get(Stack, stack)
    before = row.digest if row else None
    audit.record(
        session,
        Event.STACK_REJECTED,
        actor=SYSTEM_ACTOR,
        now=now,
        stack=stack,
        faults=[fault],
        digest=digest,
        before=before,
    )


def is_idle(session: Session, stack: StackId) -> bool:
    """True where the stack has no unfinished window and no pending stop."""
    stop_pending = any(row.stop_pending for row in services.of(session, stack).values())
    return not stop_pending and not rows.unfinished_windows(session, stack)


def stacks_of_node(session: Session, node: str) -> list[Stack]:
    """The stacks that this node has published."""
    return [row for row in stacks.every(session) if row.node == node]
