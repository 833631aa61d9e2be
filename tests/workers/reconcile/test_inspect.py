"""A look takes in what is listed, and what owes an off though it is not listed any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import update

from app.domain.enums import Power, Role
from app.domain.planning import StackSpec
from app.domain.readiness import Container, ReadinessVerdict
from app.store import services
from app.store.database import Database
from app.store.tables import Lease
from tests.system import System
from workers.reconcile.inspect import OUTPUT_DELAY, await_output, inspect_stack
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext
from workers.state.identity import Identity
from workers.state.inspection_queue import InspectionRequest, Trigger


@dataclass
class Engine:
    """Shows what it is given, of the services it is asked for."""

    shown: list[Container] = field(default_factory=list)
    absent: set[str] = field(default_factory=set)
    """Names of images that it lacks."""

    def containers(self, project: str, services: Iterable[str]) -> list[Container]:
        asked = set(services)
        return [one for one in self.shown if one.service in asked]

    def log(self, container: str, since: datetime | None) -> str:
        return ""

    def image(self, name: str) -> str:
        return "" if name in self.absent else "sha256:1"

    def now(self) -> datetime:
        return datetime.now(UTC)


def context(database: Database, spec: StackSpec, engine: Engine, directory: Path) -> WorkerContext:
    worker_context = WorkerContext(
        database, cast(Any, engine), Identity(directory, "local"), "local", directory
    )
    worker_context.stacks[spec.name] = Served(spec)
    return worker_context


@pytest.mark.parametrize("removed_from", ["from the allowlist", "from the file"])
def test_what_owes_an_off_is_looked_at_though_it_is_gone(
    database: Database, removed_from: str, tmp_path: Path
) -> None:
    system = System(database, now=database.now() - timedelta(minutes=1))
    system.open("forge")
    left = {name: one for name, one in system.spec.services.items() if name != "forge"}
    if removed_from == "from the allowlist":
        left["forge"] = replace(system.spec.services["forge"], role=Role.NONE)
    spec = replace(system.spec, services=left)
    engine = Engine([system.containers["redis"], system.containers["forge"]])
    worker = context(database, spec, engine, tmp_path)

    inspect_stack(worker, spec.name)
    assert system.row("forge").alive

    engine.shown.pop()
    inspect_stack(worker, spec.name)
    assert not system.row("forge").alive


def test_what_is_not_listed_and_owes_nothing_is_not_looked_at(database: Database, tmp_path: Path) -> None:
    system = System(database, now=database.now() - timedelta(minutes=1))
    system.run_by_hand("secret")
    engine = Engine(list(system.containers.values()))
    inspect_stack(context(database, system.spec, engine, tmp_path), system.spec.name)
    with database.read() as session:
        assert "secret" not in services.of(session, system.spec.name)


def test_lines_that_an_engine_stores_after_a_containers_end_are_awaited() -> None:
    now = datetime.now(UTC)
    failing = ReadinessVerdict(Power.FAILING, "exited with code 1")
    ended = Container("c", "forge", "exited", exit_code=1, finished_at=now - timedelta(seconds=1))

    assert await_output(failing, ended, now).look_again == now + OUTPUT_DELAY / 4
    assert await_output(failing, ended, now + OUTPUT_DELAY).look_again is None
    assert await_output(failing, replace(ended, state="running"), now).look_again is None
    assert await_output(failing, None, now) == failing
    sooner = replace(failing, look_again=now)
    assert await_output(sooner, ended, now).look_again == now


def test_an_image_that_is_missing_is_noted_before_a_window_needs_it(
    database: Database, tmp_path: Path
) -> None:
    system = System(database, now=database.now() - timedelta(minutes=1))
    forge = replace(system.spec.services["forge"], image="shop/forge")
    spec = replace(system.spec, services={**system.spec.services, "forge": forge})
    engine = Engine(absent={"shop/forge"})
    worker = context(database, spec, engine, tmp_path)
    every_image = InspectionRequest(None, {Trigger.START})

    inspect_stack(worker, spec.name, every_image)
    assert system.row("forge").image_missing

    engine.absent.clear()
    inspect_stack(worker, spec.name, InspectionRequest(None, {Trigger.POLL}))
    assert system.row("forge").image_missing, "a poll looks up no image"
    inspect_stack(worker, spec.name, every_image)
    assert not system.row("forge").image_missing


@pytest.mark.parametrize(
    ("ended", "started_for_this_window", "power"),
    [(-5.0, False, Power.OFF), (5.0, False, Power.FAILING), (-5.0, True, Power.FAILING)],
    ids=["before the window", "under the window", "started and seen late"],
)
def test_how_a_container_ended_before_its_window_says_nothing_of_it(
    database: Database, tmp_path: Path, ended: float, started_for_this_window: bool, power: Power
) -> None:
    system = System(database, now=database.now() - timedelta(seconds=60))
    window, _new = system.ask("forge")
    asked_at = system.window(window).created_at
    if started_for_this_window:
        with database.write() as session:
            session.execute(update(Lease).values(tried_at=database.now()))
    forge = Container("c", "forge", "exited", exit_code=1, finished_at=asked_at + timedelta(seconds=ended))
    engine = Engine([system.containers["redis"], forge])

    inspect_stack(context(database, system.spec, engine, tmp_path), system.spec.name)

    assert system.row("forge").power == power


@pytest.mark.parametrize(("policy", "is_planned"), [("stop", True), ("report", False)])
def test_the_end_of_a_drifts_grace_leads_to_an_inspection(
    policy: str, is_planned: bool, database: Database, tmp_path: Path
) -> None:
    system = System(database, now=database.now() - timedelta(minutes=1))
    spec = replace(system.spec, drift=policy, grace=5.0)
    system.run_by_hand("forge")
    engine = Engine(list(system.containers.values()))
    with database.write() as session:
        services.of(session, spec.name)["forge"].drift_since = database.now()

    again = inspect_stack(context(database, spec, engine, tmp_path), spec.name)

    assert ("forge" in again) == is_planned
    if is_planned:
        assert timedelta(seconds=3) < again["forge"] - engine.now() <= timedelta(seconds=5)
