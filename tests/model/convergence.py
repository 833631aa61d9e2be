"""Checks that windows and services do not stall, and that all are at rest at the end."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import select

from app.domain import decisions
from app.domain.enums import CallStatus, Power, Role, State
from app.domain.stack_id import StackId
from app.store.tables import Call, Service, Window
from tests.model.expected import LIVE, ExpectedState
from tests.model.record import SLACK
from tests.model.worker import ProcessDatabase
from tests.model.world import Key as Container
from tests.model.world import World


class Convergence:
    """Compares windows, services and running calls with the simulated host."""

    def __init__(self, database: ProcessDatabase, expected: ExpectedState, world: World) -> None:
        self._database, self._expected, self._world = database, expected, world

    def check_nothing_stalled(self) -> None:
        """Check that every opening and closing window waits for a service, and every drift for its grace."""
        now = self._world.now
        with self._database.read() as session:
            running = set(session.scalars(select(Call.stack).where(Call.status == CallStatus.RUNNING)))
            services = {(row.stack, row.name): row for row in session.scalars(select(Service))}
            for (stack, _name), service in services.items():
                if stack not in running:
                    self._waits_for_grace(service, now)
            for row in session.scalars(select(Window)):
                if row.stack in running or (row.deadline <= now and row.state in LIVE):
                    continue
                if row.state == State.OPENING:
                    self._waits_to_open(row, now)
                elif row.state == State.CLOSING:
                    self._waits_to_close(row, services, now)

    def _waits_for_grace(self, row: Service, now: datetime) -> None:
        spec = self._expected.stacks[row.stack]
        waits = row.drift_since is None or row.stop_pending or row.role != Role.ALLOWED or not row.alive
        if spec.drift != "stop" or waits or row.drift_since is None:
            return
        late = now - row.drift_since - timedelta(seconds=spec.grace)
        assert late <= SLACK, f"{row.stack}/{row.name} drifts {late} longer than its grace"

    def _waits_to_open(self, row: Window, now: datetime) -> None:
        spec = self._expected.stacks[row.stack]
        ready = [
            lease.service
            for lease in row.leases
            if self._world.was_ready(spec, lease.service, now - SLACK, now - SLACK)
            and self._world.was_ready(spec, lease.service, now, now)
        ]
        assert len(ready) < len(row.leases), f"{row.id} is opening, and all of {ready} are ready"
        asked = [lease for lease in row.leases if lease.asked]
        dead = [
            one
            for one in asked
            if one.tried_at and not self._world.containers.get((spec.project, one.service))
        ]
        assert len(dead) < len(asked), f"{row.id} is opening, and none of {row.services} could be started"

    def _waits_to_close(
        self, row: Window, services: dict[tuple[StackId, str], Service], now: datetime
    ) -> None:
        spec, reasons = self._expected.stacks[row.stack], list[str]()
        for lease in row.leases:
            key = (row.stack, lease.service)
            service = services.get(key)
            if (
                service is None
                or not service.stop_pending
                or self._expected.is_wanted(row.stack, lease.service, now)
            ):
                continue
            if (
                service.failures
                or service.retry_at
                or self._waits_for_dependant(services, key)
                or decisions.dependants(spec, lease.service) & self._wanted_services(row.stack, now)
            ):
                reasons.append(lease.service)
            else:
                raise AssertionError(f"{row.id} is closing, and nothing delays the stop of {lease.service}")
        assert reasons, f"{row.id} is closing, and no stop is pending"

    def _wanted_services(self, stack: str, now: datetime) -> set[str]:
        return {
            name
            for name in self._expected.stacks[stack].services
            if self._expected.is_wanted(stack, name, now)
        }

    def check_all_off(self, *, at_once: bool) -> None:
        """Check that every service that a window held is off, unless it was started by hand since."""
        with self._database.read() as session:
            rows = {(row.stack, row.name): row for row in session.scalars(select(Service))}
        for key in {
            (one.stack, service)
            for one in self._expected.windows.values()
            if one.held_ever
            for service in one.held
        }:
            spec = self._expected.stacks[key[0]].services.get(key[1])
            core = spec is not None and spec.role is Role.CORE
            retrying = at_once and key in rows and rows[key].failures > 0
            left = at_once and self._waits_for_dependant(rows, key)
            excused = core or retrying or left or key in self._expected.by_hand
            assert excused or not self._world.is_alive(key), f"{key} is still on"

    def _waits_for_dependant(self, rows: dict[tuple[StackId, str], Service], key: Container) -> bool:
        """Does it wait for a direct or indirect dependant whose failed stop waits for its retry?"""
        stack, todo, visited = StackId(key[0]), [key[1]], set[str]()
        while todo:
            needed = todo.pop()
            for name in decisions.dependants(self._expected.stacks[stack], needed) - visited:
                row = rows.get((stack, name))
                if row and row.stop_pending and row.failures > 0:
                    return True
                visited.add(name)
                todo.append(name)
        return False

    def is_at_rest(self) -> bool:
        """Are all windows closed, with no call running and no stop pending?"""
        with self._database.read() as session:
            states = set(session.scalars(select(Window.state)))
            running = session.scalars(select(Call.id).where(Call.status == CallStatus.RUNNING)).first()
            pending = session.scalars(
                select(Service.name).where(Service.stop_pending, Service.role != Role.CORE)
            ).first()
        return states <= {State.CLOSED} and running is None and pending is None

    def check_all_ended(self) -> None:
        with self._database.read() as session:
            states = Counter(str(state) for state in session.scalars(select(Window.state)))
            running = list(session.scalars(select(Call.id).where(Call.status == CallStatus.RUNNING)))
            rows = list(session.scalars(select(Service)))
        assert states.keys() <= {"closed"}, states
        assert not running, "calls that never ended"
        pending = [row.name for row in rows if row.stop_pending and row.role != Role.CORE]
        assert not pending, f"stops of {pending} are pending"
        assert all(row.power != Power.UNKNOWN or row.role == Role.NONE for row in rows)
