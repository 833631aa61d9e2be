"""The processes of one run: databases, workers, the simulated host and interruptions."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from types import SimpleNamespace
from unittest import mock

from hypothesis.stateful import RuleBasedStateMachine, initialize

from app.domain.enums import Action
from tests.model.convergence import Convergence
from tests.model.environment import Environment
from tests.model.expected import ExpectedState
from tests.model.interruptions import Interruptible, Interruption, Killed
from tests.model.record import Record
from tests.model.stack_files import StackFiles
from tests.model.strategies import STUDIOS, attic
from tests.model.trail import Trail
from tests.model.worker import Worker, patches
from tests.model.world import Key, World

ROUNDS = 7
"""Rounds without polls: enough for every wave, and over before a window counts as abandoned."""


class LoggedErrors(logging.Handler):
    """Turns each exception that the product logs as its own error into a fault of the run."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.name.startswith(("workers", "app")):
            text = logging.Formatter().formatException(record.exc_info)
            self._world.faults.append(f"{record.getMessage()}\n{text}")


class Simulation(RuleBasedStateMachine):
    """One run: a web process, two workers and one host; subclasses add the rules and the checks."""

    def __init__(self, environment: Environment) -> None:
        super().__init__()
        environment.clear()
        environment.runs += 1
        self.environment = environment
        self.expected = ExpectedState({"studio": STUDIOS[0], "attic": attic()})
        self.world = World(environment.lock_dir, StackFiles(dict(self.expected.stacks)))
        self.world.files.write(self.world.config)
        self._ids = 0
        self._cleanup = ExitStack()
        self._patch_ports()
        self.web, *databases = environment.databases
        for database in environment.databases:
            database.world = self.world
        self.world.judge = self.judge_call
        self.workers = [Worker(database, self.world) for database in databases]
        self.record = Record(self.web, self.expected, self.world)
        self.trail = Trail(self.web)
        self.convergence = Convergence(self.web, self.expected, self.world)
        self.unhealthy = False
        """The healthcheck of db fails until a step heals it."""
        self._now: datetime = self.world.now
        for project in ("studio", "attic"):
            self.world.start((project, "redis"))

    def _patch_ports(self) -> None:
        for patch in patches(self.world):
            self._cleanup.enter_context(patch)
        secrets = SimpleNamespace(token_hex=self._next_id)
        self._cleanup.enter_context(mock.patch("app.usecases.windows.open.secrets", secrets))
        errors = LoggedErrors(self.world)
        logging.getLogger().addHandler(errors)
        self._cleanup.callback(logging.getLogger().removeHandler, errors)

    def _next_id(self, _bytes: int) -> str:
        self._ids += 1
        return hashlib.sha256(str(self._ids).encode()).hexdigest()[:16]

    def happen(self, what: str, which: int) -> None:
        """Let another process or the host act, in the middle of a process's step."""
        raise NotImplementedError

    def judge_call(self, action: Action, key: Key, argv: Sequence[str]) -> None:
        """Check a compose call before it is made."""
        raise NotImplementedError

    @initialize()
    def start_first_worker(self) -> None:
        self.start_worker(self.workers[0])

    def interruptible(
        self, plan: Sequence[Interruption], meanwhile: Callable[[str, int], None]
    ) -> Interruptible:
        """Return a context in which `plan` is carried out; no other process acts within a transaction."""
        return Interruptible(plan, meanwhile, lambda: not self.world.writing)

    def run_worker(
        self, number: int, plan: Sequence[Interruption], fate: str, work: Callable[[Worker], None]
    ) -> None:
        """Let a worker do `work`, with the interruptions of `plan`; one of them may kill the worker."""
        worker, other = self.workers[number % 2], self.workers[1 - number % 2]
        if not worker.is_running:
            self.start_worker(worker)
        self.world.fate = fate

        def meanwhile(what: str, which: int) -> None:
            if what == "other":
                self.run_round(other)
            else:
                self.happen(what, which)

        self.world.interruptible = self.interruptible(plan, meanwhile)
        try:
            with self.world.interruptible:
                work(worker)
            return
        except Killed:
            pass
        finally:
            self.world.interruptible = None
        worker.kill()

    def start_worker(self, worker: Worker) -> None:
        worker.start()
        self.record.read_stacks()

    def run_round(self, worker: Worker) -> None:
        """Tick, inspect what is due and run all queued work."""
        if not worker.is_running:
            self.start_worker(worker)
        worker.tick()
        worker.inspect_due()
        worker.run_all_queued()

    def work_until_idle(self, worker: Worker) -> None:
        """Poll every stack and run queued work, until an inspection queues nothing more."""
        for _ in range(8):
            worker.tick()
            if not self.unhealthy:
                self.world.set_health(("studio", "db"), "healthy")
            for stack in self.expected.stacks:
                worker.inspect(stack)
            if not worker.queued:
                return
            worker.run_all_queued()

    def work_without_polls(self, number: int, rounds: int = ROUNDS) -> None:
        """Run one worker on events, calls and requests alone; then no window may be stalled."""
        world = self.world
        if world.away or world.children or world.late or world.files.version > 1:
            return
        worker, other = self.workers[number % 2], self.workers[1 - number % 2]
        other.kill()
        if not worker.is_running:
            self.start_worker(worker)
        for _ in range(rounds):
            worker.tick()
            worker.inspect_due_without_polls()
            worker.run_all_queued()
            worker.inspect_due_without_polls()
            world.advance(0.6)
        self.convergence.check_nothing_stalled()

    def leave(self) -> None:
        """Kill both workers, and undo every patch."""
        for worker in self.workers:
            worker.kill()
        self.world.close()
        self._cleanup.close()
