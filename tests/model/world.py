"""An engine that remembers, and the compose that works on it: the only things here that are not real.

It can be away, refuse, be slow, and go on with what a dead process had asked of it. The
clock is a variable that moves a millisecond whenever it is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from docker.errors import DockerException

from app.domain.calls import CallOutcome
from app.domain.enums import Action, CallStatus
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.readiness import Container
from app.settings import PowerToml, StackToml
from app.store import locks
from tests.model.crashes import ENGINE, Interrupted, Killed
from workers.engine.compose import Cancellation, Command, ComposeFiles
from workers.stacks.stack_reader import Rejected, Served

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
INSTANT = timedelta(milliseconds=1)
LATE = timedelta(seconds=20)
"""When a start comes that nobody waits for any more."""
NOBODY = 2**22 + 7
"""A process id beyond all that there can be."""

Key = tuple[str, str]
"""A project and a service of it."""


@dataclass
class Files:
    """What power.toml and the compose files say, and which of them cannot be read any more."""

    stacks: dict[str, StackSpec]
    broken: set[str] = field(default_factory=set)
    version: int = 0

    def write(self, config: Path) -> None:
        self.version += 1
        config.write_text("#" * self.version)

    def change(self, stack: str, spec: StackSpec | None) -> None:
        """To something else that is good, or to something that cannot be read."""
        if spec is None:
            self.broken.add(stack)
        else:
            self.broken.discard(stack)
            self.stacks[stack] = spec

    def toml(self, _path: Path) -> PowerToml:
        return PowerToml({name: self._of(spec) for name, spec in self.stacks.items()})

    def _of(self, spec: StackSpec) -> StackToml:
        return StackToml.model_construct(
            project=spec.project,
            node=spec.node,
            core=spec.core,
            directory=Path("/"),
            profiles=[f"{self.version}"],
        )

    def read(self, _path: Path, _toml: PowerToml, name: str, *, keep: Path) -> Served:
        spec = self.stacks[name]
        if name in self.broken:
            digest = f"broken {self.version}"
            raise Rejected(StackSpec(name, spec.project, spec.node, {}, digest=digest), ["a file is missing"])
        place = ComposeFiles(spec.project, keep, ("docker-compose.yml",))
        return Served(spec, place, {"default": f"{spec.project}_default"})

    def nobody_ends(self, *_: object) -> None:
        raise AssertionError("a worker was turned away")


@dataclass
class World:
    """All containers of one host, what is about to happen to them, and what has happened."""

    lock_dir: Path
    files: Files
    now: datetime = NOON
    containers: dict[Key, Container] = field(default_factory=dict)
    history: dict[Key, list[tuple[datetime, Container]]] = field(default_factory=dict)
    networks: set[str] = field(default_factory=set)
    away: bool = False
    """The engine does not answer."""
    will_not_start: set[str] = field(default_factory=set)
    will_not_stop: set[str] = field(default_factory=set)
    will_crash: set[str] = field(default_factory=set)
    """Start, and exit 1 at once."""
    hang: set[str] = field(default_factory=set)
    """Their next start does not end in time, and comes about all the same."""
    checked: frozenset[str] = frozenset({"db"})
    """Have a healthcheck, which says `starting` until it is healed."""
    late: list[tuple[datetime, Key]] = field(default_factory=list)
    fate: str = "nothing"
    """What becomes of a call whose worker is killed: `nothing`, `late`, or a `child` that goes on."""
    children: dict[Key, int] = field(default_factory=dict)
    """Locks that are still held by what a dead worker left running."""
    busy: set[Key] = field(default_factory=set)
    made: list[tuple[datetime, Action, Key]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What should never have happened."""
    writing: int = 0
    interrupted: Interrupted | None = None
    listeners: list[Callable[[Key], None]] = field(default_factory=list)
    """Who is told of every event of a container."""
    judge: Callable[[Action, Key, Sequence[str]], None] = lambda *_: None

    @property
    def config(self) -> Path:
        return self.lock_dir / "power.toml"

    # Time.

    def tick(self) -> datetime:
        self.now += INSTANT
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self._happen()

    def monotonic(self) -> float:
        return (self.now - NOON).total_seconds() + 1000

    def _happen(self) -> None:
        due = [key for at, key in self.late if at <= self.now]
        self.late = [(at, key) for at, key in self.late if at > self.now]
        for key in due:
            self.start(key)

    def point(self, number: int = 0) -> None:
        # What others do in the middle of a process's life is not its life.
        if self.interrupted and Interrupted.current() is self.interrupted:
            Interrupted.came_to(ENGINE, number)

    # What is done to containers, by whomever.

    def start(self, key: Key) -> None:
        if self.alive(key):
            return
        project, service = key
        health = "starting" if service in self.checked else ""
        fresh = Container(f"{project}-{service}-1", service, "running", health, started_at=self.now)
        if service in self.will_crash:
            fresh = replace(fresh, state="exited", exit_code=1)
        self.put(key, fresh)

    def end(self, key: Key, code: int) -> None:
        if self.alive(key):
            self.put(key, replace(self.containers[key], state="exited", exit_code=code))

    def health(self, key: Key, health: str) -> None:
        if self.alive(key) and key[1] in self.checked:
            self.put(key, replace(self.containers[key], health=health))

    def put(self, key: Key, container: Container) -> None:
        self.containers[key] = container
        self.history.setdefault(key, []).append((self.now, container))
        for heard in self.listeners:
            heard(key)

    # What is the case, and what was.

    def alive(self, key: Key) -> bool:
        return key in self.containers and self.containers[key].alive

    def was_off(self, key: Key, since: datetime, until: datetime) -> bool:
        stretches = self._stretches(key)
        return any(begin <= until and end >= since and not alive for begin, end, alive, _one in stretches)

    def was_ready(self, spec: StackSpec, service: str, since: datetime, until: datetime) -> bool:
        """Was it really ready at any moment between these two?"""
        # What the files no longer have is still held, and is ready by its container alone.
        known = spec.services.get(service) or ServiceSpec(service)
        for begin, end, _alive, one in self._stretches((spec.project, service)):
            if one is None:
                continue
            ready = begin
            if one.state == "running" and not one.health and not known.oneshot:
                ready = max(begin, (one.started_at or begin) + timedelta(seconds=known.stable_for))
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

    # Compose: what `workers.engine.compose.run` would have done.

    def run(
        self,
        command: Command,
        timeout: float,
        *,
        lock: int | tuple[int, ...] | None = None,
        started: Callable[[int], None] | None = None,
        cancellation: Cancellation | None = None,
    ) -> CallOutcome:
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
                started(NOBODY)
            self.point(1)
            if cancellation and cancellation.reason:
                # The engine may go on with what it was asked for.
                self._orphaned(command.action, key, None)
                return CallOutcome(CallStatus.CANCELLED, None, 100, stderr=cancellation.reason)
            outcome = self._done(command, key, timeout)
            self.point(2)
            return outcome
        except Killed:
            self._orphaned(command.action, key, lock)
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

    def _orphaned(self, action: Action, key: Key, lock: int | None) -> None:
        if self.fate == "child" and lock is not None:
            self.children[key] = os.dup(lock)
        elif self.fate == "late" and action is Action.UP:
            self.late.append((self.now + LATE, key))

    def end_child(
        self, _directory: Path, project: str, service: str, _dead: Callable[[str], bool]
    ) -> int | None:
        """What `identity.end_leftover` would have done."""
        descriptor = self.children.pop((project, service), None)
        if descriptor is None:
            return None
        os.close(descriptor)
        return NOBODY

    def finish_child(self, key: Key) -> None:
        """What a dead worker left running comes to its end by itself, with its work done."""
        if (descriptor := self.children.pop(key, None)) is not None:
            os.close(descriptor)
            self.start(key)

    def forget(self) -> None:
        for descriptor in self.children.values():
            with suppress(OSError):
                os.close(descriptor)
        self.children.clear()

    def _done(self, command: Command, key: Key, timeout: float) -> CallOutcome:
        self._happen()
        if self.away:
            self.spend(0.1)
            return CallOutcome(CallStatus.FAIL, 1, 100, stderr="cannot connect to the engine")
        return self._up(key, timeout) if command.action is Action.UP else self._down(command.action, key)

    def _up(self, key: Key, timeout: float) -> CallOutcome:
        service = key[1]
        if service in self.hang:
            self.hang.discard(service)
            self.late.append((self.now + timedelta(seconds=timeout) + LATE, key))
            self.spend(timeout)
            return CallOutcome(CallStatus.TIMEOUT, None, round(timeout * 1000))
        self.spend(0.4)
        if service in self.will_not_start:
            return CallOutcome(CallStatus.FAIL, 1, 400, stderr="No such image")
        self.start(key)
        return CallOutcome(CallStatus.OK, 0, 400)

    def _down(self, action: Action, key: Key) -> CallOutcome:
        self.spend(0.1)
        if key[1] in self.will_not_stop:
            return CallOutcome(CallStatus.FAIL, 1, 100, stderr="cannot stop container")
        if action is Action.KILL and not self.alive(key):
            return CallOutcome(CallStatus.FAIL, 1, 100, stderr="is not running")
        # The engine does one thing after another to a container: what was still to start is stopped too.
        self.late = [(at, other) for at, other in self.late if other != key]
        self.end(key, 143)
        return CallOutcome(CallStatus.OK, 0, 100)


class Eyes:
    """What `workers.engine.client.Engine` would have seen."""

    fault = ""
    heard_since = None

    def __init__(self, world: World) -> None:
        self._world = world

    def _look(self) -> World:
        self._world.point()
        if self._world.away:
            raise DockerException("away")
        return self._world

    def id(self) -> str:
        return "engine"

    def containers(self, project: str, services: Iterable[str] | None = None) -> list[Container]:
        world, only = self._look(), None if services is None else set(services)
        world.spend(0)
        every = [one for (of, _name), one in sorted(world.containers.items()) if of == project]
        seen = [one for one in every if only is None or one.service in only]
        world.point()
        return seen

    def now(self) -> datetime:
        return self._world.tick()

    def services_with(self, project: str, label: str) -> set[str]:
        return set()

    def ran_on_since(self, moment: datetime) -> bool:
        return not self._world.away

    def image(self, name: str) -> str:
        self._look()
        return f"sha256:{name}"

    def networks(self) -> set[str]:
        return set(self._look().networks)

    def network_ids(self) -> set[str]:
        return set(self._look().networks)

    def volumes(self) -> set[str]:
        return set()

    def log(self, container: str, lines: int = 5) -> str:
        return ""

    def events(self) -> Iterable[Any]:
        return ()
