"""Builds the images of one request's services, one after another, and none whose content is unchanged.

One build runs at a time on a node. It has a lock of its own, so that no start or stop waits for it, and the
process that a dead worker left behind is found by that lock.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from app.domain.calls import CallOutcome, StartedCall
from app.domain.durations import show_spaced
from app.domain.enums import CallStatus
from app.domain.intents import BuildStatus, Intent
from app.store import intents as rows
from app.store import locks
from app.usecases.reconciliation import calls
from workers.engine import compose, streamed_call
from workers.engine.compose import Command
from workers.engine.streamed_call import StreamTerms
from workers.intents.build_content import BuildContent, Uncomparable, content_digest, find_bases
from workers.intents.build_output import BuildOutputWriter
from workers.intents.progress import RequestMonitor, RequestProgress
from workers.stacks.stack_reader import Served
from workers.state import identity
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)

LOCK_PAUSE = 0.3
"""Seconds between two tries to begin a build while another goes on."""


class BuildFailed(Exception):
    """An image could not be built, for the reason given."""


def build_lock_name(service: str) -> str:
    """The name under which the build of a service is locked; no service can have it."""
    return f"~build.{service}"


def end_left_builds(context: WorkerContext, project: str, services: list[str]) -> list[str]:
    """Kill what a dead worker left building; return the services whose build was ended."""
    dead = context.me.dead
    return [
        service
        for service in services
        if identity.end_leftover(context.lock_dir, project, build_lock_name(service), dead)
    ]


class ImageBuilds:
    """The builds of one request."""

    def __init__(
        self,
        context: WorkerContext,
        served: Served,
        request: str,
        progress: RequestProgress,
        monitor: RequestMonitor,
    ) -> None:
        self._context, self._served, self._request = context, served, request
        self._progress, self._monitor = progress, monitor

    def build_all(self, intent: Intent, build_lock: threading.Lock) -> None:
        """Build what has changed; raises BuildFailed. The one build of this node holds `build_lock`."""
        self._progress.plan_builds(intent.build)
        for service in intent.build:
            if self._monitor.interrupted.is_set():
                return
            content, why = self._content(service)
            if self._is_unchanged(service, content):
                self._progress.set_build(service, BuildStatus.UNCHANGED, "its content has not changed")
                continue
            self._await_lock(
                build_lock, service, partial(self._build, service, content, why, intent.build_timeout)
            )

    def _content(self, service: str) -> tuple[BuildContent | None, str]:
        """What the image is built from, or None and why it cannot be compared."""
        place = self._served.place
        assert place is not None
        assert place.accepted is not None
        config: dict[str, Any] = json.loads(place.accepted.read_text())
        section = config["services"][service].get("build") or {}
        try:
            return BuildContent(content_digest(section), self._ids_of(find_bases(section))), ""
        except Uncomparable as error:
            return None, str(error)

    def _ids_of(self, images: Iterable[str]) -> dict[str, str]:
        return {name: self._context.engine.image(name) for name in images}

    def _is_unchanged(self, service: str, content: BuildContent | None) -> bool:
        if content is None:
            return False
        with self._context.database.read() as session:
            last = rows.last_build(session, self._served.spec.name, service)
        return last is not None and last.content == content.digest and last.image_id == self._image(service)

    def _image(self, service: str) -> str:
        return self._context.engine.image(self._served.spec.services[service].image)

    def _await_lock(self, build_lock: threading.Lock, service: str, build: Callable[[int], None]) -> None:
        project, name = self._served.spec.project, build_lock_name(service)
        waits = f"{service} waits for its turn to be built"
        while not self._monitor.interrupted.is_set():
            with (
                _try_lock(build_lock) as mine,
                locks.hold_lock(self._context.lock_dir, project, name) as lock,
            ):
                if mine and lock is not None:
                    build(lock)
                    return
            self._progress.set_build(service, BuildStatus.PENDING, waits)
            self._monitor.interrupted.wait(LOCK_PAUSE)

    def _build(self, service: str, content: BuildContent | None, why: str, timeout: float, lock: int) -> None:
        self._progress.set_build(
            service, BuildStatus.RUNNING, f"is built every time, since {why}" if why else ""
        )
        assert self._served.place is not None
        output = BuildOutputWriter(self._context, self._request, service, self._served.spec.project)
        outcome = self._call(service, compose.build(self._served.place, service), timeout, lock, output)
        if outcome.status is not CallStatus.OK:
            reason = _reason(outcome, output.tail, timeout)
            self._progress.set_build(service, BuildStatus.FAILED, reason)
            raise BuildFailed(f"the build of {service} failed: {reason}")
        took = show_spaced(max(1.0, outcome.elapsed_ms / 1000))
        self._progress.set_build(service, BuildStatus.BUILT, f"in {took}")
        self._remember(service, content)

    def _call(
        self, service: str, command: Command, timeout: float, lock: int, output: BuildOutputWriter
    ) -> CallOutcome:
        """Record the beginning of the call, make it, and record its end."""
        context, spec = self._context, self._served.spec
        begun = StartedCall(spec.name, service, command.action, command.argv, context.node, context.me.name)
        with context.database.write() as session:
            call = calls.start_call(session, begun, context.database.now())
            context.under_way.add(call)
        started = partial(identity.sign, context.me.name, lock)
        terms = StreamTerms(timeout, lock, started, output.add, self._monitor.cancellation)
        try:
            outcome = streamed_call.stream(command, terms)
            output.close()
            with context.database.write() as session:
                ended = _with_output(outcome, output.tail)
                calls.finish_call(session, call, ended, context.database.now())
        finally:
            context.under_way.discard(call)
        log.info("%s: %s in %d ms", command, outcome.status, outcome.elapsed_ms)
        return outcome

    def _remember(self, service: str, content: BuildContent | None) -> None:
        built = content.with_bases(self._ids_of(content.bases)) if content else None
        if built is None:
            return
        stack, image, now = self._served.spec.name, self._image(service), self._context.database.now()
        with self._context.database.write() as session:
            rows.note_build(session, stack, service, content=built.digest, image=image, now=now)


@contextmanager
def _try_lock(build_lock: threading.Lock) -> Iterator[bool]:
    """Hold the lock during the block if it is free; yield whether it was."""
    mine = build_lock.acquire(blocking=False)
    try:
        yield mine
    finally:
        if mine:
            build_lock.release()


def _with_output(outcome: CallOutcome, tail: str) -> CallOutcome:
    stderr = f"{tail}\n{outcome.stderr}".strip() if outcome.status is not CallStatus.OK else outcome.stderr
    return replace(outcome, stdout=tail if outcome.status is CallStatus.OK else "", stderr=stderr)


def _reason(outcome: CallOutcome, tail: str, timeout: float) -> str:
    """Why a build failed, in one line: the last lines that it printed say it."""
    if outcome.status is CallStatus.TIMEOUT:
        return f"it took longer than its build_timeout of {show_spaced(timeout)}"
    if outcome.status is CallStatus.CANCELLED:
        return outcome.stderr
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return "; ".join(lines[-2:]) or outcome.stderr or f"exit {outcome.returncode}"
