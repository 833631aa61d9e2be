"""The stacks that a node publishes: served, rejected, or gone from its files."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain.enums import Event, Role
from app.domain.locations import Location
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.store import audit, services
from app.store import windows as rows
from app.store.tables import Node, Stack
from app.usecases import restore
from app.usecases.nodes import relocation
from app.usecases.windows import expire as expiry
from app.usecases.windows.transitions import SYSTEM_ACTOR


def publish_stack(session: Session, spec: StackSpec, now: datetime, engine_id: str = "") -> None:
    """A worker has read and checked a stack: the front may know it.

    `engine_id` tells the engine on which it serves it; empty while that has not answered.
    """
    before = session.get(Stack, spec.name)
    at = Location(spec.project, engine_id or (before.engine_id if before else ""))
    before_node = before.node if before else spec.node
    if _differs(before, spec):
        facts = {"digest": spec.digest, "before": before.digest if before else None, "node": spec.node}
        audit.record(session, Event.STACK_LOADED, actor=SYSTEM_ACTOR, now=now, stack=spec.name, **facts)
    if restore.behind(session, before):
        restore.mark_services_possibly_running(session, spec, at)
    session.merge(
        Stack(
            name=spec.name,
            node=spec.node,
            project=spec.project,
            definition=spec.as_json(),
            digest=spec.digest,
            loaded_at=now,
            faults=[],
            refused=[],
            engine_id=at.engine_id,
        )
    )
    _roles(session, spec)
    relocation.complete(session, spec.name, at)
    if before and before_node != spec.node:
        rows.move(session, spec.name, spec.node)


def _differs(before: Stack | None, spec: StackSpec) -> bool:
    if before is None or before.faults or before.refused:
        return True
    return (before.digest, before.node) != (spec.digest, spec.node)


def record_refused_edit(
    session: Session, stack: StackId, faults: list[str], digest: str, now: datetime
) -> None:
    """A worker has turned down a later change of a stack's files: what was good before stays in force."""
    row = session.get(Stack, stack)
    if row is None or row.faults or (row.refused == faults and _is_reported(session, stack, digest)):
        return
    facts: dict[str, Any] = {"faults": faults, "digest": digest, "before": row.digest, "in_force": True}
    audit.record(session, Event.STACK_REJECTED, actor=SYSTEM_ACTOR, now=now, stack=stack, **facts)
    row.refused = faults


def _roles(session: Session, spec: StackSpec) -> None:
    for name, row in services.of(session, spec.name).items():
        row.role = spec.services[name].role if name in spec.services else Role.NONE


def _is_reported(session: Session, stack: StackId, digest: str) -> bool:
    """Has another worker of the node, which reads the same files, said so already?"""
    last = audit.newest(session, stack, Event.STACK_REJECTED)
    return last is not None and json.loads(last.facts).get("digest") == digest


def reject_stack(
    session: Session, empty: StackSpec, faults: list[str], now: datetime, *, digest: str = ""
) -> None:
    """Record that a worker rejected a stack: no window can be opened on it until its files are valid.

    The last valid definition stays, so that held services can be stopped. `empty` is stored if there is
    none.
    """
    before = session.get(Stack, empty.name)
    digest_before = before.digest if before else None
    if before is None:
        before = Stack(name=empty.name, project=empty.project, definition=empty.as_json(), digest="")
        session.add(before)
    if before.faults != faults:
        facts: dict[str, Any] = {"faults": faults, "digest": digest or empty.digest, "before": digest_before}
        audit.record(session, Event.STACK_REJECTED, actor=SYSTEM_ACTOR, now=now, stack=empty.name, **facts)
    if not before.spec.services:
        before.project, before.definition = empty.project, empty.as_json()
    before.node, before.faults, before.loaded_at, before.refused = empty.node, faults, now, []


def forget_stack(session: Session, stack: Stack, fault: str, now: datetime) -> bool:
    """Remove a stack that its node no longer has; False while a window or a stop of it is unfinished."""
    expiry.lose_stack(session, stack.name, now)
    rows_of = services.of(session, stack.name)
    pending_stops = any(row.stop_pending and row.role != Role.CORE for row in rows_of.values())
    if rows.unfinished_windows(session, stack.name) or pending_stops:
        reject_stack(session, StackSpec(stack.name, stack.project, stack.node, {}), [fault], now)
        return False
    for row in rows_of.values():
        # Core is not stopped; should it become an allowed service again, its stop is still pending.
        if not row.stop_pending:
            session.delete(row)
    session.delete(stack)
    facts: dict[str, Any] = {"faults": [fault], "digest": None, "before": stack.digest}
    audit.record(session, Event.STACK_REJECTED, actor=SYSTEM_ACTOR, now=now, stack=stack.name, **facts)
    return True


def record_node(session: Session, node: Node) -> None:
    """A worker of this node is there."""
    session.merge(node)
