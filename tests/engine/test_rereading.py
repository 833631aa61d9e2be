"""Files that change while a worker runs: adopted, or refused with the last good ones still in force."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from app.domain.enums import Event
from app.domain.stack_id import StackId
from app.store.tables import Stack as Row
from tests.databases import Databases
from tests.engine.stacks import Stack, running, standing, until
from workers.engine import compose_program

BROKEN = "services: [this is: no longer {yaml"
PATIENCE = 60.0


def row(stack: Stack, name: str = "studio") -> Row | None:
    with stack.database.read() as session:
        return session.get(Row, name)


def facts(stack: Stack, event: Event) -> list[dict[str, Any]]:
    return [json.loads(one.facts) for one in stack.entries(event)]


def hashes(stack: Stack) -> dict[str, str]:
    """The configuration hashes that a person's own `docker compose` computes from the files."""
    command = [
        *compose_program.program(),
        "-p",
        stack.project,
        "-f",
        str(stack.file),
        "config",
        "--hash",
        "*",
    ]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=stack.directory).stdout
    return dict(line.split() for line in printed.splitlines())


def told(stack: Stack, event: Event, many: int) -> list[dict[str, Any]]:
    until(lambda: len(facts(stack, event)) >= many, f"{many} of {event}", PATIENCE, stack)
    return facts(stack, event)


def test_a_good_change_is_adopted_with_both_digests(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()

    stack.write({"forge": running(), "mill": running()})

    first, second = told(stack, Event.STACK_LOADED, 2)
    assert second["before"] == first["digest"] != second["digest"]
    window = stack.open("mill")
    stack.opened(window)
    assert stack.alive() == {"mill"}


def test_a_bad_change_is_refused_and_what_was_good_stays_in_force(stack: Stack) -> None:
    stack.write({"forge": running(environment={"SAID": "before"})}).begin()
    good = hashes(stack)

    stack.file.write_text(BROKEN)

    (refused,) = told(stack, Event.STACK_REJECTED, 1)
    (loaded,) = facts(stack, Event.STACK_LOADED)
    assert refused["before"] == loaded["digest"]
    assert refused["digest"] not in {"", loaded["digest"]}
    before = row(stack)
    assert before
    assert str(stack.file) in before.refused[0]
    assert before.faults == []
    window = stack.open("forge")
    stack.opened(window)
    (container,) = stack.engine.containers(stack.project, ["forge"])
    assert container.config_hash == good["forge"]

    stack.write({"forge": running(environment={"SAID": "after"})})

    until(lambda: (stored := row(stack)) and not stored.refused, "it is mended", PATIENCE, stack)
    assert facts(stack, Event.STACK_LOADED)[-1]["before"] == loaded["digest"]


def test_a_change_that_compose_can_read_and_that_breaks_a_rule_names_its_own_digest(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()

    stack.define({"mill": running()})

    (refused,) = told(stack, Event.STACK_REJECTED, 1)
    assert len(refused["digest"]) == 64
    assert "forge" in refused["faults"][0]


def test_a_file_that_breaks_at_the_very_moment_of_a_start_changes_nothing(stack: Stack) -> None:
    """Before the change is noticed: a start never reads what has not been checked."""
    stack.write({"forge": running()}).begin()

    stack.file.write_text(BROKEN)
    window = stack.open("forge")

    stack.opened(window)
    assert stack.alive() == {"forge"}


ODD: Mapping[str, Any] = {
    "environment": {
        "DOLLAR": "a$$b",
        "HOME_OF": "${HOME}",
        "EMPTY": "",
        "NUMBER": 8,
        "FILLED": "${FILLED:-x}",
    },
    "env_file": ["more.env"],
    "labels": {"price": "5$$"},
    "tmpfs": ["/run/x"],
    "volumes": ["kept:/kept", "./beside:/beside"],
    "ulimits": {"nofile": 1024},
}


def test_a_manual_compose_call_recreates_nothing(stack: Stack) -> None:
    """What is started from what was kept carries the hash of the files themselves."""
    (stack.directory / "more.env").write_text("MORE=1$$2\nQUOTED='a b'\n")
    (stack.directory / ".env").write_text("FILLED=from-the-file\n")
    stack.write({"forge": running(**ODD), "mill": running()})
    compose = {"services": {"forge": running(**ODD), "mill": running()}, "volumes": {"kept": {}}}
    stack.file.write_text(json.dumps(compose))
    stack.begin()
    window = stack.open("forge", "mill")
    stack.opened(window)
    before = {name: stack.ids(name) for name in ("forge", "mill")}

    assert {one.service: one.config_hash for one in stack.engine.containers(stack.project)} == hashes(stack)
    stack.by_hand("up", "-d", "--no-build")

    assert {name: stack.ids(name) for name in ("forge", "mill")} == before


def test_what_is_kept_is_for_the_worker_alone(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    place = stack.context.stacks[StackId("studio")].place
    assert place
    (path,) = place.paths()[:1]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_stack_that_was_rejected_at_the_start_is_adopted_when_it_is_mended(stack: Stack) -> None:
    stack.write({"forge": running()})
    stack.file.write_text(BROKEN)
    stack.begin()
    before = row(stack)
    assert before
    assert before.faults

    stack.define({"forge": running()})

    until(lambda: (stored := row(stack)) and not stored.faults, "it is adopted", PATIENCE, stack)
    window = stack.open("forge")
    stack.opened(window)


def test_stacks_come_and_go_with_power_toml(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    window = stack.open("forge")
    stack.opened(window)
    one = stack.config.read_text()

    stack.config.write_text(one.replace("studio", "atelier").replace(stack.project, f"{stack.project}-b"))

    until(lambda: row(stack, "atelier"), "the new one appears", PATIENCE, stack)
    until(lambda: (stored := row(stack)) and stored.faults, "the old one is on its way out", PATIENCE, stack)
    stack.close(window)
    stack.closed(window)
    until(lambda: row(stack) is None, "the old one is forgotten", PATIENCE, stack)
    assert stack.alive() == set()


def test_a_bad_power_toml_is_refused_for_every_stack_and_the_old_one_stays(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    good = stack.config.read_text()

    stack.config.write_text("[stacks.studio\n")

    (refused,) = told(stack, Event.STACK_REJECTED, 1)
    assert "is not TOML" in refused["faults"][0]
    window = stack.open("forge")
    stack.opened(window)
    stack.config.write_text(good)
    until(lambda: (stored := row(stack)) and not stored.refused, "it is mended", PATIENCE, stack)


def test_a_worker_begins_with_its_database_away(tmp_path: Path, databases: Databases) -> None:
    place, hidden = tmp_path / "database", tmp_path / "hidden"
    place.mkdir()
    shutil.copy(make_url(databases.migrated("sqlite")).database or "", place / "power.db")
    place.rename(hidden)
    with standing(tmp_path, f"sqlite:///{place / 'power.db'}") as stack:
        stack.write({"forge": running()}).begin()
        assert stack.context.stacks[StackId("studio")].place
        assert stack.context.claimed == set()

        hidden.rename(place)

        until(lambda: "studio" in stack.context.claimed, "it is published", PATIENCE)
        window = stack.open("forge")
        stack.opened(window)
