"""What the database and the trail say, held against the plain model."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from app.domain import decisions
from app.domain.enums import CallStatus, Event, Power, Role, State, Status
from app.store import audit
from app.store import stacks as known
from app.store.tables import Call, ChainHead, Entry, IdempotencyKey, Lease, Service, Window
from tests.model.crew import Way
from tests.model.plain import LIVE, WAYS, Plain, Promise
from tests.model.world import Key as Container
from tests.model.world import World

_STATE_OF = {
    Event.WINDOW_WAITING: State.WAITING,
    Event.WINDOW_OPENING: State.OPENING,
    Event.WINDOW_OPEN: State.OPEN,
    Event.WINDOW_CLOSING: State.CLOSING,
    Event.WINDOW_CLOSED: State.CLOSED,
}
_CALLS = {Event.CALL_STARTED, Event.CALL_FINISHED, Event.CALL_LOST}
SLACK = timedelta(seconds=1)


class Record:
    """A reader of everything, that remembers how far it has come."""

    def __init__(self, way: Way, plain: Plain, world: World) -> None:
        self._way, self._plain, self._world = way, plain, world
        self._place: dict[str, int] = {}
        self._last: dict[str, str] = {}
        self._told: dict[str, list[State]] = {}
        self._calls: dict[int, list[str]] = {}
        self.refused = 0

    def fingerprint(self) -> object:
        """Everything that a request can change."""
        with self._way.read() as session:
            return [
                session.execute(select(table.__table__)).all()
                for table in (Window, Lease, Service, IdempotencyKey, ChainHead)
            ]

    def stop_pending(self, key: Container) -> bool:
        with self._way.read() as session:
            row = session.get(Service, key)
            return bool(row and row.stop_pending)

    # Windows.

    def moved(self) -> None:
        """Take in how windows have moved since the last time, and see that each move is right."""
        with self._way.read() as session:
            rows = list(session.scalars(select(Window).order_by(Window.created_at, Window.id)))
            for row in rows:
                promise = self._plain.promises.get(row.id)
                assert promise, f"nobody asked for window {row.id}"
                # What others hold from now on is known before any end is judged.
                if promise.state is State.WAITING and row.opening_at is not None:
                    self._begun(promise, row)
            for row in rows:
                self._compare(self._plain.promises[row.id], row)

    def stacks(self) -> None:
        """What is in force is what was last read and found good."""
        with self._way.read() as session:
            for row in known.every(session):
                if row.definition["services"]:
                    self._plain.stacks[row.name] = row.spec
                (self._plain.rejected.add if row.faults else self._plain.rejected.discard)(row.name)

    def _compare(self, promise: Promise, row: Window) -> None:
        assert (row.actor, row.services, row.stack) == (promise.actor, promise.services, promise.stack)
        assert row.deadline == promise.deadline, f"{row.deadline} is not {promise.deadline}"
        assert {lease.service for lease in row.leases} == promise.held
        if row.state == promise.state:
            return
        for to in self._way_to(promise, row):
            assert (promise.state, to) in WAYS, f"from {promise.state} to {to}"
            self._step(promise, row, to)
            promise.state = to

    def _begun(self, promise: Promise, row: Window) -> None:
        """Its node is back: its time counts from here, and it holds what its stack now asks for."""
        assert row.opening_at
        assert row.opening_at < promise.deadline, "begun when it should have been over"
        promise.began, promise.deadline = row.opening_at, row.opening_at + timedelta(seconds=promise.ttl)
        promise.held = self._plain.closure(promise.stack, promise.services)
        self._plain.begun(promise)

    def _way_to(self, promise: Promise, row: Window) -> list[State]:
        if promise.state is State.WAITING:
            return [State.CLOSED]
        passed = [(row.opened_at, State.OPEN), (row.closing_at, State.CLOSING), (row.closed_at, State.CLOSED)]
        order = [State.OPENING, State.OPEN, State.CLOSING, State.CLOSED]
        way = [to for at, to in passed if at and order.index(to) > order.index(promise.state)]
        assert way, f"from {promise.state} to {row.state}"
        assert way[-1] == row.state
        return way

    def _step(self, promise: Promise, row: Window, to: State) -> None:
        if to is State.OPEN:
            self._opened(promise, row)
        elif to is State.CLOSING:
            self._ending(promise, row)
        else:
            self._ended(promise, row)

    def _opened(self, promise: Promise, row: Window) -> None:
        assert row.opened_at
        assert promise.live(row.opened_at), "opened when it should have been over"
        spec = self._plain.stacks[promise.stack]
        ready = {
            name
            for name in promise.services
            if self._world.was_ready(spec, name, promise.began - SLACK, row.opened_at)
        }
        assert ready, "open, and none of its services was ever ready"
        if row.status == Status.OK:
            assert ready == set(promise.services), f"open, with only {ready} of {promise.services} ready"

    def _ending(self, promise: Promise, row: Window) -> None:
        assert row.closing_at
        failed = promise.state is State.OPENING and row.status == Status.FAIL and row.opened_at is None
        due = row.closing_at >= promise.deadline
        assert due or promise.unwanted or failed, "cut short, and nobody had asked for that"
        promise.ended_at = row.closing_at

    def _ended(self, promise: Promise, row: Window) -> None:
        assert row.closed_at
        if promise.state is State.WAITING:
            self._given_up(promise, row)
            return
        assert row.closing_at
        if row.forced:
            assert promise.forced, "forced, and nobody had asked for that"
            return
        spec = self._plain.stacks[promise.stack]
        for service in promise.held:
            known = spec.services.get(service)
            held = self._held_at_last(promise.stack, service, row.closed_at)
            if held or (known and known.role is Role.CORE):
                continue
            off = self._world.was_off((spec.project, service), promise.began, row.closed_at)
            assert off, f"closed, and {service} was never off"

    def _held_at_last(self, stack: str, service: str, at: datetime) -> bool:
        """Did another hold it when this was decided, which was a moment before or on the stroke?"""
        return any(self._plain.wanted(stack, service, one) for one in (at - SLACK, at))

    def _given_up(self, promise: Promise, row: Window) -> None:
        assert row.closed_at
        changed = self._plain.opening(promise.stack, promise.services, promise.ttl) is not None
        assert promise.unwanted or changed or row.closed_at >= promise.deadline, "given up too early"
        promise.ended_at = row.closed_at

    # After a front was killed: whole, or not at all.

    def adopt(
        self, stack: str, services: list[str], actor: str, now: datetime, ttl: float | None, key: Any
    ) -> None:
        with self._way.read() as session:
            new = [row for row in session.scalars(select(Window)) if row.id not in self._plain.promises]
            taken = session.get(IdempotencyKey, (actor, key[0])) if key else None
        if not new:
            assert taken is None or taken.window_id in self._plain.promises, "a key for no window"
            return
        (row,) = new
        seconds = self._plain.stacks[stack].default_ttl if ttl is None else ttl
        assert self._plain.opening(stack, services, ttl) is None
        held = self._plain.closure(stack, services)
        deadline = now + timedelta(seconds=seconds)
        promise = Promise(row.id, stack, services, held, actor, now, deadline, seconds)
        promise.state = State.WAITING
        self._plain.promises[row.id] = promise
        if row.opening_at:
            self._plain.begun(promise)
        if key:
            assert taken
            assert taken.window_id == row.id
            self._plain.keys[actor, key[0]] = (key[1], row.id, now)

    def perhaps_extended(self, window: str, deadline: datetime, now: datetime) -> None:
        with self._way.read() as session:
            row = session.get(Window, window)
            assert row
            if row.deadline == deadline:
                self._plain.extended(window, deadline, now)

    # The trail.

    def read_on(self) -> None:
        """Read what was added to the trail: it must follow on, and tell of all that is in the tables."""
        with self._way.read() as session:
            for entry in audit.since(session, self._place, limit=100_000):
                self._follow(entry)
            states = {row.id: State(row.state) for row in session.scalars(select(Window))}
            calls = {row.id: row for row in session.scalars(select(Call))}
        last = {window: told[-1] for window, told in self._told.items()}
        assert last == states, f"its states are not those that the trail tells of: {last}, {states}"
        assert self._calls.keys() == calls.keys()
        for number, said in self._calls.items():
            self._matches(calls[number], said)

    def _follow(self, entry: Entry) -> None:
        assert entry.prev == self._last.get(entry.chain, audit.GENESIS)
        assert entry.seq == self._place.get(entry.chain, 0) + 1
        self._place[entry.chain], self._last[entry.chain] = entry.seq, entry.hash
        if entry.event in _CALLS:
            self._calls.setdefault(json.loads(entry.facts)["call"], []).append(entry.event)
        if to := _STATE_OF.get(Event(entry.event)):
            self._tell(entry, to)

    def _tell(self, entry: Entry, to: State) -> None:
        told = self._told.setdefault(entry.window_id or "", [])
        again = to is State.CLOSING and json.loads(entry.facts).get("forced")
        if told and not (again and told[-1] is State.CLOSING):
            assert (told[-1], to) in WAYS, f"the trail goes from {told[-1]} to {to}"
        assert told or to in {State.WAITING, State.OPENING}
        told.append(to)

    def _matches(self, call: Call, said: list[str]) -> None:
        ends = {CallStatus.RUNNING: [], CallStatus.LOST: [Event.CALL_LOST]}
        assert said == [Event.CALL_STARTED, *ends.get(CallStatus(call.status), [Event.CALL_FINISHED])]

    # While a worker runs.

    def nothing_left_behind(self) -> None:
        """No window rests where it has nothing to wait for."""
        now = self._world.now
        with self._way.read() as session:
            running = set(session.scalars(select(Call.stack).where(Call.status == CallStatus.RUNNING)))
            services = {(row.stack, row.name): row for row in session.scalars(select(Service))}
            for row in session.scalars(select(Window)):
                if row.stack in running or (row.deadline <= now and row.state in LIVE):
                    continue
                if row.state == State.OPENING:
                    self._waits_to_open(row, now)
                elif row.state == State.CLOSING:
                    self._waits_to_close(row, services, now)

    def _waits_to_open(self, row: Window, now: datetime) -> None:
        spec = self._plain.stacks[row.stack]
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

    def _waits_to_close(self, row: Window, services: dict[Container, Service], now: datetime) -> None:
        spec, reasons = self._plain.stacks[row.stack], list[str]()
        for lease in row.leases:
            key = (row.stack, lease.service)
            known = services.get(key)
            if known is None or not known.stop_pending or self._plain.wanted(row.stack, lease.service, now):
                continue
            if (
                known.failures
                or known.retry_at
                or self._left_to_wait(services, key)
                or decisions.dependants(spec, lease.service) & self._wanted_of(row.stack, now)
            ):
                reasons.append(lease.service)
            else:
                raise AssertionError(f"{row.id} is closing, and nothing keeps {lease.service} from its off")
        assert reasons, f"{row.id} is closing, and nothing is left to be turned off"

    def _wanted_of(self, stack: str, now: datetime) -> set[str]:
        return {name for name in self._plain.stacks[stack].services if self._plain.wanted(stack, name, now)}

    # At the end.

    def ways(self) -> list[str]:
        """How each window went, in the words of its states."""
        return [" ".join(dict.fromkeys(told)) for told in self._told.values()]

    def off_within(self, *, at_once: bool) -> None:
        """Nothing that a window ever held is on, unless a hand started it after its off was confirmed."""
        with self._way.read() as session:
            rows = {(row.stack, row.name): row for row in session.scalars(select(Service))}
        for key in {
            (one.stack, service)
            for one in self._plain.promises.values()
            if one.held_ever
            for service in one.held
        }:
            spec = self._plain.stacks[key[0]].services.get(key[1])
            core = spec is not None and spec.role is Role.CORE
            patient = at_once and key in rows and rows[key].failures > 0
            left = at_once and self._left_to_wait(rows, key)
            excused = core or patient or left or key in self._plain.by_hand
            assert excused or not self._world.alive(key), f"{key} is still on"

    def _left_to_wait(self, rows: dict[Container, Service], key: Container) -> bool:
        """Does it wait for one that needs it, directly or not, and whose stop is put off?"""
        stack, todo, seen = key[0], [key[1]], set[str]()
        while todo:
            needed = todo.pop()
            for name in decisions.dependants(self._plain.stacks[stack], needed) - seen:
                row = rows.get((stack, name))
                if row and row.stop_pending and row.failures > 0:
                    return True
                seen.add(name)
                todo.append(name)
        return False

    def at_rest(self) -> bool:
        """Has everything ended that was begun?"""
        with self._way.read() as session:
            states = set(session.scalars(select(Window.state)))
            running = session.scalars(select(Call.id).where(Call.status == CallStatus.RUNNING)).first()
            owing = session.scalars(
                select(Service.name).where(Service.stop_pending, Service.role != Role.CORE)
            ).first()
        return states <= {State.CLOSED} and running is None and owing is None

    def all_ended(self) -> None:
        with self._way.read() as session:
            states = Counter(str(state) for state in session.scalars(select(Window.state)))
            running = list(session.scalars(select(Call.id).where(Call.status == CallStatus.RUNNING)))
            rows = list(session.scalars(select(Service)))
        assert states.keys() <= {"closed"}, states
        assert not running, "calls that never ended"
        owing = [row.name for row in rows if row.stop_pending and row.role != Role.CORE]
        assert not owing, f"{owing} owe an off"
        assert all(row.power != Power.UNKNOWN or row.role == Role.NONE for row in rows)

    def verified(self) -> None:
        with self._way.read() as session:
            assert all(proof.ok for proof in audit.verify(session))


__all__ = ["LIVE", "Record"]
