"""What one run will do, all of it drawn from the seed before anything starts.

    plan --> rounds --> windows: who opens what, for how long, and what they do with it then
                    |-> faults: what is done to whom, when, and for how long

Times are seconds from the beginning of a round. What really happens differs from run to
run, since a seed does not schedule processes, but the same seed sets the same traps.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from chaos.stacks import ALLOWED, CORE, STACKS, UNLISTED

PER_ROUND = 25
"""Windows of a round, at most."""
SECONDS = 40.0
"""How long faults and windows of a round are spread over."""
LAST_OPENED = 30.0
"""After this no window is asked for, so that most end while something is broken."""
OUTLIVE, AFTER = 0.25, (6.0, 12.0)
"""The share of windows that must live through it all, and how long after the faults they end."""
ACTORS = ("ada", "grace", "linus", "edsger")

# Everything that can be killed, each once a round or twice.
KILLS = (
    *("front", "front.worker", "beat", "broker", "database"),
    *("a1", "a2", "b1", "a1", "b1", "database", "broker"),
    *("engine.a", "engine.b", "containerd.a", "compose"),
)
FREEZES = ("front", "front.worker", "a1", "a2", "b1", "beat", "broker", "database", "engine.a", "engine.b")
CUTS = (
    *("broker:front", "broker:a1", "broker:a2", "broker:b1", "broker:beat", "broker:*"),
    *("database:front", "database:a1", "database:a2", "database:b1", "database:beat", "database:*"),
    *("engine.a:a1", "engine.a:a2", "engine.b:b1"),
)
DISKS = ("data.a", "data.b", "database", "broker")
FORGERIES = ("strange", "doubled", "garbled", "close", "core")


@dataclass(frozen=True, slots=True)
class Act:
    """What an actor does with a window, so many seconds after asking for it."""

    kind: str
    after: float
    ttl: float = 0.0


@dataclass(frozen=True, slots=True)
class WindowPlan:
    number: int
    at: float
    actor: str
    stack: str
    services: tuple[str, ...]
    ttl: float
    acts: tuple[Act, ...] = ()

    @property
    def name(self) -> str:
        """Its reason, by which it is known again where an answer was lost."""
        return f"w{self.number}"


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind` is what is done, `target` to whom; `lasts` until it is restored or started again."""

    at: float
    kind: str
    target: str
    lasts: float


@dataclass(frozen=True, slots=True)
class Round:
    number: int
    windows: tuple[WindowPlan, ...]
    faults: tuple[Fault, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that must be turned down."""

    at: float
    stack: str
    service: str


def made(seed: int, windows: int) -> list[Round]:
    """The whole plan of a run."""
    dice = random.Random(seed)
    counts = [min(PER_ROUND, windows - first) for first in range(0, windows, PER_ROUND)]
    return [_round(dice, number, number * PER_ROUND, count) for number, count in enumerate(counts)]


def as_json(rounds: list[Round]) -> list[dict[str, Any]]:
    return [asdict(one) for one in rounds]


def _round(dice: random.Random, number: int, first: int, count: int) -> Round:
    windows = tuple(_window(dice, first + index) for index in range(count))
    faults = sorted(_faults(dice), key=lambda fault: fault.at)
    refusals = tuple(
        Refusal(_moment(dice), dice.choice(STACKS), service) for service in (UNLISTED, CORE, UNLISTED)
    )
    return Round(number, windows, tuple(faults), refusals)


def _moment(dice: random.Random, until: float = SECONDS - 3) -> float:
    return round(dice.uniform(0.5, until), 2)


def _window(dice: random.Random, number: int) -> WindowPlan:
    services = tuple(sorted(dice.sample(ALLOWED, dice.choice((1, 1, 2, 2, 3)))))
    at, ttl = _moment(dice, LAST_OPENED), round(dice.uniform(3, 16), 2)
    outlives = dice.random() < OUTLIVE
    if outlives:
        ttl = round(SECONDS + dice.uniform(*AFTER) - at, 2)
    acts = () if outlives else tuple(_acts(dice, ttl))
    return WindowPlan(number, at, dice.choice(ACTORS), dice.choice(STACKS), services, ttl, acts)


def _acts(dice: random.Random, ttl: float) -> Iterator[Act]:
    """Most windows are left alone; the others are extended, closed early, forced, or closed at once."""
    kind = dice.choices(("none", "extend", "close", "extend+close", "force", "at once"), (8, 5, 4, 2, 1, 2))[
        0
    ]
    if kind.startswith("extend"):
        yield Act("extend", round(dice.uniform(0.3, ttl * 0.9), 2), round(dice.uniform(4, 12), 2))
    if kind.endswith("close"):
        yield Act("close", round(dice.uniform(1, ttl), 2))
    elif kind == "force":
        yield Act("force", round(dice.uniform(1, ttl), 2))
    elif kind == "at once":
        yield Act("close", 0.0)


def _faults(dice: random.Random) -> Iterator[Fault]:
    for target in KILLS:
        yield Fault(_moment(dice), "kill", target, round(dice.uniform(0.2, 5), 2))
    for target in dice.sample(FREEZES, 4):
        yield Fault(_moment(dice), "freeze", target, round(dice.uniform(1, 9), 2))
    for target in dice.sample(CUTS, 3):
        kind = dice.choice(("cut", "silence", "half-open"))
        yield Fault(_moment(dice), kind, target, round(dice.uniform(1, 10), 2))
    yield Fault(_moment(dice), "fill", dice.choice(DISKS), round(dice.uniform(2, 8), 2))
    for forgery in dice.sample(FORGERIES, 2):
        yield Fault(_moment(dice), "forge", forgery, 0.0)
