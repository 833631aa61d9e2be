"""Parts of a worker's loops, for the tests of isolation."""

from __future__ import annotations

from pathlib import Path

from app.domain.planning import ServiceSpec, StackSpec
from app.domain.stack_id import StackId
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.stack_loader import StackLoader
from workers.loops.watch import Watch
from workers.state.context import WorkerContext


def watch(context: WorkerContext, tmp_path: Path) -> Watch:
    loading = StackLoader(context, tmp_path / "power.toml")
    return Watch(context, loading, HeartbeatLoop(context, loading))


def spec(name: str) -> StackSpec:
    return StackSpec(StackId(name), name, "local", {"forge": ServiceSpec("forge", image=f"{name}-forge")})
