"""The simulated host: its containers, and the compose calls that change them.

The engine can be away, refuse, be slow, and carry out later what a killed process had
requested. The clock is a variable that moves a millisecond whenever it is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.domain.calls import CallOutcome
from app.domain.enums import Action, CallStatus
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.readiness import Container
from app.store import locks
from tests.model.interruptions import ENGINE, Interruptible, Killed
from tests.model.stack_files import StackFiles
from workers.engine.child_output import PrintText
from workers.engine.compose import Cancellation, Command

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
INSTANT = timedelta(milliseconds=1)
LATE_START_DELAY = timedelta(seconds=20)
"""When a start comes about whose caller was killed or timed out."""
DEAD_PID = 2**22 + 7
"""A process id above the kernel's maximum."""

Key = tuple[str, str]
"""A project and one of its services."""


@dataclass
class World:
    """All containers of one host, their history, and what is due to happen to them."""

    lock_dir: Path
    files: StackFiles
    now: datetime = NOON
    containers: dict[Key, Container] = field(default_factory=dict)
    history: dict[Key, list[tuple[datetime, Container]]] = field(default_factory=dict)
    networks: set[str] = field(default_factory=set)
    away: bool = False
    """The engine does not answer."""
    will_not_start: set[str] = field(default_factory=set)
    will_not_stop: set[str] = field(default_factory=set)
    will_crash: set[str] = field(default_factory=set)
    """Services that start and exit 1 at once."""
    hang: set[str] = field(default_factory=set)
    """Services whose next start times out and comes about later."""
    checked: frozenset[str] = frozenset({"db"})
    """Services with a healthcheck, whose health is `starting` until a step sets it."""
    late: list[tuple[datetime, Key]] = field(default_factory=list)
    fate: str = "nothing"
    """The effect of a call whose worker is killed: `nothing`, a `late` start, or a running `child`."""
    children: dict[Key, int] = field(default_factory=dict)
    """Lock descriptors held by compose processes that a killed worker left running."""
    busy: set[Key] = field(default_factory=set)
    made: list[tuple[datetime, Action, Key]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Violations noticed so far; each fails the run."""
    writing: int = 0
    interruptible: Interruptible | None = None
    listeners: list[Callable[[Key], None]] = field(default_factory=list)
    """Called at every change of a container."""
    judge: Callable[[Action, Key, Sequence[str]], None] = lambda *_: None

    @property
    def config(self) -> Path:
        return self.lock_dir / "power.toml"

    # Time.

    def tick(self) -> datetime:
        self.now += INSTANT
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self._start_late()

    def monotonic(self) -> float:
        return (self.now - NOON).total_seconds() + 1000

    def _start_late(self) -> None:
        due = [key for at, key in self.late if at <= self.now]
        self.late = [(at, key) for at, key in self.late if at > self.now]
        for key in due:
            self.start(key)

    def point(self, number: int = 0) -> None:
        # Not while another process acts in the middle of this one.
        if self.interruptible and Interruptible.current() is self.interruptible:
            Interruptible.record_point(ENGINE, number)

    # Changes of containers.

    def start(self, key: Key) -> None:
        if self.is_alive(key):
            return
        project, service = key
        health = "starting" if service in self.checked else ""
        fresh = Container(f"{project}-{service}-1", service, "running", health, started_at=self.now)
        if service in self.will_crash:
            fresh = replace(fresh, state="exited", exit_code=1)
        self.put(key, fresh)

    def exit(self, key: Key, code: int) -> None:
        if self.is_alive(key):
            self.put(key, replace(self.containers[key], state="exited", exit_code=code))

    def set_health(self, key: Key, health: str) -> None:
        if self.is_alive(key) and key[1] in self.checked:
            self.put(key, replace(self.containers[key], health=health))

    def put(self, key: Key, container: Container) -> None:
        self.containers[key] = container
        self.history.setdefault(key, []).append((self.now, container))
        for listener in self.listeners:
            listener(key)

    # The state of containers, now and before.

    def is_alive(self, key: Key) -> bool:
        return key in self.containers and self.containers[key].alive

    def was_off(self, key: Key, since: datetime, until: datetime) -> bool:
        stretches = self._stretches(key)
        return any(begin <= until and end >= since and not alive for begin, end, alive, _one in stretches)

    def was_ready(self, spec: StackSpec, service: str, since: datetime, until: datetime) -> bool:
        """Was the service ready at any moment between these two?"""
        # A held service that was removed from the files is ready by its container alone.
        defined = spec.services.get(service) or ServiceSpec(service)
        for begin, end, _running_context, one in self._stretches((spec.project, service)):
            if one is None:
                continue
            ready = begin
            if one.state == "running" and not one.health and not defined.oneshot:
                ready = max(begin, (one.started_at or begin) + timedelta(seconds=defined.stable_for))
            elif one.health != "healthy" and not (one.state == "exited" and one.exit_code == 0):
                continue
            if ready <= until and end >= since and ready <= end:
                return True
        return False

    def _stretches(self, key: Key) -> Iterable[tuple[datetime, datetime, bool, Container | None]]:
        log = self.history.get(key, [])
        yield NOON, log[0][0] if log else self.now, False, None
        for number, (begin, one) in enumerate(log):
            yield begin, log[number + 1][0] if number + 1 < len(log) else self.now, one.alive, one

    # Compose calls.

    def run(
        self,
        command: Command,
        timeout: float,
        *,
        lock: int | tuple[int, ...] | None = None,
        started: Callable[[int], None] | None = None,
        cancellation: Cancellation | None = None,
        print_text: PrintText | None = None,
    ) -> CallOutcome:
        """Stands in for `workers.engine.compose.run`."""
        project, service = command.argv[command.argv.index("-p") + 1], command.argv[-1]
        if command.action is Action.SHARE:
            self.networks.add(f"{project}_default")
            return CallOutcome(CallStatus.OK, 0, 100)
        assert not isinstance(lock, tuple)
        key = (project, service)
        self._expect(command, key, lock)
        self.busy.add(key)
        try:
            if started:
                started(DEAD_PID)
            self.point(1)
            if cancellation and cancellation.reason:
                # The engine may carry out the request all the same.
                self._orphan(command.action, key, None)
                return CallOutcome(CallStatus.CANCELLED, None, 100, stderr=cancellation.reason)
            outcome = self._run_call(command, key, timeout)
            self.point(2)
            return outcome
        except Killed:
            self._orphan(command.action, key, lock)
            raise
        finally:
            self.busy.discard(key)

    def _expect(self, command: Command, key: Key, lock: int | None) -> None:
        if key in self.busy or key in self.children:
            self.faults.append(f"two calls at a time for {key}")
        if lock is None or not self._locked(key):
            self.faults.append(f"{command} is made without a lock")
        if command.argv[-2] != "--":
            self.faults.append(f"{command} does not name its service as such")
        if command.action is Action.UP and not {"--no-deps", "--no-build"} <= set(command.argv):
            self.faults.append(f"{command} starts more than one service")
        self.made.append((self.now, command.action, key))
        self.judge(command.action, key, command.argv)

    def _locked(self, key: Key) -> bool:
        with locks.hold_lock(self.lock_dir, *key) as free:
            return free is None

    def _orphan(self, action: Action, key: Key, lock: int | None) -> None:
        if self.fate == "child" and lock is not None:
            self.children[key] = os.dup(lock)
        elif self.fate == "late" and action is Action.UP:
            self.late.append((self.now + LATE_START_DELAY, key))

    def end_child(
        self, _directory: Path, project: str, service: str, _dead: Callable[[str], bool]
    ) -> int | None:
        """Stands in for `identity.end_leftover`."""
        descriptor = self.children.pop((project, service), None)
        if descriptor is None:
            return None
        os.close(descriptor)
        return DEAD_PID

    def finish_child(self, key: Key) -> None:
        """Let a compose process that a killed worker left running finish its start."""
        if (descriptor := self.children.pop(key, None)) is not None:
            os.close(descriptor)
            self.start(key)

    def close(self) -> None:
        """Close the lock descriptors of compose processes that were left running."""
        for descriptor in self.children.values():
            with suppress(OSError):
                os.close(descriptor)
        self.children.clear()

    def _run_call(self, command: Command, key: Key, timeout: float) -> CallOutcome:
        self._start_late()
        if self.away:
            self.advance(0.1)
            return CallOutcome(CallStatus.FAIL, 1, 100, stderr="cannot connect to the engine")
        return (
            self._run_up(key, timeout) if command.action is Action.UP else self._run_stop(command.action, key)
        )

    def _run_up(self, key: Key, timeout: float) -> CallOutcome:
        service = key[1]
        if service in self.hang:
            self.hang.discard(service)
            self.late.append((self.now + timedelta(seconds=timeout) + LATE_START_DELAY, key))
            self.advance(timeout)
            return CallOutcome(CallStatus.TIMEOUT, None, round(timeout * 1000))
        self.advance(0.4)
        if service in self.will_not_start:
            return CallOutcome(CallStatus.FAIL, 1, 400, stderr="No such image")
        self.start(key)
        return CallOutcome(CallStatus.OK, 0, 400)

    def _run_stop(self, action: Action, key: Key) -> CallOutcome:
        self.advance(0.1)
        if key[1] in self.will_not_stop:
            return CallOutcome(CallStatus.FAIL, 1, 100, stderr="cannot stop container")
        if action is Action.KILL and not self.is_alive(key):
            return CallOutcome(CallStatus.FAIL, 1, 100, stderr="is not running")
        # The engine carries out requests for a container in order: a start that is still due is stopped too.
        self.late = [(at, other) for at, other in self.late if other != key]
        self.exit(key, 143)
        return CallOutcome(CallStatus.OK, 0, 100)
