"""Rows in every state that a page can show, beside those of `filled_database`: for pictures of pages.

A stack `workshop`, whose services and windows are in all states, and a stack `attic`, whose node is away.
Runs, requests for intents, notifications and tokens are rows; windows are made by real use cases.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from app.domain.enums import Power, Role
from app.domain.intents import Approval, Intent
from app.domain.nodes import Heartbeat
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.stack_id import StackId
from app.store import workers
from app.store.database import Database
from app.store.tables import Node, Service
from app.usecases.nodes import published_stacks
from app.usecases.windows import expire as expiry
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest
from tests.browser import filled_database, state_rows
from tests.browser.state_rows import LONG, WORKSHOP
from tests.simulated_worker import allowed
from tests.system import System

ATTIC = StackId("attic")
_SERVICES = (
    "api",
    "broken",
    "database",
    LONG,
    "frozen",
    "hand-started",
    "left-over",
    "model",
    "no-image",
    "old-definition",
    "slow",
    "stubborn",
    "tired",
)


def add_every_state(database: Database) -> str:
    """Add the rows; return the text of a token that is good for the waiting page of `api` alone."""
    now = database.now()
    system = _workshop(database, now)
    _add_ended_windows(system)
    _add_live_windows(system)
    _mark_services(database, now)
    _add_away(database, now)
    state_rows.add_runs(database, now)
    state_rows.add_requests(database, now)
    state_rows.add_notices(database, now)
    return state_rows.add_tokens(database, now)


def _workshop(database: Database, now: datetime) -> System:
    named = [ServiceSpec("redis", Role.CORE, stable_for=0.0), ServiceSpec("proxy", Role.CORE, stable_for=0.0)]
    named += [allowed(name) for name in _SERVICES]
    spec = StackSpec(
        WORKSHOP,
        WORKSHOP,
        "local",
        {one.name: one for one in named},
        default_ttl=1800.0,
        max_ttl=28800.0,
        intents={one.name: one for one in _INTENTS},
    )
    system = System(database, spec=spec, now=now - timedelta(hours=2))
    filled_database.beat(database)
    system.checked = {"slow"}
    system.run_by_hand("redis")
    return system


_INTENTS = (
    Intent(
        "translate",
        ("api", "model"),
        "Translate the recordings of the last night.",
        ttl=7200.0,
        checks=(
            {
                "name": "answers",
                "kind": "http",
                "check": "GET http://127.0.0.1:8080/health is 200",
                "depends_on": [],
            },
        ),
    ),
    Intent("train", (LONG,), ttl=None, build=(LONG, "model"), approval=Approval.OTHER),
    Intent("demo", ("api",), "Show the customer what we have.", approval=Approval.PERSON),
)


def _ask(
    system: System, *names: str, ttl: float = 3600.0, actor: str = "ada", reason: str | None = None
) -> str:
    request = OpenRequest(names, system.spec.name, ttl, reason)
    with system.database.write() as session:
        window, _new = opening.open_window(session, request, actor=actor, now=system.now)
        identifier = window.id
    system.work()
    return identifier


def _add_ended_windows(system: System) -> None:
    """One window for each way to end."""
    manual = _ask(system, "api", reason="a look at what the customer reported this morning")
    system.tick(300)
    system.close(manual, actor="grace")
    _ask(system, "api", "model", ttl=300, actor="phone")
    system.tick(400)
    system.will_crash.add("broken")
    _ask(system, "broken", reason="does it start again?")
    system.tick(200)
    system.will_not_stop.add("tired")
    forced = _ask(system, "tired", actor="grace", reason="load test " + "with many words " * 8)
    system.tick(120)
    system.close(forced, force=True)
    system.tick(600)


def _add_live_windows(system: System) -> None:
    """Windows that open, are open in part, close, and cannot close."""
    _ask(
        system,
        "api",
        "model",
        LONG,
        ttl=27000,
        actor="night-build-of-the-translation-team",
        reason="translate batch 7",
    )
    _ask(system, "api", "broken", ttl=9000, actor="grace", reason="demo for ada's customer")
    _ask(system, "old-definition", ttl=7300, actor="phone")
    system.will_not_stop.add("stubborn")
    stuck = _ask(system, "stubborn", reason="a disk that hangs")
    system.tick(60)
    system.close(stuck)
    system.tick(600)
    system.tick(600)
    system.stops_forever.add("left-over")
    closing = _ask(system, "left-over", actor="admin")
    system.tick(60)
    system.close(closing, actor="admin")
    system.now = max(system.now, system.database.now() - timedelta(seconds=40))
    _ask(system, "slow", "database", ttl=3600, actor="admin", reason="film night")


def _mark_services(database: Database, now: datetime) -> None:
    """What a worker has seen of services that no window holds."""
    since = now - timedelta(minutes=4)
    marks: dict[str, dict[str, Any]] = {
        "hand-started": {"power": Power.ON, "ready": True, "alive": True, "drift_since": since},
        "frozen": {"power": Power.UNKNOWN, "detail": "the engine does not answer about its container"},
        "no-image": {"image_missing": True},
        "old-definition": {"outdated": True},
        "proxy": {"power": Power.OFF, "drift_since": since, "detail": "exited with code 137"},
    }
    with database.write() as session:
        for name, values in marks.items():
            for key, value in values.items():
                setattr(session.get_one(Service, (WORKSHOP, name)), key, value)


def _add_away(database: Database, now: datetime) -> None:
    """A stack on a node that is away, and a window that waits for it; and an edit that is not in force."""
    system = System(database, spec=_attic(), now=now - timedelta(minutes=90))
    started, seen = now - timedelta(days=1), now - timedelta(minutes=70)
    with database.write() as session:
        session.add(Node(name="attic", engine_id="", worker="worker-9", started_at=started, seen_at=seen))
        workers.write(session, Heartbeat("worker-9", "attic", "", "", (ATTIC,), started, seen))
    system.now = now - timedelta(minutes=40)
    system.ask_on(ATTIC, "backup")
    with database.write() as session:
        expiry.give_up_waiting(session, now - timedelta(minutes=9))
    system.now = now - timedelta(minutes=3)
    system.ask_on(ATTIC, "photos")
    faults = ["workshop/power.toml: stacks.workshop.max_ttl: '9 hours' is no duration; write 90s, 30m or 8h"]
    with database.write() as session:
        published_stacks.record_refused_edit(session, WORKSHOP, faults, "digest-of-the-edit", now)


def _attic() -> StackSpec:
    named = [ServiceSpec("redis", Role.CORE, stable_for=0.0), allowed("photos"), allowed("backup")]
    return StackSpec(
        ATTIC, ATTIC, "attic", {one.name: one for one in named}, default_ttl=1800.0, max_ttl=28800.0
    )
