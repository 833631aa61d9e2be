"""A stack's project changes under what it holds: real projects, while a worker runs and while none does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, update

from app.domain.enums import Event, State
from app.domain.stack_id import StackId
from app.store import stacks
from app.store.tables import Stack as Row
from app.usecases.nodes import relocation
from tests.databases import Databases
from tests.engine.stacks import Stack, docker, running, standing, until
from workers.offline.controller import OfflineController

PATIENCE, STUDIO = 60.0, StackId("studio")


class Projects:
    """The projects that a test uses beside its stack's own; their containers go with it."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.first, self.second = stack, stack.project, f"{stack.project}-b"

    def alive(self, project: str) -> set[str]:
        return {one.service for one in self.stack.engine.containers(project) if one.alive}

    def change_to(self, project: str) -> None:
        """A person edits power.toml."""
        lines = self.stack.config.read_text().splitlines()
        lines = [f"project = {json.dumps(project)}" if line.startswith("project") else line for line in lines]
        self.stack.config.write_text("\n".join(lines) + "\n")

    def clear(self) -> None:
        if left := docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.second}").split():
            docker("rm", "-f", *left)
        for network in docker(
            "network", "ls", "-q", "--filter", f"label=com.docker.compose.project={self.second}"
        ).split():
            docker("network", "rm", network)


@pytest.fixture
def projects(stack: Stack) -> Iterator[Projects]:
    projects = Projects(stack)
    yield projects
    stack.end()
    projects.clear()


def row(stack: Stack, name: str = "studio") -> Row:
    with stack.database.read() as session:
        return stacks.chosen(session, StackId(name))


def moved(stack: Stack, projects: Projects) -> None:
    """It is served in the second project, and what is opened runs there."""
    until(
        lambda: (stored := row(stack)).project == projects.second and not (stored.faults or stored.refused),
        "the new project is in force",
        PATIENCE,
        stack,
    )
    stack.opened(stack.open("forge"))
    assert (projects.alive(projects.first), projects.alive(projects.second)) == (set(), {"forge"})


def test_a_project_changed_under_a_window_waits_until_that_is_off(stack: Stack, projects: Projects) -> None:
    stack.write({"forge": running(), "mill": running()}).begin()
    window = stack.open("forge")
    stack.opened(window)
    before = stack.ids("forge")

    projects.change_to(projects.second)

    refused = until(lambda: row(stack).refused, "the change is refused", PATIENCE, stack)
    for word in ("stacks.studio.project", window, "forge", projects.first, "power close", "power relocate"):
        assert word in refused[0]
    assert (stack.window(window).state, stack.ids("forge"), row(stack).faults) == (State.OPEN, before, [])
    other = stack.open("mill")
    stack.opened(other)
    assert projects.alive(projects.first) == {"forge", "mill"}

    stack.close(window)
    stack.close(other)

    stack.closed(window)
    stack.closed(other)
    moved(stack, projects)


def test_a_project_that_is_changed_back_is_served_as_ever(stack: Stack, projects: Projects) -> None:
    stack.write({"forge": running()}).begin()
    window = stack.open("forge")
    stack.opened(window)
    projects.change_to(projects.second)
    until(lambda: row(stack).refused, "the change is refused", PATIENCE, stack)

    projects.change_to(projects.first)

    until(lambda: not row(stack).refused, "it is as it was", PATIENCE, stack)
    stack.close(window)
    stack.closed(window)
    assert (row(stack).project, stack.alive()) == (projects.first, set())


def test_a_project_changed_while_the_worker_was_down_is_turned_off_in_the_old_one(
    stack: Stack, projects: Projects
) -> None:
    stack.write({"forge": running()}).begin()
    window = stack.open("forge", ttl=600)
    stack.opened(window)
    stack.end()

    projects.change_to(projects.second)
    stack.begin()

    assert window in row(stack).faults[0]
    assert (stack.window(window).state, stack.alive()) == (State.OPEN, {"forge"})
    stack.close(window)
    stack.closed(window)
    assert stack.alive() == set()
    moved(stack, projects)


