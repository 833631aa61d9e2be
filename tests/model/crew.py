"""A worker that can be killed: the real converge, look, tasks and watch, with nothing running by itself.

What the watch would hand to its pools, or wait for, is queued; whoever plays the worker
says when it goes on. All that is known here of the inside of `workers` is in this file.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

from sqlalchemy.orm import Session

from app.store import locks
from app.store.database import Database
from tests.model.world import Eyes, Key, World
from workers import runtime, tasks
from workers.engine.client import Engine
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.stack_loader import StackLoader
from workers.loops.watch import Watch
from workers.state.context import WorkerContext
from workers.state.identity import Identity
from workers.state.inspection_queue import Trigger

NODE = "local"


class Way(Database):
    """A process's way to the database, by the world's clock; the world knows while it writes."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.world: World | None = None

    def now(self) -> Any:
        assert self.world
        return self.world.tick()

    def reborn(self) -> None:
        """Its process was killed: what it kept others waiting with went with it."""
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


class Later:
    """A pool whose work waits to be called for."""

    def __init__(self, _workers: int, _name: str) -> None:
        self.work: list[Callable[[], None]] = []

    def submit(self, work: Callable[..., Any], *args: Any) -> None:
        self.work.append(lambda: work(*args))

    def shutdown(self, **_: Any) -> None:
        self.work.clear()


class Calls:
    """A queue of calls that are made when they are called for, each key once."""

    def __init__(self, *_: object) -> None:
        self.waiting: dict[Hashable, Callable[[], None]] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self.waiting

    def submit(self, key: Hashable, work: Callable[[], None]) -> None:
        self.waiting.setdefault(key, work)

    def make(self, which: int) -> None:
        """Make one of them. As the real queue does, it goes on whatever becomes of one."""
        key = list(self.waiting)[which % len(self.waiting)]
        work = self.waiting.pop(key)
        try:
            work()
        except Exception:
            logging.getLogger("workers.state.concurrency").exception("%s failed", key)

    def answers(self) -> bool:
        return True

    def close(self, **_: Any) -> None:
        self.waiting.clear()


class Hand:
    """One worker, life after life."""

    def __init__(self, way: Way, world: World) -> None:
        self.way, self.world = way, world
        self._leaving = ExitStack()
        self.context: WorkerContext | None = None
        self._watch: Watch | None = None

    @property
    def up(self) -> bool:
        return self.context is not None

    def begin(self) -> None:
        """What `house.begin` does: a new name, the stacks read and claimed, a watch."""
        self.die()
        self.way.reborn()
        me = Identity(self.world.lock_dir, NODE)
        # Not `me.living()`, which tidies up at the end: whoever is killed does not.
        self._leaving.enter_context(locks.hold_lock(self.world.lock_dir, "worker", me.name))
        eyes, opening, closing = cast(Engine, Eyes(self.world)), cast(Any, Calls()), cast(Any, Calls())
        found = WorkerContext(self.way, eyes, me, NODE, self.world.lock_dir, opening=opening, closing=closing)
        loading = StackLoader(found, self.world.config)
        loading.begin()
        heartbeat = HeartbeatLoop(found, loading)
        heartbeat.begin()
        watch = Watch(found, loading, heartbeat)
        found.snapshot.begin()
        watch.mark_all(Trigger.START)
        self.context, self._watch = found, watch
        self.world.listeners.append(self._heard)

    def reread(self) -> None:
        """Notice that the files have changed, and see a moment later that they are at rest."""
        for _ in range(2):
            self._watching().files.check()
        self._watching().beat(self.way.now())

    def _heard(self, key: Key) -> None:
        """The engine's event stream, which tells of a change and not of what it is."""
        for name, served in self._alive().stacks.items():
            if served.spec.project == key[0]:
                self._watching().mark(name, [key[1]], Trigger.EVENT)

    def die(self) -> None:
        if self._heard in self.world.listeners:
            self.world.listeners.remove(self._heard)
        self._leaving.close()
        self.context = self._watch = None

    def _alive(self) -> WorkerContext:
        assert self.context
        return self.context

    def _watching(self) -> Watch:
        assert self._watch
        return self._watch

    @property
    def looking(self) -> bool:
        """Is one of its threads in the middle of a look? Another would wait for it."""
        return self.context is not None and any(one.locked() for one in self.context.looking.values())

    # What its threads do.

    def tick(self) -> None:
        self._watching().clock.tick()

    def look(self, stack: str) -> None:
        """Look at all of a stack."""
        watch = self._watching()
        watch.mark(stack, None, Trigger.POLL)
        watch.inspections.due_stacks()
        watch.inspections.inspect(stack)

    def looks(self) -> None:
        """Look where something was marked, or is due."""
        inspections = self._watching().inspections
        for stack in inspections.due_stacks():
            inspections.inspect(stack)

    def looks_without_polls(self) -> None:
        """Look where a mark or a timer asks for it, and let no poll ask for anything."""
        self._watching().inspections.drop_polls()
        self.looks()

    @property
    def queued(self) -> list[Any]:
        """What was handed to the pools and queues and waits to be done."""
        watch, context = self._watching(), self._alive()
        pools = cast(Later, watch.pools._opening).work, cast(Later, watch.pools._closing).work
        calls = cast(Any, context.closing).waiting, cast(Any, context.opening).waiting
        return [*pools[0], *pools[1], *calls[0], *calls[1]]

    def work(self, which: int = 0) -> None:
        """Do one thing of that."""
        watch, context = self._watching(), self._alive()
        for pool in (cast(Later, watch.pools._closing), cast(Later, watch.pools._opening)):
            if pool.work:
                pool.work.pop(which % len(pool.work))()
                return
        for queue in (cast(Calls, context.closing), cast(Calls, context.opening)):
            if queue.waiting:
                queue.make(which)
                return

    # What messages make it do.

    def told(self, name: str, *args: str) -> None:
        with self._in_place():
            {"open": tasks.open_window, "close": tasks.close_window, "sweep": tasks.sweep}[name](*args)

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        context, watch = self._alive(), self._watching()

        def close_soon(stack: str) -> bool:
            watch.close_soon(stack)
            return True

        with mock.patch.multiple(runtime, context=lambda: context, close_soon=close_soon):
            yield


def patches(world: World) -> list[AbstractContextManager[Any]]:
    """The ports of the workers, for as long as a world lasts."""
    clock = SimpleNamespace(monotonic=world.monotonic, sleep=world.spend)
    return [
        mock.patch("workers.engine.compose.run", world.run),
        mock.patch("workers.engine.compose_program.program", return_value=("docker", "compose")),
        mock.patch("workers.state.identity.end_leftover", world.end_child),
        mock.patch("workers.loops.converge_pools.ThreadPoolExecutor", Later),
        mock.patch("workers.loops.inspections.CallQueue", Calls),
        mock.patch("workers.loops.inspections.time", clock),
        mock.patch("workers.loops.deadline_clock.time", clock),
        mock.patch("workers.loops.stack_files.time", clock),
        mock.patch("workers.loops.stack_loader.time", clock),
        mock.patch("workers.loops.stack_loader.settings.read_power_toml", world.files.toml),
        mock.patch("workers.loops.stack_loader.stack_reader.read", world.files.read),
        mock.patch("workers.loops.heartbeat.os.kill", world.files.nobody_ends),
    ]
