"""A worker without an engine: it runs the real use cases of a worker on containers that are values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import select

from app.domain.calls import CallOutcome, SeenContainers, StartedCall
from app.domain.decisions import Decision
from app.domain.enums import Action, CallStatus, Condition, Power, Role, State
from app.domain.locations import Location
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.readiness import Container, judge
from app.domain.stack_id import StackId
from app.store import services
from app.store import windows as rows
from app.store.database import Database
from app.store.tables import Window
from app.usecases.nodes import published_stacks
from app.usecases.reconciliation import calls, observations
from app.usecases.reconciliation.power_decisions import (
    EngineAnswer,
    next_starts,
    next_stops,
    start_decision,
    stop_decision,
)

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
INSTANT = timedelta(milliseconds=1)
"""What every look and every call takes, so that before and after can be told apart."""


def allowed(name: str, *, stable_for: float = 0.0, **needs: Condition) -> ServiceSpec:
    return ServiceSpec(name, Role.ALLOWED, needs, stable_for=stable_for, ready_timeout=60.0)


def studio() -> StackSpec:
    """Core redis; forge and mill alone; api needs db healthy; report needs job done; secret is not listed."""
    all_of_them = [
        ServiceSpec("redis", Role.CORE, stable_for=0.0),
        ServiceSpec("secret", Role.NONE, stable_for=0.0),
        allowed("forge"),
        allowed("mill"),
        allowed("db", redis=Condition.STARTED),
        allowed("api", db=Condition.HEALTHY),
        replace(allowed("job"), oneshot=True),
        allowed("report", job=Condition.COMPLETED),
    ]
    by_name = {one.name: one for one in all_of_them}
    return StackSpec(StackId("studio"), "studio", "local", by_name, default_ttl=600.0, max_ttl=3600.0)


class WorkerKilled(Exception):
    """The worker was killed where the test said it would be."""


@dataclass
class SimulatedWorker:
    """One worker of one stack: its containers are values, and its clock is a variable."""

    database: Database
    spec: StackSpec = field(default_factory=studio)
    now: datetime = NOON
    containers: dict[str, Container] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """Every call, as `up forge`."""
    will_not_start: set[str] = field(default_factory=set)
    will_not_stop: set[str] = field(default_factory=set)
    will_not_hear: set[str] = field(default_factory=set)
    """Run on after a stop or a kill that returned 0."""
    stops_forever: set[str] = field(default_factory=set)
    """Their stops do not end in time."""
    will_crash: set[str] = field(default_factory=set)
    """Start, and exit 1 at once."""
    checked: set[str] = field(default_factory=lambda: {"db"})
    """Have a healthcheck, which says `starting` until `heal`."""
    times_out: set[str] = field(default_factory=set)
    """Their next start does not end in time; it may come up later all the same."""
    revived: set[str] = field(default_factory=set)
    """What the engine has started by itself since the last look."""
    away: bool = False
    """The engine does not answer."""
    shows_nothing: bool = False
    """The engine does what it is asked, and every look at it fails."""
    dies_at: str = ""
    """The worker is killed right after it has begun this call, such as `up forge`."""
    worker: int = 1

    def __post_init__(self) -> None:
        self.containers["redis"] = self._fresh("redis")
        self.publish(self.spec)

    def publish(self, spec: StackSpec) -> None:
        """The worker has read the stack, perhaps anew."""
        self.spec = spec
        with self.database.write() as session:
            published_stacks.publish_stack(session, spec, self._instant())
        self.look()

    def work(self) -> None:
        """Until there is nothing more to do at this moment."""
        before: object = None
        while before != (before := self._round()):
            pass

    def _round(self) -> object:
        """Look, do what there is to do, look again; say what it came to."""
        self.look()
        started = [self.attend_opening(window) for window in self._opening()]
        stopped = self.attend_closing()
        if any(started) or stopped:
            self.look()
        return len(self.made), started, stopped

    def look(self) -> None:
        at = self._instant()
        seen = self._see(at)
        with self.database.write() as session:
            observations.record_inspection(session, self.spec, seen, at=at, now=self._instant())
        self.revived.clear()

    def attend_opening(self, window: str) -> list[str]:
        with self.database.write() as session:
            due = next_starts(session, self.spec, window, self.now)
        for name in due.names:
            self._converge(name, partial(start_decision, spec=self.spec, service=name, window_id=window))
        return due.names

    def attend_closing(self) -> list[str]:
        with self.database.write() as session:
            due = next_stops(session, self.spec, self.now)
        for name in due.names:
            spec = self.spec.services.get(name) or ServiceSpec(name)
            decide = partial(stop_decision, stack=self.spec.name, service=name, role=spec.role)
            self._converge(name, decide)
        return due.names

    def restart_worker(self) -> None:
        """A new worker declares what the old one began and never ended lost, and goes on."""
        dead, self.dies_at, self.worker = self._me(), "", self.worker + 1
        with self.database.write() as session:
            calls.record_lost_calls(session, "local", {dead: True}, self._instant())
        self.work()

    def _me(self) -> str:
        return f"worker-{self.worker}"

    def _opening(self) -> list[str]:
        with self.database.read() as session:
            query = select(Window.id).where(Window.state == State.OPENING, Window.deadline > self.now)
            return list(session.scalars(query.order_by(Window.created_at, Window.id)))

    def _see(self, at: datetime) -> dict[str, SeenContainers]:
        """What a worker watches: what is listed, and what still owes an off."""
        with self.database.read() as session:
            owing = {name for name, row in services.of(session, self.spec.name).items() if row.stop_pending}
            wanted = {lease.service for lease in rows.live_leases(session, [self.spec.name], at)}
        listed = {one.name for one in self.spec.services.values() if one.role is not Role.NONE}
        return {name: self._seen(name, name in wanted) for name in sorted(owing | listed)}

    def _seen(self, name: str, wanted: bool) -> SeenContainers:
        if self.away or self.shows_nothing:
            return SeenContainers(Power.UNKNOWN, "the engine does not answer")
        spec = self.spec.services.get(name) or ServiceSpec(name)
        wanted = wanted or spec.role is Role.CORE
        verdict = judge(spec, self._containers(name), wanted=wanted, now=self.now)
        alive = any(one.alive for one in self._containers(name))
        return SeenContainers(verdict.power, verdict.detail, alive, revived=name in self.revived)

    def _converge(self, name: str, decide: Callable[..., tuple[Decision, str | None]]) -> None:
        """What a worker does under the service's lock: inspect, decide, make at most one call."""
        containers = None if self.away or self.shows_nothing else self._containers(name)
        answer = EngineAnswer(containers, Location(self.spec.project), self.now)
        with self.database.write() as session:
            decision, window = decide(session, answer=answer, now=self.now)
        self._call(name, decision.action, window)

    def _call(self, name: str, action: Action, window: str | None) -> None:
        if action is Action.NONE:
            return
        begun = StartedCall(
            stack=self.spec.name,
            service=name,
            action=action,
            argv=("docker", "compose", action, "--", name),
            node="local",
            worker=self._me(),
            window=window,
        )
        with self.database.write() as session:
            call = calls.start_call(session, begun, self._instant())
        self.made.append(f"{action} {name}")
        if self.dies_at == self.made[-1]:
            raise WorkerKilled
        outcome = self._up(name) if action is Action.UP else self._down(name)
        with self.database.write() as session:
            calls.finish_call(session, call, outcome, self._instant())

    def _up(self, name: str) -> CallOutcome:
        if self.away:
            return CallOutcome(CallStatus.FAIL, 1, 5, stderr="cannot connect to the engine")
        if name in self.times_out:
            self.times_out.discard(name)
            return CallOutcome(CallStatus.TIMEOUT, None, 30_000)
        if name in self.will_not_start:
            return CallOutcome(CallStatus.FAIL, 1, 5, stderr="No such image: forge:latest")
        self.containers[name] = self._fresh(name)
        if name in self.will_crash:
            self.containers[name] = replace(self.containers[name], state="exited", exit_code=1)
        return CallOutcome(CallStatus.OK, 0, 400)

    def _down(self, name: str) -> CallOutcome:
        if self.away or name in self.will_not_stop:
            return CallOutcome(CallStatus.FAIL, 1, 5, stderr="cannot stop container")
        if name in self.stops_forever:
            return CallOutcome(CallStatus.TIMEOUT, None, 20_000)
        if name in self.containers and name not in self.will_not_hear:
            self.containers[name] = replace(self.containers[name], state="exited", exit_code=143)
        return CallOutcome(CallStatus.OK, 0, 400)

    def _containers(self, name: str) -> list[Container]:
        return [self.containers[name]] if name in self.containers else []

    def _fresh(self, name: str) -> Container:
        health = "starting" if name in self.checked else ""
        return Container(f"{name}-1", name, "running", health, started_at=self.now)

    def _instant(self) -> datetime:
        self.now += INSTANT
        return self.now