def test_what_came_due_while_the_project_changed_and_no_worker_ran_is_turned_off(
    stack: Stack, projects: Projects
) -> None:
    stack.write({"forge": running()}).begin()
    window = stack.open("forge")
    stack.opened(window)
    stack.close_without_nudge(window)
    stack.end()

    projects.change_to(projects.second)
    stack.begin()

    stack.closed(window)
    assert stack.alive() == set()
    moved(stack, projects)


def test_a_stack_renamed_under_a_window_ends_it_before_the_new_name_begins(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    window = stack.open("forge")
    stack.opened(window)

    stack.config.write_text(stack.config.read_text().replace("[stacks.studio]", "[stacks.atelier]"))

    def withheld() -> list[str]:
        with stack.database.read() as session:
            stored = session.get(Row, "atelier")
            return stored.faults if stored else []

    faults = until(withheld, "the new name waits", PATIENCE, stack)
    assert "'studio'" in faults[0]
    assert window in faults[0]
    assert stack.alive() == {"forge"}
    stack.close(window)
    stack.closed(window)
    until(lambda: row(stack, "atelier").faults == [], "the new name is served", PATIENCE, stack)
    assert stack.alive() == set()


def test_a_stack_removed_and_added_again_in_another_project_ends_in_the_old_one(
    stack: Stack, projects: Projects
) -> None:
    stack.write({"forge": running()}).begin()
    window = stack.open("forge")
    stack.opened(window)
    before = stack.config.read_text()
    stack.config.write_text(before.replace("studio", "other").replace(stack.project, f"{stack.project}-c"))
    until(lambda: row(stack).faults, "it is on its way out", PATIENCE, stack)

    stack.config.write_text(before)
    projects.change_to(projects.second)

    until(lambda: "not in force" in " ".join(row(stack).faults), "it is held back", PATIENCE, stack)
    stack.close(window)
    stack.closed(window)
    moved(stack, projects)


def test_core_for_a_moment_is_turned_off_once_it_is_allowed_again(stack: Stack) -> None:
    stack.write({"forge": running(), "mill": running()}).begin()
    window = stack.open("forge")
    stack.opened(window)
    stack.write({"forge": running(), "mill": running()}, core=["forge"])
    until(lambda: row(stack).spec.core == ["forge"], "it is core", PATIENCE, stack)
    stack.close(window)
    stack.closed(window)
    assert stack.alive() == {"forge"}

    stack.write({"forge": running(), "mill": running()})

    until(lambda: stack.alive() == set(), "its off is made up for", PATIENCE, stack)


def test_a_worker_that_finds_another_engine_serves_nothing_until_that_is_given_up(stack: Stack) -> None:
    """As after the engine's data was wiped: the id that is on record is gone for good."""
    stack.write({"forge": running()}).begin()
    window = stack.open("forge")
    stack.opened(window)
    stack.end()
    with stack.database.write() as session:
        for table in (Row, type(stack.row("forge")), type(stack.lease(window, "forge"))):
            session.execute(update(table).values(engine_id="GONE@host:/var/lib/docker"))

    stack.begin()

    (fault,) = row(stack).faults
    for word in (window, "GONE@host", stack.context.engine_id, "DOCKER_HOST", "power relocate studio"):
        assert word in fault
    assert "\n" not in fault
    stop_pending = stack.row("forge")
    assert stop_pending
    assert (stop_pending.stop_pending, stop_pending.power) == (True, "unknown")
    stack.close_without_nudge(window)
    with stack.database.write() as session:
        relocation.relocate(session, STUDIO, actor="ada", now=stack.database.now())
    # The engine is the same after all, so its containers are found and turned off.
    stack.closed(window, within=PATIENCE)
    until(lambda: stack.alive() == set(), "what ran is off", PATIENCE, stack)
    assert row(stack).faults == []
    assert [one.actor for one in stack.entries(Event.STACK_RELOCATED)] == ["ada"]


def test_an_engine_that_is_replaced_under_a_worker_is_noticed(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    window = stack.open("forge")
    stack.opened(window)
    genuine = stack.engine.id

    stack.engine.id = lambda: "OTHER@host:/var/lib/docker"  # type: ignore[method-assign]
    stack.watch.heartbeat.know_engine()

    until(lambda: row(stack).faults, "it is held back", PATIENCE, stack)
    stack.close_without_nudge(window)
    until(lambda: stack.window(window).state == State.CLOSING, "it closes", PATIENCE, stack)
    assert stack.alive() == {"forge"}
    stack.engine.id = genuine  # type: ignore[method-assign]
    stack.watch.heartbeat.know_engine()
    stack.closed(window, within=PATIENCE)
    assert stack.alive() == set()


def test_a_stack_removed_while_its_engine_was_another_is_turned_off_when_that_is_back(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    window = stack.open("forge")
    stack.opened(window)
    genuine = stack.engine.id
    stack.engine.id = lambda: "OTHER@host:/var/lib/docker"  # type: ignore[method-assign]
    stack.watch.heartbeat.know_engine()
    until(lambda: row(stack).faults, "it is held back", PATIENCE, stack)

    before = stack.config.read_text()
    stack.config.write_text(before.replace("studio", "other").replace(stack.project, f"{stack.project}-c"))
    until(lambda: "other" in stack.context.claimed, "the other one is served", PATIENCE, stack)
    stack.close_without_nudge(window)
    assert stack.alive() == {"forge"}
    stack.engine.id = genuine  # type: ignore[method-assign]
    stack.watch.heartbeat.know_engine()

    stack.closed(window, within=PATIENCE)
    assert stack.alive() == set()


def test_blind_stops_are_made_in_the_project_that_owes_them(tmp_path: Path, databases: Databases) -> None:
    """The database is away, and power.toml has come to name another project."""
    place, hidden = tmp_path / "database", tmp_path / "hidden"
    place.mkdir()
    shutil.copy(make_url(databases.migrated("sqlite")).database or "", place / "power.db")
    with standing(tmp_path, f"sqlite:///{place / 'power.db'}") as stack:
        projects = Projects(stack)
        stack.write({"forge": running()}, blind_grace="1s").begin()
        window = stack.open("forge", ttl=3600)
        stack.opened(window)
        until(lambda: stack.context.snapshot.latest.stacks[STUDIO].pending_stops, "it is known", 10, stack)
        stack.end()
        stack.database.close()
        _shorten(stack)
        place.rename(hidden)
        projects.change_to(projects.second)
        try:
            stack.begin()
            until(lambda: projects.alive(projects.first) == set(), "it is turned off blind", PATIENCE)
        finally:
            hidden.rename(place)
            projects.clear()


def _shorten(stack: Stack) -> None:
    """What the worker knows on disk: that the window is over."""
    path = stack.lock_dir.parent / "blind" / "local" / "known.json"
    snapshot = json.loads(path.read_text())
    for lease in snapshot["stacks"]["studio"]["leases"]:
        lease["deadline"] = "2020-01-01T00:00:00+00:00"
    path.write_text(json.dumps(snapshot))


def test_nothing_is_stopped_blind_on_another_engine(stack: Stack) -> None:
    stack.write({"forge": running()}, blind_grace="1s").begin()
    stack.opened(stack.open("forge"))
    until(lambda: stack.context.snapshot.latest.stacks[STUDIO].pending_stops, "it is known", 10, stack)
    (owing,) = stack.context.snapshot.latest.stacks[STUDIO].pending_stops.values()
    blind = OfflineController(stack.context)

    assert blind.is_here(owing)
    stack.context.engine_id = "OTHER@host:/var/lib/docker"
    assert not blind.is_here(owing)
