"""A worker that publishes a stack, or is refused."""

from __future__ import annotations

import pytest

from app.domain.nodes import Heartbeat
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.usecases.nodes import claims, published_stacks
from app.usecases.nodes.claims import StackHeld
from tests.system import System


def sign(system: System, engine_id: str = "E1", node: str = "local") -> Heartbeat:
    return Heartbeat("w1", node, engine_id, "L1", [StackId("studio")], system.now, system.now)


def publish(system: System, spec: StackSpec, engine_id: str = "E1") -> None:
    """What a worker does with a reading: claim it, and let the front know."""
    mine = sign(system, engine_id, spec.node)
    with system.database.write() as session:
        claims.appear(session, mine, dead=lambda _worker: False, now=system.now)
    with system.database.write() as session:
        key = f"power.toml: stacks.{spec.name}"
        claims.claim_stack(session, spec, mine, key=key, dead=lambda _worker: False, now=system.now)
        published_stacks.publish_stack(session, spec, system.now, engine_id)


def held(system: System, spec: StackSpec, engine_id: str = "E1") -> str:
    with pytest.raises(StackHeld) as refused:
        publish(system, spec, engine_id)
    return str(refused.value)
