"""A stack of real containers, and a worker without Celery that has it in hand.

Every stack has a project name of its own, and takes its containers, networks and
volumes along when it goes.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select

from app.domain.enums import Event, State
from app.domain.stack_id import StackId
from app.store import audit, services
from app.store import windows as rows
from app.store.database import Database
from app.store.tables import Call, Entry, Lease, Service, Window
from app.usecases.windows import close as closing
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest
from examples.vx11 import image
from workers.engine import compose_program
from workers.engine.client import Engine
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.stack_loader import StackLoader
from workers.loops.watch import Watch
from workers.state.context import WorkerContext
from workers.state.identity import Identity
from workers.state.inspection_queue import Trigger

Found = TypeVar("Found")
Definition = dict[str, Any]

_LEAVES = "signal.signal(signal.SIGTERM, lambda *_: os._exit(0))"
_TOUCHED = ["CMD", "python3", "-I", "-S", "-c", "import os; os.stat('/tmp/well')"]


def python(code: str, **more: Any) -> Definition:
    """A service that runs a few lines of Python; it leaves on TERM at once unless the lines say otherwise."""
    lines = f"import os, signal, sys, time\n{_LEAVES}\n{code}"
    entrypoint = ["python3", "-I", "-S", "-c", lines.replace("$", "$$")]
    return {"image": image.NAME, "entrypoint": entrypoint, "command": [], "stop_grace_period": "2s"} | more


def running(**more: Any) -> Definition:
    return python("signal.pause()", **more)


def exits(code: int, *, saying: str = "", **more: Any) -> Definition:
    return python(f"print({saying!r}, flush=True); sys.exit({code})", **more)


def checked(well_after: float | None, **more: Any) -> Definition:
    """A service with a healthcheck, which says healthy after so many seconds, or never."""
    well = "" if well_after is None else f"time.sleep({well_after}); open('/tmp/well', 'w').close(); "
    check = {
        "test": _TOUCHED,
        "interval": "250ms",
        "timeout": "2s",
        "retries": 1000,
        "start_period": "60s",
        # Without it, engines since 25 probe every five seconds in the start_period. Older ones ignore it.
        "start_interval": "250ms",
    }
    return python(f"{well}signal.pause()", **({"healthcheck": check} | more))


def needs(**conditions: str) -> Definition:
    """`needs(db="healthy")`: the depends_on of a service."""
    words = {
        "started": "service_started",
        "healthy": "service_healthy",
        "completed": "service_completed_successfully",
    }
    return {"depends_on": {name: {"condition": words[word]} for name, word in conditions.items()}}


class Stack:
    """One project on the engine, its power.toml and database, and at most one worker at a time."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self.directory = directory
        self.project = f"pw-test-{secrets.token_hex(4)}"
        self.database_url = database_url
        self.database = Database(database_url)
        self.engine = Engine()
        self._worker = ExitStack()
        self._context: WorkerContext | None = None
        self._watch: Watch | None = None
        self.repairs_expected = False
        """Set where a test loses events on purpose."""
        self.undo: list[Callable[[], object]] = []  # What a test did on the engine besides.
        self.repairs: list[str] = []
        """Changes that only the idle poll or a resync has noticed, by all workers so far."""

    # What is written down.

    @property
    def file(self) -> Path:
        return self.directory / "docker-compose.yml"

    @property
    def config(self) -> Path:
        return self.directory / "power.toml"

    @property
    def lock_dir(self) -> Path:
        return self.directory / "data" / "locks"

    @property
    def environ(self) -> dict[str, str]:
        return {
            "POWER_DATA_DIR": str(self.directory / "data"),
            "POWER_DATABASE_URL": self.database_url,
            "POWER_CONFIG": str(self.config),
        }

    def write(
        self,
        defined: Mapping[str, Definition],
        *,
        core: Sequence[str] = (),
        allow: Sequence[str] | None = None,
        tuned: Mapping[str, Mapping[str, Any]] | None = None,
        **more: Any,
    ) -> Stack:
        """Write compose file and power.toml; everything that is not core is allowed unless said otherwise."""
        self.define(defined)
        listed = [name for name in defined if name not in core] if allow is None else allow
        settings = {"project": self.project, "core": list(core), "allow": list(listed), **more}
        lines = ["[stacks.studio]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items())]
        for service, values in (tuned or {}).items():
            lines += [f"[stacks.studio.services.{service}]"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        self.config.write_text("\n".join(lines) + "\n")
        return self

    def define(self, defined: Mapping[str, Definition], **more: Any) -> None:
        """Write the compose file; `more` are its other top-level elements."""
        self.file.write_text(json.dumps({"services": defined, **more}, indent=1))

    # The worker.

    def begin(self, *, events: bool = True) -> Stack:
        """A worker begins: it reads the stack and watches it."""
        me = Identity(self.lock_dir, "local")
        self._worker.enter_context(me.living())
        self._context = WorkerContext(self.database, self.engine, me, "local", self.lock_dir)
        loading = StackLoader(self._context, self.config)
        loading.begin()
        heartbeat = HeartbeatLoop(self._context, loading)
        heartbeat.begin()
        self._worker.callback(heartbeat.end)
        self._watch = Watch(self._context, loading, heartbeat)
        if not events:
            self._watch.events.start = lambda: None  # type: ignore[method-assign]
        self._watch.start()
        return self

    def end(self, *, patiently: bool = False) -> None:
        """End the worker; `patiently` waits for its looks, so that none opens a connection after it."""
        if self._watch:
            if not self.repairs_expected:
                self._resync()
            self._watch.stop(patiently=patiently)
        if self._context:
            self.repairs += self._context.repairs.confirmed
        self._worker.close()
        self._watch = self._context = None

    def _resync(self) -> None:
        """Whatever was not noticed so far is noticed now, and counted."""
        self.watch.mark_all(Trigger.RESYNC)
        end = time.monotonic() + 4
        time.sleep(0.3)
        while self.context.repairs.has_unconfirmed_changes and time.monotonic() < end:
            time.sleep(0.1)

    @property
    def context(self) -> WorkerContext:
        assert self._context
        return self._context

    @property
    def watch(self) -> Watch:
        assert self._watch
        return self._watch

    # What people do.

    def ask(self, *names: str, ttl: float = 600.0) -> str:
        request = OpenRequest(names, StackId("studio"), ttl)
        with self.database.write() as session:
            return opening.open_window(session, request, actor="ada", now=self.database.now())[0].id

    def open(self, *names: str, ttl: float = 600.0) -> str:
        window = self.ask(*names, ttl=ttl)
        self.watch.open_soon(window)
        return window

    def close_without_nudge(self, window: str) -> None:
        """Close a window whose nudge is lost."""
        with self.database.write() as session:
            closing.close(session, window, actor="ada", now=self.database.now())

    def close(self, window: str) -> None:
        self.close_without_nudge(window)
        self.watch.close_soon(StackId("studio"))

    def by_hand(self, *words: str) -> None:
        """A person calls Compose without Power Windows."""
        command = [*compose_program.program(), "-p", self.project, "-f", str(self.file), *words]
        subprocess.run(command, check=True, capture_output=True)

    # What is the case.

    def window(self, window: str) -> Window:
        with self.database.read() as session:
            row = rows.get(session, window)
            assert row
            return row

    def lease(self, window: str, service: str) -> Lease:
        return next(one for one in self.window(window).leases if one.service == service)

    def row(self, service: str) -> Service | None:
        with self.database.read() as session:
            return services.of(session, StackId("studio")).get(service)

    def calls(self, service: str | None = None) -> list[Call]:
        with self.database.read() as session:
            stored = list(session.scalars(select(Call).order_by(Call.id)))
        return [call for call in stored if service in {None, call.service}]

    def entries(self, event: Event | None = None) -> list[Entry]:
        with self.database.read() as session:
            return [one for one in audit.entries(session, limit=5000) if event in {None, one.event}]

    def ids(self, service: str) -> list[str]:
        """The containers of a service that run, by the engine's ids."""
        return [one.id for one in self.engine.containers(self.project, [service]) if one.alive]

    def alive(self) -> set[str]:
        """The services that run."""
        return {one.service for one in self.engine.containers(self.project) if one.alive}

    def settled(self, window: str, *states: State, within: float = 30.0) -> Window:
        """Wait for one of these states."""
        until(lambda: self.window(window).state in states, f"{window} is {'/'.join(states)}", within, self)
        return self.window(window)

    def opened(self, window: str, *, within: float = 30.0) -> Window:
        return self.settled(window, State.OPEN, within=within)

    def closed(self, window: str, *, within: float = 30.0) -> Window:
        return self.settled(window, State.CLOSED, within=within)

    def story(self) -> str:
        """What happened so far, for a test that waited in vain."""
        entries = self.entries()
        return "\n".join(
            f"{one.at:%X.%f} {one.event} {one.service or ''} {one.facts[:200]}" for one in entries
        )

    def remove(self) -> None:
        self.end()
        self._remove()
        if not self.repairs_expected:
            assert not self.repairs, f"changes without an event, a call or a request: {self.repairs}"

    def _remove(self) -> None:
        for kind, remove in (
            (["ps", "-a"], ["rm", "-f", "-v"]),
            (["network", "ls"], ["network", "rm"]),
            (["volume", "ls"], ["volume", "rm"]),
        ):
            label = f"label=com.docker.compose.project={self.project}"
            ids = docker(*kind, "-q", "--filter", label).split()
            if ids:
                docker(*remove, *ids)
        for undo in self.undo:
            with contextlib.suppress(subprocess.CalledProcessError):
                undo()
        self.engine.close()
        self.database.close()


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def until(
    condition: Callable[[], Found], what: str, within: float = 10.0, stack: Stack | None = None
) -> Found:
    """Ask until the answer is true and return it; fail with what was waited for and what happened instead."""
    end = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() >= end:
            story = f"\n{stack.story()}" if stack else ""
            raise AssertionError(f"waited {within:g} s in vain until {what}; last: {answer!r}{story}")
        time.sleep(0.03)
    return answer


@contextmanager
def standing(directory: Path, database_url: str) -> Iterator[Stack]:
    stack = Stack(directory, database_url)
    try:
        yield stack
    finally:
        stack.remove()
