"""A worker that can be killed: the real converge, inspections, tasks and watch, without threads.

Work that the watch would give to its thread pools is queued, and runs when a step asks
for it. No other file of the model depends on the internals of `workers`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

from sqlalchemy.orm import Session

from app.domain.stack_id import StackId
from app.store import locks
from app.store.database import Database
from tests.model.deferred import DeferredCalls, DeferredPool
from tests.model.engine_view import EngineView
from tests.model.world import Key, World
from workers import runtime, tasks
from workers.engine.client import Engine
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.stack_loader import StackLoader
from workers.loops.watch import Watch
from workers.state.context import WorkerContext
from workers.state.identity import Identity
from workers.state.inspection_queue import Trigger

NODE = "local"


class ProcessDatabase(Database):
    """The database as one process sees it: it uses the world's clock and counts transactions in progress."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.world: World | None = None

    def now(self) -> Any:
        assert self.world
        return self.world.tick()

    def restart(self) -> None:
        """Release what the killed process held in memory."""
        if self.sqlite:
            self._turn = threading.Lock()

    @contextmanager
    def write(self) -> Iterator[Session]:
        assert self.world
        self.world.writing += 1
        try:
            with super().write() as session:
                yield session
        finally:
            self.world.writing -= 1


class Worker:
    """One worker process after another, on one node and with one database."""

    def __init__(self, database: ProcessDatabase, world: World) -> None:
        self.database, self.world = database, world
        self._cleanup = ExitStack()
        self.context: WorkerContext | None = None
        self._watch: Watch | None = None

    @property
    def is_running(self) -> bool:
        return self.context is not None

    def start(self) -> None:
        """Start a new process as `workers.runtime` does: a new name, stacks read and claimed, a watch."""
        self.kill()
        self.database.restart()
        me = Identity(self.world.lock_dir, NODE)
        # Not `me.living()`, which removes the lock file at the end: a killed process leaves it.
        self._cleanup.enter_context(locks.hold_lock(self.world.lock_dir, "worker", me.name))
        engine = cast(Engine, EngineView(self.world))
        opening, closing = cast(Any, DeferredCalls()), cast(Any, DeferredCalls())
        context = WorkerContext(
            self.database, engine, me, NODE, self.world.lock_dir, opening=opening, closing=closing
        )
        loading = StackLoader(context, self.world.config)
        loading.begin()
        heartbeat = HeartbeatLoop(context, loading)
        heartbeat.begin()
        watch = Watch(context, loading, heartbeat)
        context.snapshot.begin()
        watch.mark_all(Trigger.START)
        self.context, self._watch = context, watch
        self.world.listeners.append(self._handle_event)

    def reread(self) -> None:
        """Check the stack files until they count as unchanged, and read them."""
        for _ in range(2):
            self._running_watch().files.check()
        self._running_watch().beat(self.database.now())

    def _handle_event(self, key: Key) -> None:
        """Handle an engine event: it says that a container has changed, not how."""
        for name, served in self._running_context().stacks.items():
            if served.spec.project == key[0]:
                self._running_watch().mark(name, [key[1]], Trigger.EVENT)

    def kill(self) -> None:
        if self._handle_event in self.world.listeners:
            self.world.listeners.remove(self._handle_event)
        self._cleanup.close()
        self.context = self._watch = None

    def _running_context(self) -> WorkerContext:
        assert self.context
        return self.context

    def _running_watch(self) -> Watch:
        assert self._watch
        return self._watch

    @property
    def is_inspecting(self) -> bool:
        """Is an inspection in progress? Another one would wait for it."""
        return self.context is not None and any(one.locked() for one in self.context.looking.values())

    # What its threads do.

    def tick(self) -> None:
        self._running_watch().clock.tick()

    def inspect(self, stack: str) -> None:
        """Poll all services of a stack."""
        watch = self._running_watch()
        watch.mark(StackId(stack), None, Trigger.POLL)
        watch.inspections.due_stacks()
        watch.inspections.inspect(StackId(stack))

    def inspect_due(self) -> None:
        """Inspect the stacks that are marked or due."""
        inspections = self._running_watch().inspections
        for stack in inspections.due_stacks():
            inspections.inspect(stack)

    def inspect_due_without_polls(self) -> None:
        """Inspect the stacks that are marked or whose timer is due; drop due polls."""
        self._running_watch().inspections.drop_polls()
        self.inspect_due()

    @property
    def queued(self) -> list[Any]:
        """Work that waits in the pools and queues."""
        watch, context = self._running_watch(), self._running_context()
        pools = cast(DeferredPool, watch.pools.opening).work, cast(DeferredPool, watch.pools.closing).work
        calls = cast(Any, context.closing).waiting, cast(Any, context.opening).waiting
        return [*pools[0], *pools[1], *calls[0], *calls[1]]

    def run_queued(self, which: int = 0) -> None:
        """Run one piece of queued work; closing comes before opening."""
        watch, context = self._running_watch(), self._running_context()
        for pool in (cast(DeferredPool, watch.pools.closing), cast(DeferredPool, watch.pools.opening)):
            if pool.work:
                pool.work.pop(which % len(pool.work))()
                return
        for queue in (cast(DeferredCalls, context.closing), cast(DeferredCalls, context.opening)):
            if queue.waiting:
                queue.run(which)
                return

    def run_all_queued(self) -> None:
        while self.queued:
            self.run_queued()

    # Task messages.

    def receive(self, name: str, *args: str) -> None:
        """Run the task of a message: `open`, `close` or `sweep`."""
        with self._as_runtime():
            {"open": tasks.open_window, "close": tasks.close_window, "sweep": tasks.sweep}[name](*args)

    @contextmanager
    def _as_runtime(self) -> Iterator[None]:
        context, watch = self._running_context(), self._running_watch()

        def close_soon(stack: str) -> bool:
            watch.close_soon(StackId(stack))
            return True

        with mock.patch.multiple(runtime, context=lambda: context, close_soon=close_soon):
            yield


def patches(world: World) -> list[AbstractContextManager[Any]]:
    """Patches that replace the engine, compose, the clock, threads and stack files of workers."""
    clock = SimpleNamespace(monotonic=world.monotonic, sleep=world.advance)
    return [
        mock.patch("workers.engine.compose.run", world.run),
        mock.patch("workers.engine.compose_program.program", return_value=("docker", "compose")),
        mock.patch("workers.state.identity.end_leftover", world.end_child),
        mock.patch("workers.loops.converge_pools.ThreadPoolExecutor", DeferredPool),
        mock.patch("workers.loops.inspections.CallQueue", DeferredCalls),
        mock.patch("workers.loops.inspections.time", clock),
        mock.patch("workers.loops.deadline_clock.time", clock),
        mock.patch("workers.loops.stack_files.time", clock),
        mock.patch("workers.loops.stack_loader.time", clock),
        mock.patch("workers.loops.stack_loader.settings.read_power_toml", world.files.toml),
        mock.patch("workers.loops.stack_loader.stack_reader.read", world.files.read),
        mock.patch("workers.loops.heartbeat.os.kill", world.files.fail_on_exit),
    ]
