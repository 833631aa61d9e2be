"""A stack without an engine: rules, store and use cases are real, the containers are values in memory.

`System` plays the worker with the use cases that a worker runs, and the clock is a variable.
A test says beforehand what goes wrong: `system.will_not_stop.add("forge")`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from app.domain.enums import Power
from app.domain.stack_id import StackId
from app.store import audit, services
from app.store import windows as rows
from app.store.tables import Call, Entry, Lease, Service, Window
from app.usecases.windows import close as closing
from app.usecases.windows import expire as expiry
from app.usecases.windows import extend as extending
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest, Repeat
from tests.simulated_worker import INSTANT, NOON, SimulatedWorker, WorkerKilled, allowed, studio

__all__ = ["INSTANT", "NOON", "System", "WorkerKilled", "allowed", "names", "studio"]


@dataclass
class System(SimulatedWorker):
    """One stack, one worker, one clock."""

    # What people do.

    def ask(
        self, *names: str, ttl: float | None = None, actor: str = "ada", repeat: Repeat | None = None
    ) -> tuple[str, bool]:
        """A window's id and whether it is new; no worker has seen it yet."""
        with self.database.write() as session:
            window, new = opening.open_window(
                session, OpenRequest(names, None, ttl), actor=actor, now=self.now, repeat=repeat
            )
            return window.id, new

    def ask_on(self, stack: str, *names: str) -> tuple[str, bool]:
        """The same, where there are several stacks."""
        with self.database.write() as session:
            window, new = opening.open_window(
                session, OpenRequest(names, StackId(stack)), actor="ada", now=self.now
            )
            return window.id, new

    def open(self, *names: str, ttl: float | None = None, actor: str = "ada") -> str:
        window, _new = self.ask(*names, ttl=ttl, actor=actor)
        self.work()
        return window

    def extend(self, window: str, ttl: float, *, actor: str = "ada") -> None:
        with self.database.write() as session:
            extending.extend(session, window, ttl, actor=actor, now=self.now)
        self.work()

    def close(self, window: str, *, actor: str = "ada", force: bool = False) -> None:
        with self.database.write() as session:
            closing.close(session, window, actor=actor, now=self.now, force=force)
        self.work()

    # What happens by itself.

    def tick(self, seconds: float) -> None:
        """Let time pass, and the clock, the containers and the worker do what that brings."""
        self.now += timedelta(seconds=seconds)
        with self.database.write() as session:
            expiry.expire_due(session, self.now)
        self.work()

    def heal(self, service: str) -> None:
        self._change(service, health="healthy")

    def sicken(self, service: str) -> None:
        self._change(service, health="unhealthy")

    def finish(self, service: str, code: int = 0) -> None:
        """Its process exits."""
        self._change(service, state="exited", exit_code=code)

    def run_by_hand(self, service: str) -> None:
        """A person starts it without a window; a late `up` looks the same."""
        self.containers[service] = self._fresh(service)
        self.work()

    def engine_restarts(self, *services: str) -> None:
        """It comes back, and starts these by their restart policy."""
        self.containers |= {name: self._fresh(name) for name in services}
        self.revived = set(services)
        self.work()

    def _change(self, service: str, **now: object) -> None:
        self.containers[service] = replace(self.containers[service], **now)  # type: ignore[arg-type]
        self.work()

    # What is the case.

    def window(self, window: str) -> Window:
        with self.database.read() as session:
            row = rows.get(session, window)
            assert row
            return row

    def state(self, window: str) -> str:
        return str(self.window(window).state)

    def status(self, window: str) -> str | None:
        status = self.window(window).status
        return str(status) if status else None

    def lease(self, window: str, service: str) -> Lease:
        return next(lease for lease in self.window(window).leases if lease.service == service)

    def row(self, service: str) -> Service:
        with self.database.read() as session:
            return services.of(session, self.spec.name)[service]

    def calls(self, service: str) -> list[Call]:
        with self.database.read() as session:
            return list(session.scalars(select(Call).where(Call.service == service).order_by(Call.id)))

    def power(self, service: str) -> Power:
        return Power(self.row(service).power)

    def running(self) -> set[str]:
        return {name for name, one in self.containers.items() if one.alive}

    def trail(self, window: str | None = None) -> list[str]:
        """The words of the trail, in the order of the chain."""
        return [entry.event for entry in self.entries(window)]

    def entries(self, window: str | None = None) -> list[Entry]:
        query = select(Entry).where(Entry.chain == self.spec.name).order_by(Entry.seq)
        with self.database.read() as session:
            rows_of_event = list(session.scalars(query))
        return [entry for entry in rows_of_event if window in {None, entry.window_id}]

    def said(self, event: str) -> list[Entry]:
        """Every entry of that word."""
        return [entry for entry in self.entries() if entry.event == event]

    def facts(self, event: str) -> dict[str, Any]:
        """What the last entry of that word tells."""
        facts: dict[str, Any] = json.loads(self.said(event)[-1].facts)
        return facts

    def intact(self) -> bool:
        with self.database.read() as session:
            return all(proof.ok for proof in audit.verify(session))


def names(calls: Iterable[str], action: str) -> list[str]:
    """The services of all calls of one kind, in order."""
    return [call.partition(" ")[2] for call in calls if call.startswith(f"{action} ")]
