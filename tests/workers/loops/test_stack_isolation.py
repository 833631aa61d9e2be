"""One bad stack keeps no other from being served; nothing is kept of a stack that is gone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.store.database import Database
from app.store.tables import Stack
from app.usecases.nodes import published_stacks
from tests.system import NOON, System
from tests.workers.loops.loop_parts import spec, watch
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.stack_loader import StackLoader
from workers.reconcile.inspect import inspect_stack
from workers.stacks import stack_reader
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext
from workers.state.inspection_queue import Trigger
from workers.state.restart_history import RestartHistory


def two_stacks(tmp_path: Path) -> None:
    (tmp_path / "power.toml").write_text(
        '[stacks.bad]\nproject = "bad"\nallow = ["forge"]\n\n'
        '[stacks.good]\nproject = "good"\nallow = ["forge"]\n'
    )


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyError("x"), MemoryError()])
def test_a_stack_that_cannot_be_read_keeps_no_other_from_being_served(
    context: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def read(_path: Path, _toml: Any, name: str, **_more: Any) -> Served:
        if name == "bad":
            raise error
        return Served(spec(name), place=SimpleNamespace())  # type: ignore[arg-type]

    monkeypatch.setattr(stack_reader, "read", read)
    two_stacks(tmp_path)

    loading = StackLoader(context, tmp_path / "power.toml")
    loading.begin()
    HeartbeatLoop(context, loading).begin()

    assert context.claimed == {"good", "bad"}
    assert context.stacks[StackId("good")].place
    assert not context.stacks[StackId("bad")].place


def test_a_stack_that_is_not_published_keeps_no_other_from_it(
    context: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = published_stacks.publish_stack

    def breaks(session: Any, served: StackSpec, *arguments: Any) -> None:
        if served.name == "bad":
            raise TypeError("a definition that cannot be read")
        published(session, served, *arguments)

    monkeypatch.setattr(published_stacks, "publish_stack", breaks)
    monkeypatch.setattr(stack_reader, "read", lambda _path, _toml, name, **_more: Served(spec(name)))
    two_stacks(tmp_path)
    loading = StackLoader(context, tmp_path / "power.toml")
    loading.begin()

    HeartbeatLoop(context, loading).begin()

    assert context.claimed == {"good"}


def test_a_stack_that_was_taken_out_leaves_nothing_behind(context: WorkerContext) -> None:
    served = Served(spec("studio"))
    context.adopt(served)
    context.adopt(Served(spec("other")))
    context.claimed |= {StackId("studio"), StackId("other")}
    context.digests |= {"studio-forge": "sha256:1", "other-forge": "sha256:2"}
    context.inspection_lock(StackId("studio"))
    context.restarts.record_death("studio", "forge", "c0ffee", 1)

    context.forget(StackId("studio"))

    assert set(context.stacks) == context.claimed == {"other"}
    assert set(context.digests) == {"other-forge"}
    assert not context.looking
    assert not context.restarts.services


def test_a_stack_that_is_taken_out_during_a_look_is_no_failure(
    context: WorkerContext, tmp_path: Path
) -> None:
    watching = watch(context, tmp_path)
    context.adopt(Served(spec("studio")))
    watching.mark(StackId("studio"), None, Trigger.START)

    def taken_out(project: str, services: Any) -> list[Any]:
        context.forget(StackId("studio"))
        return []

    engine: Any = context.engine
    engine.containers, engine.now = taken_out, lambda: NOON
    watching.inspections.inspect_or_retry(StackId("studio"))

    assert inspect_stack(context, StackId("studio")) == {}
    assert not watching.inspections.act(StackId("studio"))
    assert not context.guard.take_counts()


def test_only_restarts_of_served_projects_are_remembered(context: WorkerContext, tmp_path: Path) -> None:
    context.restarts = RestartHistory()
    context.adopt(Served(spec("studio")))
    mine = {"com.docker.compose.project": "studio", "com.docker.compose.service": "forge"}
    watching = watch(context, tmp_path)

    for code in ("3", "", "a stray word"):
        watching.events.handle("die", {"ID": f"container {code}", "Attributes": {"exitCode": code, **mine}})
    watching.events.handle("die", {"ID": "another's", "Attributes": {"exitCode": "1"}})

    ((key, service),) = context.restarts.services.items()
    assert key == ("studio", "forge")
    assert service.codes == {"container 3": 3, "container ": 0, "container a stray word": 0}


def test_a_stack_whose_row_is_broken_keeps_no_other_from_being_known(
    system: System, context: WorkerContext, database: Database
) -> None:
    window = system.open("forge")
    with database.write() as session:
        published_stacks.publish_stack(session, spec("other"), system.now)
    context.snapshot.refresh("local", system.now)
    system.extend(window, 1000)
    with database.write() as session:
        session.get_one(Stack, "other").definition = {"nothing": "of it"}

    context.snapshot.refresh("local", system.now)

    snapshots = context.snapshot.latest.stacks
    assert {lease.deadline for lease in snapshots[StackId("studio")].leases} == {
        system.window(window).deadline
    }
    assert snapshots[StackId("other")].spec == spec("other")


@pytest.mark.parametrize("mistake", ["[namespaces.team_a.typo]\n", "namespaces"])
def test_a_faulty_namespace_keeps_its_last_reading_and_no_other_stack_from_being_served(
    context: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    def read(_path: Path, _toml: Any, name: str, **_more: Any) -> Served:
        return Served(spec(name), place=SimpleNamespace())  # type: ignore[arg-type]

    monkeypatch.setattr(stack_reader, "read", read)
    own = '[stacks.good]\nproject = "good"\nallow = ["forge"]\n'
    team = '[namespaces.team_a.stacks.x]\nproject = "x"\nallow = ["forge"]\n'
    path = tmp_path / "power.toml"
    path.write_text(f"[features]\nnamespaces = true\n{own}{team}")
    loading = StackLoader(context, path)
    loading.begin()
    HeartbeatLoop(context, loading).begin()

    whole = f"namespaces = 1\n[features]\nnamespaces = true\n{own}"
    path.write_text(whole if mistake == "namespaces" else f"{path.read_text()}{mistake}")
    loading.read_changes()
    loading.read_changes()
    HeartbeatLoop(context, loading).begin()

    assert context.stacks[StackId("good")].place
    assert context.stacks[StackId("team_a/x")].place
    with context.database.read() as session:
        good, other = (session.get_one(Stack, name) for name in ("good", "team_a/x"))
    assert not good.refused
    assert "namespaces" in other.refused[0]
