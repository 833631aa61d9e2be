"""Stops services whose windows are over while the database is away, by the last snapshot.

It runs in a thread of its own that never asks the database, so it cannot hang with it. A
lease counts until its deadline and `blind_grace` have passed, since it may have been
extended just before the outage. It starts nothing. Each call is written to the journal,
which is imported once the database is back.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

from app.domain import backoff, decisions
from app.domain.calls import CallOutcome, StartedCall
from app.domain.decisions import Decision, PendingStop
from app.domain.enums import Action, CallStatus, Loop, Role
from app.domain.planning import ServiceSpec, StackSpec
from app.host.node_snapshot import StackSnapshot
from app.store import locks
from app.usecases.reconciliation.calls import RETRY_CAP, RETRY_FIRST
from workers.engine import compose, negotiation
from workers.engine.compose import Command
from workers.reconcile import pre_stop
from workers.reconcile.converge import Seen, timeout_of
from workers.state import identity
from workers.state.context import WorkerContext
from workers.state.snapshot import Outage

log = logging.getLogger(__name__)
PAUSE = 0.25
"""Seconds between two checks for due stops."""
FROZEN = 5.0
"""Seconds between two rounds that show that this process was frozen, and has not tried the database yet."""


class OfflineController:
    """One per worker. It remembers its own stops and failures until the outage is over."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._under_way: set[tuple[str, str]] = set()
        self._off: set[tuple[str, str]] = set()
        self.tried: dict[tuple[str, str], PendingStop] = {}
        self._outage: Outage | None = None
        self.turned_at = time.monotonic()
        self.rounds = 0
        """Number of rounds so far; the watchdog reads it."""

    def run_round(self) -> None:
        """Run one guarded round of the offline loop. Call it every `PAUSE` seconds."""
        self.rounds += 1
        self._context.guard.run(Loop.BLIND, self.run_round_if_awake)

    def run_round_if_awake(self) -> None:
        """Call `submit_due_stops`; if the process was frozen since the last round, only note that."""
        now, before = time.monotonic(), self.turned_at
        self.turned_at = now
        if now - before > FROZEN:
            self._context.snapshot.record_thaw()
        else:
            self.submit_due_stops()

    def submit_due_stops(self) -> None:
        """Submit every stop that is due by the snapshot, if the database is away."""
        outage = self._context.snapshot.outage()
        if outage is None or self._outage is None or outage.id != self._outage.id:
            self._outage = outage
            self._off, self.tried = set(), {}
        if outage:
            for name, stack in self._context.snapshot.latest.stacks.items():
                self._context.guard.run(Loop.BLIND, partial(self._turn_to, outage, stack), name)

    def _turn_to(self, outage: Outage, stack: StackSnapshot) -> None:
        for service in self.due(stack):
            self._submit(outage, stack, service)

    def due(self, stack: StackSnapshot) -> list[str]:
        """The services of a stack to stop now, while the database is away."""
        spec, snapshot = self._spec(stack), self._context.snapshot
        if spec.blind == "hold" or not snapshot.is_silent_for(spec.blind_grace):
            return []
        now = snapshot.now()
        barely = now - timedelta(seconds=spec.blind_grace)
        held = {lease.service for lease in stack.leases if lease.live(barely)}
        pending_stops = {
            name: self.tried.get((spec.name, name), before)
            for name, before in stack.pending_stops.items()
            if name not in held
            and (spec.name, name) not in self._off
            and not self._is_core(stack, name)
            and self.is_here(before)
        }
        return decisions.in_turn(spec, pending_stops, now)

    def _spec(self, stack: StackSnapshot) -> StackSpec:
        """By the files of this host, where they could be read; else as it was last known."""
        served = self._context.stacks.get(stack.spec.name)
        return served.spec if served and served.place else stack.spec

    def _is_core(self, stack: StackSnapshot, service: str) -> bool:
        if service in self._context.core.get(stack.spec.name, ()):
            return True
        spec = self._spec(stack).services.get(service)
        return spec is not None and spec.role is Role.CORE

    def is_here(self, stop: PendingStop) -> bool:
        """Whether this is the engine on which the stop is pending."""
        wanted = stop.location.engine_id
        if not wanted:
            return True
        if not self._context.engine_id:
            with suppress(*negotiation.Unable):
                self._context.engine_id = self._context.engine.id()
        return wanted == self._context.engine_id

    def _submit(self, outage: Outage, stack: StackSnapshot, service: str) -> None:
        key = (stack.spec.name, service)
        if key not in self._under_way:
            self._under_way.add(key)
            work = partial(self._see_to, outage, stack, service)
            self._context.closing.submit(("blind", *key), work)

    def _see_to(self, outage: Outage, stack: StackSnapshot, service: str) -> None:
        name = f"{stack.spec.name}/{service}"
        try:
            # One that breaks is tried again and keeps nothing else on.
            if self._context.guard.run(Loop.BLIND, partial(self._converge, outage, stack, service), name):
                self.record_failure(stack, service)
        finally:
            self._under_way.discard((stack.spec.name, service))

    def _converge(self, outage: Outage, stack: StackSnapshot, service: str) -> None:
        """Under the service's lock: look, make at most one call, look again."""
        spec, context, project = self._spec(stack), self._context, stack.project_of(service)
        with locks.hold_lock(context.lock_dir, project, service) as lock:
            # While a call of before is still at it, its end is waited for.
            if lock is None or context.snapshot.outage() != outage:
                return
            defined = spec.services.get(service) or ServiceSpec(service)
            self._run_hooks(outage, stack, defined, lock)
            if context.snapshot.outage() != outage:
                return  # It has ended meanwhile, and who wants the service is to be asked again.
            containers = self._containers(project, service)
            decision = self._decision(stack, service, containers)
            if decision.action is Action.NONE:
                self._off.add((spec.name, service))
                return
            log.warning("%s/%s: %s blind: %s", spec.name, service, decision.action, decision.why)
            command = _command(project, service, decision)
            begun, timeout = (
                self._started_call(stack, defined, command),
                timeout_of(defined, command.action, containers),
            )
            outcome = self._make(outage, begun, command, timeout, lock)
            after = self._containers(project, service)
            if outcome.status is CallStatus.OK and after is not None and not any(one.alive for one in after):
                self._off.add((spec.name, service))
            else:
                self.record_failure(stack, service, unsure=outcome.status is not CallStatus.OK)

    def _run_hooks(self, outage: Outage, stack: StackSnapshot, defined: ServiceSpec, lock: int) -> None:
        """Run the service's pre_stop hooks, where it has some, runs and is to be stopped plainly."""
        if not defined.pre_stop:
            return
        project = stack.project_of(defined.name)
        containers = self._containers(project, defined.name)
        alive = any(one.alive for one in containers or ())
        decision = pre_stop.before(self._decision(stack, defined.name, containers), defined, alive=alive)
        if decision.action is Action.PRE_STOP:
            served = self._context.stacks.get(stack.spec.name)
            # Files that name another project by now would stop what is not owed.
            place = served.place if served and served.spec.project == project else None
            command = pre_stop.command(place, defined.name)
            begun, timeout = (
                self._started_call(stack, defined, command),
                timeout_of(defined, Action.STOP, containers),
            )
            self._make(outage, begun, command, timeout, lock)

    def _containers(self, project: str, service: str) -> Seen:
        try:
            return self._context.engine.containers(project, [service])
        except negotiation.Unable as error:
            log.warning("%s/%s: %s", project, service, negotiation.why(error))
            return None

    def _decision(self, stack: StackSnapshot, service: str, containers: Seen) -> Decision:
        stop = self.tried.get((stack.spec.name, service), stack.pending_stops[service])
        spec = self._spec(stack)
        role = spec.services[service].role if service in spec.services else Role.NONE
        return decisions.decide_stop(
            role, containers, stop_pending=True, unsure=stop.unsure, kill=stop.failures > 0
        )

    def _make(
        self, outage: Outage, begun: StartedCall, command: Command, timeout: float, lock: int
    ) -> CallOutcome:
        journal, snapshot = self._context.journal, self._context.snapshot
        call = journal.record_begin(outage, begun, snapshot.now())
        sign = partial(identity.sign, self._context.me.name, lock)
        run = partial(compose.run, command, timeout, lock=lock, started=sign)
        outcome = pre_stop.run(command, timeout, run) if command.action is Action.PRE_STOP else run()
        log.info("%s: %s in %d ms", command, outcome.status, outcome.elapsed_ms)
        journal.record_end(call, outcome, snapshot.now())
        return outcome

    def _started_call(self, stack: StackSnapshot, spec: ServiceSpec, command: Command) -> StartedCall:
        last = max(
            (lease for lease in stack.leases if lease.service == spec.name),
            key=lambda lease: lease.deadline,
            default=None,
        )
        return StartedCall(
            stack=stack.spec.name,
            service=spec.name,
            action=command.action,
            argv=command.argv,
            node=self._context.node,
            worker=self._context.me.name,
            window=last.window if last else None,
            image=spec.image,
            config_hash=spec.config_hash,
        )

    def record_failure(self, stack: StackSnapshot, service: str, *, unsure: bool = True) -> None:
        """Count a failed stop and set its next retry; `unsure` if the stop may still take effect."""
        key = (stack.spec.name, service)
        failures = self.tried.get(key, stack.pending_stops[service]).failures + 1
        retry_at = self._context.snapshot.now() + backoff.delay(failures, RETRY_FIRST, RETRY_CAP)
        self.tried[key] = replace(
            stack.pending_stops[service], failures=failures, retry_at=retry_at, unsure=unsure
        )


def _command(project: str, service: str, decision: Decision) -> Command:
    return (
        compose.kill(project, service) if decision.action is Action.KILL else compose.stop(project, service)
    )
