"""Short scenarios in which a process is killed at one statement: each statement in turn.

A scenario is always the same. It runs once without a kill, which records the statements
that it reaches, and then once for each of these statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random

from tests.model.environment import Environment
from tests.model.interruptions import (
    ENGINE,
    KILL,
    WEB_FILES,
    WORKER_FILES,
    Interruptible,
    Interruption,
    Where,
    statements,
)
from tests.model.machine import Machine
from tests.model.strategies import STUDIOS

NOWHERE: Where = ("nowhere", 0)
CALLS = [(ENGINE, number) for number in (0, 1, 2)]
Plan = list[Interruption]


def overlapping(machine: Machine, plan: Plan) -> None:
    """Two windows that overlap, one worker after another, a deadline."""
    machine.request_window("ada", "studio", ["api", "mill"], 30.0, plan=plan)
    machine.request_window("bob", "studio", ["forge", "mill"], 60.0)
    for fate in ("late", "child", "nothing"):
        _work_twice(machine, plan, fate)
    machine.request_extension("ada", machine.window_at(1), 20.0, plan=plan)
    for fate in ("child", "nothing"):
        machine.reach_deadline(2, plan, fate)
        machine.check_after_step()


def failing(machine: Machine, plan: Plan) -> None:
    """Starts that fail and hang, an engine that is away, stops that fail, a forced close."""
    world = machine.world
    world.hang.add("mill")
    world.will_not_start.add("job")
    machine.request_window("ada", "studio", ["forge", "mill", "report"], 120.0, plan=plan)
    _work_twice(machine, plan, "late")
    world.away = True
    _work_twice(machine, plan, "nothing")
    world.away = False
    world.exit(("studio", "forge"), 1)
    world.will_not_stop |= {"forge", "mill"}
    _work_twice(machine, plan, "child")
    machine.request_close("bob", machine.window_at(0), plan=plan)
    for seconds in (1.0, 11.0, 21.0):
        world.advance(seconds)
        _work_twice(machine, plan, "nothing")
    machine.request_close("ada", machine.window_at(0), force=True, plan=plan)
    _work_twice(machine, plan, "nothing")


def changing(machine: Machine, plan: Plan) -> None:
    """A node that was away, files that change and become invalid, services started by hand, a reboot."""
    world = machine.world
    for worker in machine.workers:
        worker.kill()
    world.advance(600.0)
    machine.request_window("ada", "attic", ["forge"], 60.0, plan=plan)
    machine.request_window("bob", "studio", ["api", "job"], 200.0, plan=plan)
    _work_twice(machine, plan, "nothing")
    machine.start_by_hand(("attic", "forge"))
    world.exit(("studio", "redis"), 1)
    _work_twice(machine, plan, "nothing")
    world.start(("studio", "redis"))
    for spec in (*STUDIOS[1:3], None, STUDIOS[0]):
        machine.change_files(spec)
        machine.run_worker(0, plan, "nothing", lambda worker: worker.reread())
        machine.record.read_stacks()
        _work_twice(machine, plan, "nothing")
    machine.start_by_hand(("studio", "forge"))
    machine.reboot()
    world.advance(61.0)
    _work_twice(machine, plan, "nothing")


SCENARIOS: dict[str, Callable[[Machine, Plan], None]] = {
    "overlapping": overlapping,
    "in set_faults": failing,
    "changing": changing,
}


def _work_twice(machine: Machine, plan: Plan, fate: str) -> None:
    """Let one worker run until it is idle or killed, and then the same node without a kill."""
    machine.run_worker(0, plan, fate, machine.work_until_idle)
    machine.run_worker(0, (), fate, machine.work_until_idle)
    machine.check_after_step()


def run_scenario(
    environment: Environment, where: Where = NOWHERE, scenario: str = "overlapping", after: int = 0
) -> None:
    """Run one scenario; then remove every fault, and check that every service is off."""
    machine, plan = Machine(environment), [Interruption(KILL, at=where, after=after)]
    try:
        machine.run_worker(0, plan, "nothing", machine.start_worker)
        SCENARIOS[scenario](machine, plan)
        machine.recover_and_check()
    finally:
        machine.leave()


def reached_statements(environment: Environment, scenario: str = "overlapping") -> list[Where]:
    """Return the statements that a scenario reaches."""
    before = Interruptible.reached.copy()
    Interruptible.reached.clear()
    run_scenario(environment, scenario=scenario)
    reached = Interruptible.reached.keys() & {*statements(WEB_FILES), *statements(WORKER_FILES), *CALLS}
    Interruptible.reached.update(before)
    return sorted(reached)


def kill_at(
    environment: Environment, places: Iterable[Where], scenario: str = "overlapping", after: int = 0
) -> None:
    for where in places:
        try:
            run_scenario(environment, where, scenario, after)
        except BaseException as error:
            error.add_note(f"{scenario}: killed at {where[0]}:{where[1]}, after {after} passes")
            raise


def every_kill(environment: Environment) -> Iterator[tuple[str, Where]]:
    """Yield each reached statement once, with the first scenario that reaches it."""
    done = set[Where]()
    for scenario in SCENARIOS:
        new = [where for where in reached_statements(environment, scenario) if where not in done]
        done.update(new)
        yield from ((scenario, where) for where in new)


def sample(environment: Environment, number: int, seed: int) -> None:
    """Kill at `number` statements that are drawn with `seed`."""
    every = list(every_kill(environment))
    for scenario, where in Random(seed).sample(every, min(number, len(every))):
        kill_at(environment, [where], scenario)
