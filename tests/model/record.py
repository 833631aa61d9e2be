"""The windows in the database, compared with the expected state and the simulated host."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from app.domain.enums import Role, State, Status
from app.store import stacks as known
from app.store.tables import ChainHead, IdempotencyKey, Lease, Service, Window
from tests.model.expected import TRANSITIONS, ExpectedState, ExpectedWindow
from tests.model.worker import ProcessDatabase
from tests.model.world import Key as Container
from tests.model.world import World

SLACK = timedelta(seconds=1)


class Record:
    """Checks each window once per state transition; `refused` counts refusals that were recorded."""

    def __init__(self, database: ProcessDatabase, expected: ExpectedState, world: World) -> None:
        self._database, self._expected, self._world = database, expected, world
        self.refused = 0

    def fingerprint(self) -> object:
        """Everything that a request can change."""
        with self._database.read() as session:
            return [
                session.execute(select(table.__table__)).all()
                for table in (Window, Lease, Service, IdempotencyKey, ChainHead)
            ]

    def stop_pending(self, key: Container) -> bool:
        with self._database.read() as session:
            row = session.get(Service, key)
            return bool(row and row.stop_pending)

    # State transitions.

    def check_windows(self) -> None:
        """Check every state transition since the last call, and apply it to the expected state."""
        with self._database.read() as session:
            rows = list(session.scalars(select(Window).order_by(Window.created_at, Window.id)))
            for row in rows:
                expected = self._expected.windows.get(row.id)
                assert expected, f"no request was granted for window {row.id}"
                # Leases that begin are applied before any end is checked.
                if expected.state is State.WAITING and row.opening_at is not None:
                    self._begin(expected, row)
            for row in rows:
                self._compare(self._expected.windows[row.id], row)

    def read_stacks(self) -> None:
        """Take over the definitions in force, and which stacks are rejected."""
        with self._database.read() as session:
            for row in known.every(session):
                if row.definition["services"]:
                    self._expected.stacks[row.name] = row.spec
                (self._expected.rejected.add if row.faults else self._expected.rejected.discard)(row.name)

    def _compare(self, expected: ExpectedWindow, row: Window) -> None:
        assert (row.actor, row.services, row.stack) == (expected.actor, expected.services, expected.stack)
        assert row.deadline == expected.deadline, f"{row.deadline} is not {expected.deadline}"
        assert {lease.service for lease in row.leases} == expected.held
        if row.state == expected.state:
            return
        for to in self._path_to(expected, row):
            assert (expected.state, to) in TRANSITIONS, f"from {expected.state} to {to}"
            self._step(expected, row, to)
            expected.state = to

    def _begin(self, expected: ExpectedWindow, row: Window) -> None:
        """The node is back: the TTL counts from now, and the current definition gives the leases."""
        assert row.opening_at
        assert row.opening_at < expected.deadline, "begun after its deadline"
        expected.began, expected.deadline = row.opening_at, row.opening_at + timedelta(seconds=expected.ttl)
        expected.held = self._expected.closure(expected.stack, expected.services)
        self._expected.begin(expected)

    def _path_to(self, expected: ExpectedWindow, row: Window) -> list[State]:
        if expected.state is State.WAITING:
            return [State.CLOSED]
        passed = [(row.opened_at, State.OPEN), (row.closing_at, State.CLOSING), (row.closed_at, State.CLOSED)]
        order = [State.OPENING, State.OPEN, State.CLOSING, State.CLOSED]
        way = [to for at, to in passed if at and order.index(to) > order.index(expected.state)]
        assert way, f"from {expected.state} to {row.state}"
        assert way[-1] == row.state
        return way

    def _step(self, expected: ExpectedWindow, row: Window, to: State) -> None:
        if to is State.OPEN:
            self._check_opened(expected, row)
        elif to is State.CLOSING:
            self._check_closing(expected, row)
        else:
            self._check_closed(expected, row)

    def _check_opened(self, expected: ExpectedWindow, row: Window) -> None:
        assert row.opened_at
        assert expected.is_live(row.opened_at), "opened after its deadline"
        spec = self._expected.stacks[expected.stack]
        ready = {
            name
            for name in expected.services
            if self._world.was_ready(spec, name, expected.began - SLACK, row.opened_at)
        }
        assert ready, "open, and none of its services was ever ready"
        if row.status == Status.OK:
            assert ready == set(expected.services), f"open, with only {ready} of {expected.services} ready"

    def _check_closing(self, expected: ExpectedWindow, row: Window) -> None:
        assert row.closing_at
        failed = expected.state is State.OPENING and row.status == Status.FAIL and row.opened_at is None
        due = row.closing_at >= expected.deadline
        assert due or expected.close_requested or failed, "closed early without a request"
        expected.ended_at = row.closing_at

    def _check_closed(self, expected: ExpectedWindow, row: Window) -> None:
        assert row.closed_at
        if expected.state is State.WAITING:
            self._check_abandoned(expected, row)
            return
        assert row.closing_at
        if row.forced:
            assert expected.forced, "forced without a request"
            return
        spec = self._expected.stacks[expected.stack]
        for service in expected.held:
            defined = spec.services.get(service)
            held = self._was_wanted(expected.stack, service, row.closed_at)
            if held or (defined and defined.role is Role.CORE):
                continue
            off = self._world.was_off((spec.project, service), expected.began, row.closed_at)
            assert off, f"closed, and {service} was never off"

    def _was_wanted(self, stack: str, service: str, at: datetime) -> bool:
        """Did another window hold it when the close was decided, at `at` or just before?"""
        return any(self._expected.is_wanted(stack, service, one) for one in (at - SLACK, at))

    def _check_abandoned(self, expected: ExpectedWindow, row: Window) -> None:
        assert row.closed_at
        changed = self._expected.refusal_of_open(expected.stack, expected.services, expected.ttl) is not None
        assert expected.close_requested or changed or row.closed_at >= expected.deadline, (
            "abandoned too early"
        )
        expected.ended_at = row.closed_at

    # After the web process was killed in a request: all of it is committed, or nothing.

    def adopt(
        self, stack: str, services: list[str], actor: str, now: datetime, ttl: float | None, key: Any
    ) -> None:
        with self._database.read() as session:
            new = [row for row in session.scalars(select(Window)) if row.id not in self._expected.windows]
            taken = session.get(IdempotencyKey, (actor, key[0])) if key else None
        if not new:
            assert taken is None or taken.window_id in self._expected.windows, "a key for no window"
            return
        (row,) = new
        seconds = self._expected.stacks[stack].default_ttl if ttl is None else ttl
        assert self._expected.refusal_of_open(stack, services, ttl) is None
        held = self._expected.closure(stack, services)
        deadline = now + timedelta(seconds=seconds)
        expected = ExpectedWindow(row.id, stack, services, held, actor, now, deadline, seconds)
        expected.state = State.WAITING
        self._expected.windows[row.id] = expected
        if row.opening_at:
            self._expected.begin(expected)
        if key:
            assert taken
            assert taken.window_id == row.id
            self._expected.keys[actor, key[0]] = (key[1], row.id, now)

    def adopt_extension(self, window: str, deadline: datetime, now: datetime) -> None:
        with self._database.read() as session:
            row = session.get(Window, window)
            assert row
            if row.deadline == deadline:
                self._expected.extend(window, deadline, now)
