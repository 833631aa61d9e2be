"""Requests of clients, sent to the real use cases; answers are compared with the expected state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from app.domain import errors
from app.domain.enums import State
from app.domain.errors import Refusal
from app.domain.stack_id import StackId
from app.store.tables import Window
from app.usecases.windows import close as closing
from app.usecases.windows import extend as extending
from app.usecases.windows import open as opening
from app.usecases.windows import refusals
from app.usecases.windows.open import OpenRequest, Repeat
from tests.model.environment import Environment
from tests.model.expected import ExpectedWindow
from tests.model.interruptions import Interruption, Killed
from tests.model.simulation import Simulation
from tests.model.strategies import (
    asked,
    fates,
    people,
    ttls,
    valid_services,
    valid_ttls,
    web_plans,
    which,
    worker_plans,
)

KILLED = object()
"""The answer of a request whose web process was killed: the client does not know the outcome."""


@dataclass
class Message:
    """A task message that a request has sent."""

    name: str
    window: str


class ClientRequests(Simulation):
    """Adds the rules that open, extend and close windows."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.messages: list[Message] = []

    def window_at(self, which: int) -> str:
        """Return the id of a window, counted from the newest; `none` where there is no window."""
        every = list(self.expected.windows)
        return every[-1 - which % len(every)] if every else "none"

    # Open.

    @rule(
        actor=people,
        services=valid_services,
        ttl=valid_ttls,
        worker=which,
        plan=worker_plans,
        fate=fates,
    )
    def open_and_work(
        self, actor: str, services: list[str], ttl: float, worker: int, plan: Any, fate: str
    ) -> None:
        """Open a window, and let a worker converge it until the worker is idle or killed."""
        self.request_window(actor, "studio", services, ttl)
        self.run_worker(worker, plan, fate, self.work_until_idle)

    @rule(actor=people, services=asked, ttl=ttls, other=st.integers(0, 9), plan=web_plans)
    def open(self, actor: str, services: list[str], ttl: float | None, other: int, plan: Any) -> None:
        stack = {0: "attic", 1: "nowhere", 2: "attic"}.get(other, "studio")
        key = {3: "k", 4: "l", 5: "k"}.get(other)
        self.request_window(actor, stack, services if stack == "studio" else ["forge"], ttl, key, plan)

    def request_window(
        self,
        actor: str,
        stack: str,
        services: list[str],
        ttl: float | None,
        key: str | None = None,
        plan: Sequence[Interruption] = (),
    ) -> None:
        """Send one open; `key` is its idempotency key."""
        body = repr((stack, services, ttl))
        digest = hashlib.sha256(body.encode()).hexdigest()
        repeat = Repeat(actor, key, digest) if key else None

        def send() -> tuple[Window, bool]:
            with self.web.write() as session:
                self._now = self.web.now()
                return opening.open_window(
                    session,
                    OpenRequest(services, StackId(stack), ttl, "why"),
                    actor=actor,
                    now=self._now,
                    repeat=repeat,
                )

        answer = self._send(send, plan, "open", actor, stack)
        before = self.expected.first_request(actor, key, self._now)
        if answer is KILLED:
            self.record.adopt(
                stack, list(dict.fromkeys(services)), actor, self._now, ttl, key and (key, digest)
            )
            return
        if before:
            expected: type[Refusal] | None = None if before[0] == digest else errors.KeyReused
        else:
            expected = self.expected.refusal_of_open(stack, services, ttl)
        self._check_answer(answer, expected)
        if isinstance(answer, Refusal) or answer is None:
            return
        window, new = answer
        assert new is (before is None), "a key stands for one window"
        if before:
            assert window.id == before[1]
            return
        self._expect_window(window, stack, services, ttl, key, digest)

    def _expect_window(
        self, window: Window, stack: str, services: list[str], ttl: float | None, key: str | None, digest: str
    ) -> None:
        seconds = self.expected.stacks[stack].default_ttl if ttl is None else ttl
        requested = list(dict.fromkeys(services))
        deadline = self._now + timedelta(seconds=seconds)
        held = self.expected.closure(stack, requested)
        expected = ExpectedWindow(
            window.id, stack, requested, held, window.actor, self._now, deadline, seconds, State.WAITING
        )
        self.expected.windows[window.id] = expected
        if window.state == State.OPENING:
            self.expected.begin(expected)
        if key:
            self.expected.keys[window.actor, key] = (digest, window.id, self._now)
        self.messages.append(Message("open", window.id))

    # Extend.

    @rule(
        actor=people,
        which=which,
        ttl=st.sampled_from((0.0, 1.0, 10.0, 300.0, 2000.0, 1e9)),
        plan=web_plans,
    )
    def extend(self, actor: str, which: int, ttl: float, plan: Any) -> None:
        self.request_extension(actor, self.window_at(which), ttl, plan)

    def request_extension(
        self, actor: str, window: str, ttl: float, plan: Sequence[Interruption] = ()
    ) -> None:
        def send() -> Window:
            with self.web.write() as session:
                self._now = self.web.now()
                return extending.extend(session, window, ttl, actor=actor, now=self._now)

        # A worker that is in the middle of a step may already have ended the window.
        self.record.check_windows()
        answer = self._send(send, plan, "extend", actor)
        expected = self.expected.refusal_of_extension(window, ttl, actor, self._now)
        deadline = self._now + timedelta(seconds=min(ttl, 1e6))
        if answer is KILLED:
            if expected is None:
                self.record.adopt_extension(window, deadline, self._now)
            return
        self._check_answer(answer, expected)
        if expected is None:
            self.expected.extend(window, deadline, self._now)

    # Close.

    @rule(
        actor=people,
        which=which,
        force=st.booleans(),
        plan=web_plans,
        worker=which,
        after=worker_plans,
        fate=fates,
    )
    def close(
        self, actor: str, which: int, force: bool, plan: Any, worker: int, after: Any, fate: str
    ) -> None:
        self.request_close(actor, self.window_at(which), force, plan)
        if worker % 4:
            self.run_worker(worker, after, fate, self.work_until_idle)

    def request_close(
        self, actor: str, window: str, force: bool = False, plan: Sequence[Interruption] = ()
    ) -> None:
        def send() -> Window:
            with self.web.write() as session:
                self._now = self.web.now()
                return closing.close(session, window, actor=actor, now=self._now, force=force)

        answer = self._send(send, plan, "close", actor)
        expected = self.expected.windows.get(window)
        if expected:
            expected.close_requested = True
            expected.forced = expected.forced or force
        if answer is KILLED:
            return
        self._check_answer(answer, self.expected.refusal_of_close(window))
        self.messages.append(Message("close", window))

    # The answer.

    def _send(
        self,
        send: Callable[[], Any],
        plan: Sequence[Interruption],
        what: str,
        actor: str,
        stack: str | None = None,
    ) -> Any:
        """Return the use case's answer, its refusal, or KILLED."""
        before = self.record.fingerprint()
        self._now = self.world.now
        try:
            with self.interruptible(plan, lambda _what, _which: None):
                return send()
        except Killed:
            pass
        except Refusal as refusal:
            return self._record_refusal(refusal, before, actor, stack, what)
        # Not in the handler: until it is left, the frames of the killed process keep all they hold.
        self.web.restart()
        return KILLED

    def _record_refusal(
        self, refusal: Refusal, before: object, actor: str, stack: str | None, what: str
    ) -> Refusal:
        """Check that a refusal changed nothing; record its audit entry as the web process does."""
        if self.record.fingerprint() != before:
            self.world.faults.append(f"{type(refusal).__name__} left a trace")
        if isinstance(refusal, errors.NotAllowed | errors.Conflict):
            with self.web.write() as session:
                now, of = self.web.now(), stack or "studio"
                refusals.record_refusal(session, refusal, actor=actor, now=now, stack=StackId(of), what=what)
            self.record.refused += 1
        return refusal

    def _check_answer(self, answer: object, expected: type[Refusal] | None) -> None:
        refusal = type(answer) if isinstance(answer, Refusal) else None
        assert refusal is expected, f"{refusal} instead of {expected}"
