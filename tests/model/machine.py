"""The product compared with the expected state, under random requests, faults and kills.

One step is a request of a client, an event on the host, or the work of a process until
it is idle or killed. After each step, the database and the engine are compared with the
expected state. At the end every fault is removed, and no service may be left on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from sqlalchemy import select

from app.domain.enums import Action, CallStatus, Role
from app.domain.planning import StackSpec
from app.store.tables import Call
from app.usecases.windows import expire as expiry
from tests.model.client_requests import ClientRequests
from tests.model.strategies import FAULTS, MEANWHILE, NAMES, STUDIOS, WORKER_STEPS, fates, which, worker_plans
from tests.model.worker import Worker
from tests.model.world import Key

PAST_EVERY_DEADLINE = timedelta(hours=9)
RECOVERY_TIME = timedelta(seconds=10)


class Machine(ClientRequests):
    """All rules and checks: the random test runs this class."""

    def happen(self, what: str, which: int) -> None:
        service, key = NAMES[which % len(NAMES)], ("studio", NAMES[which % len(NAMES)])
        window = self.window_at(which)
        events: dict[str, Callable[[], object]] = {
            "other": lambda: self.run_round(self.workers[which % 2]),
            "open": lambda: self.request_window("ada", "studio", [service], 30.0),
            "close": lambda: self.request_close("bob", window),
            "force": lambda: self.request_close("bob", window, force=True),
            "extend": lambda: self.request_extension("bob", window, 600.0),
            "shorten": lambda: self.request_extension("ada", window, 1.0),
            "sweep": self._sweep,
            "pass": lambda: self.world.advance(2.0**which),
            "deadline": self._advance_to_deadline,
            "exit": lambda: self.world.exit(key, which % 2),
            "hand-start": lambda: self.start_by_hand(key),
            "hand-stop": lambda: self.world.exit(key, 143),
            "db unhealthy": self._make_unhealthy,
            "db may heal": lambda: setattr(self, "unhealthy", False),
            "core exits": lambda: self.world.exit(("studio", "redis"), 1),
            "core starts": lambda: self.world.start(("studio", "redis")),
            "attic": lambda: self.start_by_hand(("attic", "forge")),
            "reboot": self.reboot,
            "child ends": lambda: self._finish_child(which),
            "killed": self.workers[which % 2].kill,
            "db heals": lambda: self.world.set_health(("studio", "db"), "healthy"),
            "away": lambda: setattr(self.world, "away", True),
            "back": lambda: setattr(self.world, "away", False),
        }
        events[what]()

    # Time and workers.

    @rule(seconds=st.sampled_from((0.1, 1.0, 3.0, 11.0, 61.0, 700.0, 4000.0, 90_000.0)), worker=which)
    def pass_time(self, seconds: float, worker: int) -> None:
        self.world.advance(seconds)
        if worker % 2:
            self.run_worker(worker, (), "nothing", self.work_until_idle)

    @rule(worker=which, plan=worker_plans, fate=fates)
    def reach_deadline(self, worker: int, plan: Any, fate: str) -> None:
        """Advance to the next deadline, and let a worker act on it."""
        self._advance_to_deadline()
        self.world.advance(worker)
        self.run_worker(worker, plan, fate, self.work_until_idle)

    def _advance_to_deadline(self) -> None:
        live = [one.deadline for one in self.expected.windows.values() if one.is_live(self.world.now)]
        if live:
            self.world.advance((min(live) - self.world.now).total_seconds())

    def _sweep(self) -> None:
        with self.web.write() as session:
            expiry.expire_due(session, self.web.now())

    @rule(worker=which, number=which, what=st.sampled_from(WORKER_STEPS), plan=worker_plans, fate=fates)
    def take_worker_step(self, worker: int, number: int, what: str, plan: Any, fate: str) -> None:
        """Let a worker do one thing: a message, a tick, an inspection or a queued call."""
        window = self.window_at(number) if number else "forge"
        steps: dict[str, Callable[[Worker], None]] = {
            "sweep": lambda worker: worker.receive("sweep"),
            "message": lambda worker: self._deliver_message(worker, number),
            "forged open": lambda worker: worker.receive("open", window),
            "forged close": lambda worker: worker.receive("close", window),
            "tick": Worker.tick,
            "inspect": lambda worker: worker.inspect("studio" if number else "attic"),
            "queued": lambda worker: worker.run_queued(number),
            "start": self.start_worker,
        }
        self.run_worker(worker, plan, fate, steps[what])

    def _deliver_message(self, worker: Worker, number: int) -> None:
        """Deliver a message late; it may stay queued and be delivered again."""
        if self.messages:
            message = self.messages[number % len(self.messages)]
            if number % 2:
                self.messages.remove(message)
            worker.receive(message.name, message.window)

    @rule(worker=which, plan=worker_plans, fate=fates, seconds=st.sampled_from((0.0, 1.0, 6.0)))
    def work_on(self, worker: int, plan: Any, fate: str, seconds: float) -> None:
        """Let a worker run until it is idle or killed."""
        self.world.advance(seconds)
        self.run_worker(worker, plan, fate, self.work_until_idle)

    @rule(worker=which)
    def work_undisturbed(self, worker: int) -> None:
        self.work_without_polls(worker)

    # Faults and containers.

    @rule(what=st.sampled_from(MEANWHILE + FAULTS), number=which)
    def disturb(self, what: str, number: int) -> None:
        self.happen(what, number)

    @rule(
        service=st.sampled_from(NAMES),
        how=st.sampled_from(("start", "stop", "hang", "crash", "no fault", "no fault")),
    )
    def set_faults(self, service: str, how: str) -> None:
        """Make the service's starts or stops fail from now on, or remove its faults."""
        world = self.world
        faulty = {
            "start": world.will_not_start,
            "stop": world.will_not_stop,
            "hang": world.hang,
            "crash": world.will_crash,
        }
        for name, services in faulty.items():
            if name == how:
                services.add(service)
            elif how == "no fault":
                services.discard(service)

    def start_by_hand(self, key: Key) -> None:
        """Start a service without a window, as an operator does with compose."""
        if not self.world.is_alive(key):
            # An inspection in progress may have seen the service off, and may record that a moment later.
            if not self.record.stop_pending(key) or any(one.is_inspecting for one in self.workers):
                self.expected.by_hand.add(key)
            self.world.start(key)

    def _make_unhealthy(self) -> None:
        self.unhealthy = True
        self.world.set_health(("studio", "db"), "unhealthy")

    def reboot(self) -> None:
        """Exit every container; start core again, as its restart policy does."""
        for key in list(self.world.containers):
            self.world.exit(key, 137)
        for stack in self.expected.stacks:
            self.world.start((stack, "redis"))

    def _finish_child(self, which: int) -> None:
        every = sorted(self.world.children)
        if every:
            self.world.finish_child(every[which % len(every)])

    # Stack files.

    @rule(number=st.integers(-1, len(STUDIOS) - 1))
    def change_stack_files(self, number: int) -> None:
        self.change_files(STUDIOS[number] if number >= 0 else None)
        for worker in self.workers:
            if worker.is_running:
                worker.reread()
        if not any(worker.is_running for worker in self.workers):
            self.start_worker(self.workers[0])
        self.record.read_stacks()

    def change_files(self, spec: StackSpec | None) -> None:
        """Write another valid definition of `studio`, or an invalid one if None."""
        self.world.files.change("studio", spec)
        # A core service is always on, so a service that was core may have been left on.
        roles = {one.name: one.role for one in spec.services.values()} if spec else {}
        self.expected.by_hand |= {("studio", name) for name, role in roles.items() if role is Role.CORE}
        self.world.files.write(self.world.config)

    # Checks after each step.

    def judge_call(self, action: Action, key: Key, argv: Sequence[str]) -> None:
        """Check a compose call against the state at the moment when it was decided."""
        stack, service = key
        with self.web.read() as session:
            call = session.scalars(
                select(Call)
                .where(Call.stack == stack, Call.service == service)
                .order_by(Call.id.desc())
                .limit(1)
            ).first()
        if call is None or call.status != CallStatus.RUNNING or tuple(call.argv) != tuple(argv):
            self.world.faults.append(f"{' '.join(argv)} is not on record")
            return
        self.record.check_windows()
        at, spec = call.started_at, self.expected.stacks[stack].services.get(service)
        role = spec.role if spec else Role.NONE
        wanted = self.expected.is_wanted(stack, service, at)
        if role is Role.CORE:
            self.world.faults.append(f"{action} {service}, which is core")
        if action is Action.UP and not (wanted and role is Role.ALLOWED):
            self.world.faults.append(f"up {service} ({role}), which no live window holds")
        if action is not Action.UP and wanted:
            self.world.faults.append(f"{action} {service}, which a live window holds")

    @invariant()
    def check_after_step(self) -> None:
        self.environment.steps += 1
        self.record.check_windows()
        self.trail.check_new_entries()
        assert not self.world.faults, "\n".join(self.world.faults)

    # The guarantee, at the end of a run.

    def teardown(self) -> None:
        try:
            self.recover_and_check()
        finally:
            self.leave()

    def recover_and_check(self) -> None:
        """Remove every fault, pass every deadline, run both workers; then every held service must be off."""
        self._remove_faults()
        for worker in self.workers:
            self.start_worker(worker)
        self._run_until_at_rest(RECOVERY_TIME)
        self.convergence.check_all_off(at_once=True)
        for _ in range(4):
            if not self.convergence.is_at_rest():
                self.world.advance(300)
                self._run_until_at_rest(timedelta(seconds=4))
        self.record.check_windows()
        self.convergence.check_all_off(at_once=False)
        self.convergence.check_all_ended()
        self.trail.check_chain()
        self.check_after_step()
        self.environment.counts.update(self.trail.histories())
        self.environment.counts.update(calls=len(self.world.made), refusals=self.record.refused)

    def _remove_faults(self) -> None:
        for worker in self.workers:
            worker.kill()
        world = self.world
        world.advance(PAST_EVERY_DEADLINE.total_seconds())
        world.away = False
        for faulty in (world.will_not_stop, world.will_not_start, world.hang, world.will_crash):
            faulty.clear()

    def _run_until_at_rest(self, how_long: timedelta) -> None:
        until = self.world.now + how_long
        while self.world.now < until:
            for worker in self.workers:
                self.run_round(worker)
            self.world.advance(2.0)
            if self.convergence.is_at_rest():
                return
