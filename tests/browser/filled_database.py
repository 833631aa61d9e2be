"""Databases for pictures and tests of pages: with little and with much in them, and no engine behind it.

`python -m tests.browser.filled_database little power.db` writes one file; `much` has 6 stacks of 15 services
and 200 windows. The workers are simulated, so states, calls and audit entries are those of real use cases.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import migrations
from app.domain.enums import Condition, Power, Role
from app.domain.nodes import Heartbeat
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.stack_id import StackId
from app.store import diagnoses, stacks, tokens, windows, workers
from app.store.database import Database
from app.store.tables import Node, Sample, Service, Window
from app.usecases.nodes import published_stacks
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest
from tests.simulated_worker import allowed
from tests.system import System

NAMES = tuple(map(StackId, ("homelab", "media", "gpu", "staging", "office", "archive")))
_WORDS = (
    "jellyfin", "sonarr", "transcoder", "ollama", "notebook", "render", "postgres-replica", "search",
    "mailcatcher", "grafana", "backup", "photos", "ci-runner",
)  # fmt: skip
_REASONS = ("film night", "translate batch 7", "nightly tests", None, "demo for ada's customer")
_PEOPLE = ("admin", "ada", "grace", "phone")
_HISTORY = timedelta(days=3)
MEBIBYTE = 2**20


def spec_of(name: StackId, services: int) -> StackSpec:
    """A stack with core `redis` and `proxy`; `sonarr` needs `jellyfin`."""
    named = [ServiceSpec(one, Role.CORE, stable_for=0.0) for one in ("redis", "proxy")]
    named += [allowed(one) for one in _WORDS[: services - len(named)]]
    by_name = {one.name: one for one in named}
    by_name["jellyfin"] = replace(
        by_name["jellyfin"], published=("8096",), memory_limit=512 * MEBIBYTE, cpu_limit=2.0
    )
    by_name["sonarr"] = replace(by_name["sonarr"], depends_on={"jellyfin": Condition.STARTED})
    return StackSpec(name, name, "local", by_name, default_ttl=1800.0, max_ttl=28800.0)


def fill(database: Database, *, much: bool, closed: int | None = None) -> str:
    """Fill a migrated database; return the token of `admin`.

    Little: one stack of 6 services, one open window. Much: 6 stacks of 15 services, 200 windows of which 5
    are open, a failing and a drifting service, and a stack that is rejected. `closed` is how many windows of
    each stack are closed, in place of that.
    """
    now = database.now()
    with database.write() as session:
        token = tokens.create(session, "admin", now - _HISTORY)
    specs = [spec_of(name, 15 if much else 6) for name in (NAMES if much else NAMES[:1])]
    count = closed if closed is not None else 32 if much else 4
    systems = [_with_history(database, spec, now, count) for spec in specs]
    _open_windows(systems, 5 if much else 1, now)
    if much:
        _add_troubles(database, systems, now)
    _add_samples(database, now)
    beat(database)
    return token


def first_run(database: Database) -> str:
    """A stack that was loaded just now, and no window yet; return the token of `admin`."""
    now = database.now()
    with database.write() as session:
        token = tokens.create(session, "admin", now)
    _system(database, spec_of(NAMES[0], 6), now - timedelta(minutes=1))
    beat(database)
    return token


def beat(database: Database) -> None:
    """A sign of life of the worker. Without one for half a minute its stacks are away."""
    now = database.now()
    with database.write() as session:
        names = tuple(one.name for one in stacks.every(session) if one.node == "local")
        workers.write(session, Heartbeat("worker-1", "local", "", "", names, now - _HISTORY, now))
        session.merge(
            Node(name="local", engine_id="", worker="worker-1", started_at=now - _HISTORY, seen_at=now)
        )


def _system(database: Database, spec: StackSpec, now: datetime) -> System:
    system = System(database, spec=spec, now=now)
    for name in spec.core:
        system.run_by_hand(name)
    return system


def _with_history(database: Database, spec: StackSpec, now: datetime, count: int) -> System:
    """The stack after windows that were opened one after another and have closed."""
    system = _system(database, spec, now - _HISTORY)
    step = _HISTORY.total_seconds() / (count + 1)
    for number in range(count):
        window = _open(system, number, 600 + 400 * (number % 4))
        system.tick(step / 2)
        if system.state(window) != "closed":
            system.close(window)
        system.tick(step / 2)
    return system


def _open(system: System, number: int, ttl: float) -> str:
    names = system.spec.allowed
    asked = [names[number % len(names)]] + ([names[(number + 3) % len(names)]] if number % 3 else [])
    ask = OpenRequest(list(dict.fromkeys(asked)), system.spec.name, ttl, _REASONS[number % len(_REASONS)])
    with system.database.write() as session:
        window, _new = opening.open_window(session, ask, actor=_PEOPLE[number % len(_PEOPLE)], now=system.now)
        identifier = window.id
    system.work()
    return identifier


def _open_windows(systems: list[System], count: int, now: datetime) -> None:
    """Windows that are open now, begun up to 40 minutes ago."""
    for number in range(count):
        system = systems[number % min(3, len(systems))]
        system.now = max(system.now, now - timedelta(minutes=40 - 7 * number))
        _open(system, number, 3600 + 1800 * number)


def _add_troubles(database: Database, systems: list[System], now: datetime) -> None:
    gpu, staging, archive = systems[2], systems[3], systems[5]
    with database.write() as session:
        failing = session.get_one(Service, (gpu.spec.name, "transcoder"))
        failing.power, failing.ready = Power.FAILING, False
        failing.detail = (
            "keeps restarting: 3 restarts, exit code 1\nModuleNotFoundError: No module named 'torch'"
        )
        for window in windows.moving_of(session, gpu.spec.name):
            for lease in window.leases:
                if lease.service == "transcoder":
                    lease.power, lease.ready, lease.detail = failing.power, False, failing.detail
        diagnoses.record(
            session,
            stack=gpu.spec.name,
            service="transcoder",
            window=None,
            node="local",
            causes=[_CAUSE],
            now=now,
        )
        drifting = session.get_one(Service, (staging.spec.name, "search"))
        drifting.power, drifting.ready, drifting.alive, drifting.drift_since = Power.ON, True, True, now
        faults = [
            "power.toml: stacks.archive.allow: there is no service 'photoz'",
            "archive/compose.yml: not found",
        ]
        published_stacks.reject_stack(session, archive.spec, faults, now)


_CAUSE = {
    "cause": "missing-module", "title": "The Python module torch is missing", "confidence": 0.95,
    "evidence": ["ModuleNotFoundError: No module named 'torch'"],
    "suggestion": "Add torch to requirements.txt.",
    "rule": "python-module-missing", "source": "program.toml", "patch": None,
}  # fmt: skip


def _add_samples(database: Database, now: datetime) -> None:
    """Every ten seconds one sample of each service that an open window holds."""
    with database.write() as session:
        held = [
            (lease, window)
            for window in session.query(Window).filter_by(state="open")
            for lease in window.leases
        ]
        begins = {(lease.stack, lease.service): window.created_at for lease, window in held}
        for number, ((stack, service), since) in enumerate(sorted(begins.items())):
            for step in range(int((now - since).total_seconds() // 10)):
                wave = math.sin(step / 9 + number) + math.sin(step / 31)
                session.add(
                    Sample(
                        stack=stack, service=service, at=now - timedelta(seconds=10 * step + 2),
                        cpu=max(0.01, 0.4 + 0.2 * wave + (1.2 if step % 60 < 6 else 0)),
                        memory=int((300 + 140 * number + 40 * wave) * MEBIBYTE),
                    )
                )  # fmt: skip


def main(size: str, path: Path) -> None:
    """Write a filled SQLite file and print the token."""
    database = new_database(path)
    print(first_run(database) if size == "first" else fill(database, much=size == "much"))


def new_database(path: Path) -> Database:
    """An empty migrated SQLite database in this file."""
    url = f"sqlite:///{path}"
    migrations.upgrade(url)
    return Database(url)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
