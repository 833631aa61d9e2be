"""What is known after a calm, put so that it can be asked: events, calls, the trail, who was out of order."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from chaos import stacks
from chaos.engines import Happening, Sight
from chaos.ledger import Answer, Ledger, Promise
from chaos.outages import Outage, Outages
from chaos.shim import Call
from chaos.system import WORKERS, System

One = TypeVar("One")
Place = tuple[str, str]
"""A stack and a service of it."""
UNNOTICED = "only the idle poll or a resync has noticed a change: "
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}")
RESTING = 2.0
"""Seconds beside an outage of an engine in which its containers may still change by it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the trail."""

    at: float
    event: str
    actor: str
    stack: str | None
    window: str | None
    service: str | None
    facts: dict[str, Any]

    @property
    def place(self) -> Place:
        return (self.stack or "", self.service or "")

    @property
    def began(self) -> float:
        """When what it tells of began; a call made blind is told later."""
        started = self.facts.get("started_at")
        return datetime.fromisoformat(started).timestamp() if started else self.at


@dataclass(frozen=True, slots=True)
class Repair:
    """A change that a worker says only its idle poll or a resync has noticed."""

    at: float
    worker: str
    what: str

    @property
    def stack(self) -> str:
        return next(stack for stack, node in stacks.NODES.items() if node == WORKERS[self.worker])


@dataclass
class Evidence:
    """Gathered at one moment; every check reads it. Lists are in the order of time."""

    began: float
    outages: Outages
    promises: list[Promise] = field(default_factory=list)
    """All of them, with those that were refused."""
    answers: list[Answer] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    happenings: dict[Place, list[Happening]] = field(default_factory=dict)
    sights: dict[Place, list[Sight]] = field(default_factory=dict)
    gaps: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """By stack: times of which no events are known."""
    calls: dict[Place, list[Call]] = field(default_factory=dict)
    trail: list[Entry] = field(default_factory=list)
    call_rows: list[dict[str, Any]] = field(default_factory=list)
    windows: dict[str, dict[str, Any]] = field(default_factory=dict)
    repairs: list[Repair] = field(default_factory=list)

    @classmethod
    def gather(cls, system: System, ledger: Ledger, began: float) -> Evidence:
        trail, call_rows, windows = system.postgres.rows(
            "SELECT * FROM audit ORDER BY chain, seq",
            "SELECT * FROM calls ORDER BY id",
            "SELECT * FROM windows",
        )
        engines = {stack: system.engine_of(stack) for stack in stacks.STACKS}
        return cls(
            began,
            system.outages,
            list(ledger.promises),
            list(ledger.answers),
            list(ledger.refusals),
            _by_place(
                sorted((one for engine in engines.values() for one in engine.happenings), key=_when),
                lambda one: (one.stack, one.service),
            ),
            _by_place(
                sorted((one for engine in engines.values() for one in engine.sights), key=_when),
                lambda one: (one.stack, one.service),
            ),
            {stack: list(engine.gaps) for stack, engine in engines.items()},
            _by_place(system.shim.calls(), lambda one: (stacks.of_project(one.project), one.service)),
            [entry(row) for row in trail],
            call_rows,
            {row["id"]: row for row in windows},
            [one for name in WORKERS for one in repairs(name, system.directory / "logs" / f"{name}.log")],
        )

    @property
    def opened(self) -> list[Promise]:
        """Those that became windows."""
        return [one for one in self.promises if one.window]

    def holders(self, place: Place) -> list[Promise]:
        stack, service = place
        return [one for one in self.opened if one.plan.stack == stack and service in one.holds]

    def engine_faults(self, stack: str, since: float, until: float) -> list[Outage]:
        """Times when an engine was killed or starting: its containers may have gone with it."""
        key = f"engine.{stacks.NODES[stack]}"
        outages = self.outages.meeting(since - RESTING, until + RESTING, [key])
        return [one for one in outages if one.kind != "freeze"]

    def deaf(self, stack: str, since: float, until: float) -> bool:
        """Were there moments between these of which no events are known?"""
        return any(a <= until and b >= since for a, b in self.gaps.get(stack, ()))

    def frozen(self, stack: str, since: float, until: float) -> bool:
        """Was a process of this stack frozen, or cut off from a service that it needs?"""
        node = stacks.NODES[stack]
        mine = [name for name, of in WORKERS.items() if of == node]
        wires = [f"wire {to}:{name}" for name in mine for to in ("database", "broker", f"engine.{node}")]
        return bool(self.outages.meeting(since, until, [*mine, "database", f"engine.{node}", *wires]))

    def decided(self, place: Place, call: Call) -> float:
        """When a call was put on record, just before it was made; of a blind one, when it began."""
        times = [
            entry.began
            for entry in self.trail
            if entry.event == "call.started" and entry.place == place and entry.facts["action"] == call.verb
        ]
        return max((at for at in times if at <= call.at + 0.05), default=call.at)

    def running_at(self, place: Place, at: float) -> bool:
        """Was a container of it running then, by the engine's events?"""
        events = [
            one for one in self.happenings.get(place, ()) if one.action in {"start", "die"} and one.at <= at
        ]
        return bool(events) and events[-1].action == "start"


def repairs(worker: str, log: Path) -> list[Repair]:
    """What a worker's log tells of changes that only a repair has noticed."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    lines_found = [(_TIME.search(line), line.partition(UNNOTICED)[2]) for line in lines if UNNOTICED in line]
    return [
        Repair(datetime.strptime(time[0], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp(), worker, what)
        for time, what in lines_found
        if time
    ]


def entry(row: dict[str, Any]) -> Entry:
    at: datetime = row["at"]
    return Entry(
        at.timestamp(),
        row["event"],
        row["actor"],
        row["stack"],
        row["window_id"],
        row["service"],
        json.loads(row["facts"]),
    )


def _when(one: Happening | Sight) -> float:
    return one.at


def _by_place(some: Iterable[One], place: Callable[[One], Place]) -> dict[Place, list[One]]:
    grouped: dict[Place, list[One]] = defaultdict(list)
    for one in some:
        grouped[place(one)].append(one)
    return grouped
