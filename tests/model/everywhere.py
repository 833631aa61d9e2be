"""Lives of windows, with everybody in them killed at one and the same statement: each statement in turn.

Each life is small and always the same, so what it comes to is known beforehand: first
it is lived without a fault, then once for every statement that it came to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random

from tests.model.crashes import ENGINE, FRONT, HANDS, KILL, Interrupted, Interruption, Where, statements
from tests.model.machine import STUDIOS, Machine, Stage

NOWHERE: Where = ("nowhere", 0)
CALLS = [(ENGINE, number) for number in (0, 1, 2)]
Plan = list[Interruption]


def overlapping(machine: Machine, plan: Plan) -> None:
    """Two windows that overlap, a worker after another, a deadline."""
    machine._open("ada", "studio", ["api", "mill"], 30.0, plan=plan)
    machine._open("bob", "studio", ["forge", "mill"], 60.0)
    for fate in ("late", "child", "nothing"):
        _worked(machine, plan, fate)
    machine._extend("ada", machine._window(1), 20.0, plan=plan)
    for fate in ("child", "nothing"):
        machine.a_deadline_comes(2, plan, fate)
        machine.what_must_hold_holds()


def in_trouble(machine: Machine, plan: Plan) -> None:
    """Starts that fail and hang, an engine that is away, stops that fail, somebody who will not wait."""
    world = machine.world
    world.hang.add("mill")
    world.will_not_start.add("job")
    machine._open("ada", "studio", ["forge", "mill", "report"], 120.0, plan=plan)
    _worked(machine, plan, "late")
    world.away = True
    _worked(machine, plan, "nothing")
    world.away = False
    world.end(("studio", "forge"), 1)
    world.will_not_stop |= {"forge", "mill"}
    _worked(machine, plan, "child")
    machine._close("bob", machine._window(0), plan=plan)
    for seconds in (1.0, 11.0, 21.0):
        world.spend(seconds)
        _worked(machine, plan, "nothing")
    machine._close("ada", machine._window(0), force=True, plan=plan)
    _worked(machine, plan, "nothing")


def changing(machine: Machine, plan: Plan) -> None:
    """A node that was away, files that change and break, hands, a core that dies, a reboot."""
    world = machine.world
    for hand in machine.hands:
        hand.die()
    world.spend(600.0)
    machine._open("ada", "attic", ["forge"], 60.0, plan=plan)
    machine._open("bob", "studio", ["api", "job"], 200.0, plan=plan)
    _worked(machine, plan, "nothing")
    machine._started_by_hand(("attic", "forge"))
    world.end(("studio", "redis"), 1)
    _worked(machine, plan, "nothing")
    world.start(("studio", "redis"))
    for spec in (*STUDIOS[1:3], None, STUDIOS[0]):
        machine._files_change(spec)
        machine._hand(0, plan, "nothing", lambda hand: hand.reread())
        machine.record.stacks()
        _worked(machine, plan, "nothing")
    machine._started_by_hand(("studio", "forge"))
    machine._reboot()
    world.spend(61.0)
    _worked(machine, plan, "nothing")


LIVES: dict[str, Callable[[Machine, Plan], None]] = {
    "overlapping": overlapping,
    "in trouble": in_trouble,
    "changing": changing,
}


def _worked(machine: Machine, plan: Plan, fate: str) -> None:
    """One worker at it until it is killed, and its successor."""
    machine._hand(0, plan, fate, machine._until_quiet)
    machine._hand(0, (), fate, machine._until_quiet)
    machine.what_must_hold_holds()


def live(stage: Stage, where: Where = NOWHERE, life: str = "overlapping", after: int = 0) -> None:
    """One life; at its end everything runs again, and then everything has to be off."""
    machine, plan = Machine(stage), [Interruption(KILL, at=where, after=after)]
    try:
        machine._hand(0, plan, "nothing", machine._begin)
        LIVES[life](machine, plan)
        machine.everything_runs_again()
    finally:
        machine.leave()


def reached(stage: Stage, life: str = "overlapping") -> list[Where]:
    """The statements that a life comes to."""
    before = Interrupted.reached.copy()
    Interrupted.reached.clear()
    live(stage, life=life)
    known = Interrupted.reached.keys() & {*statements(FRONT), *statements(HANDS), *CALLS}
    Interrupted.reached.update(before)
    return sorted(known)


def killed_at(stage: Stage, places: Iterable[Where], life: str = "overlapping", after: int = 0) -> None:
    for where in places:
        try:
            live(stage, where, life, after)
        except BaseException as error:
            error.add_note(f"{life}: killed at {where[0]}:{where[1]}, {after} times passed by")
            raise


def all_of_it(stage: Stage) -> Iterator[tuple[str, Where]]:
    """Each statement in one life at least: in the first that comes to it."""
    seen = set[Where]()
    for life in LIVES:
        new = [where for where in reached(stage, life) if where not in seen]
        seen.update(new)
        yield from ((life, where) for where in new)


def sample(stage: Stage, number: int, seed: int) -> None:
    """Some of it, others with another seed."""
    every = list(all_of_it(stage))
    for life, where in Random(seed).sample(every, min(number, len(every))):
        killed_at(stage, [where], life)
