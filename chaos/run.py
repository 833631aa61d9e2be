"""One run, round by round: faults, restart of every process, settling, then the eight guarantees."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bench.figures import percentile
from chaos import checks, plan, settling, system
from chaos.actors import Actors
from chaos.checks import Broken
from chaos.evidence import Evidence, Place
from chaos.faults import Faults
from chaos.ledger import Ledger
from chaos.plan import Round
from chaos.settling import SettledRound
from chaos.system import System

Json = dict[str, Any]
RESTORED_WITHIN = 60.0
"""Seconds until all that was killed must be up again; it is not what is measured."""


@dataclass
class Result:
    """What a run found, so far."""

    seed: int
    windows: int
    patience: float
    rounds: list[Round]
    kills: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    broken: list[Json] = field(default_factory=list)
    worst_off: float = 0.0
    late: list[float] = field(default_factory=list)
    late_in_trouble: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    """How the windows went: `ok`, `partial`, `fail`, or `ended` before that was known."""
    summaries: list[Json] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> Json:
        return {
            "seed": self.seed,
            "windows": self.windows,
            "kills": self.kills,
            "broken": self.broken,
            "worst_off_s": round(self.worst_off, 2),
            "late_ms": _lags(self.late),
            "late_in_trouble_ms": _lags(self.late_in_trouble),
            "outcomes": dict(sorted(self.outcomes.items())),
            "faults": dict(sorted(self.faults.items())),
            "seconds": round(self.seconds),
            "patience": self.patience,
            "rounds": self.summaries,
            "plan": plan.as_json(self.rounds),
        }


def _lags(seconds: list[float]) -> Json:
    if not seconds:
        return {"p50": None, "p99": None, "max": None, "n": 0}
    shares = {f"p{share}": round(percentile(seconds, share) * 1000) for share in (50, 99)}
    return {**shares, "max": round(max(seconds) * 1000), "n": len(seconds)}


def play(seed: int, windows: int, patience: float) -> Result:
    """Stage it all. Raises Failed where the run itself could not go on."""
    began = time.monotonic()
    result = Result(seed, windows, patience, plan.made(seed, windows))
    with system.standing() as standing:
        say(f"all runs in {standing.directory}; {len(result.rounds)} rounds")
        run = _Run(standing, result)
        try:
            for one in result.rounds:
                run.play(one)
        finally:
            run.actors.leave()
        evidence = run.evidence()
        result.late, result.late_in_trouble = _lateness(evidence)
        result.outcomes = Counter(row["status"] or "ended" for row in evidence.windows.values())
    result.seconds = time.monotonic() - began
    return result


class _Run:
    """A run under way."""

    def __init__(self, standing: System, result: Result) -> None:
        self._system, self._result, self._since = standing, result, time.time()
        self._ledger = Ledger()
        self.actors = Actors(standing, self._ledger, result.seed)
        self._faults = Faults(standing, self._ledger)

    def evidence(self) -> Evidence:
        return Evidence.gather(self._system, self._ledger, self._since)

    def play(self, one: Round) -> None:
        """Cause faults, restart every process, wait until all settle, then check the eight guarantees."""
        began = time.time()
        self.actors.play(one, began)
        self._faults.play(one, began)
        time.sleep(max(0.0, began + plan.SECONDS - time.time()))
        self._faults.end()
        self._system.until(self._system.all_up, "everything runs again", RESTORED_WITHIN)
        settled = settling.settle(self._system, self._ledger, time.time(), self._result.patience)
        new = self._judged(one, settled)
        self._result.summaries.append(self._summary(one, began, settled) | {"broken": len(new)})
        say(_line(self._result, one, new))

    def _judged(self, one: Round, settled: SettledRound) -> list[Json]:
        """What broke that was not known yet."""
        result, evidence = self._result, self.evidence()
        settling.judge(settled, evidence, result.patience)
        reported = {(broken["line"], broken["what"]) for broken in result.broken}
        all_broken = [*settled.broken, *_verified(self.actors), *checks.all_of(evidence, result.patience)]
        new = [
            _broken_as_json(broken, one.number)
            for broken in all_broken
            if (broken.line, broken.what) not in reported
        ]
        result.broken += new
        result.worst_off = max(result.worst_off, settled.worst_off)
        result.kills, result.faults = self._faults.kills, self._faults.done
        return new

    def _summary(self, one: Round, began: float, settled: SettledRound) -> Json:
        outages = [
            {"target": of.target, "kind": of.kind, "from": of.began, "to": of.ended}
            for of in self._system.outages.all
            if of.began >= began
        ]
        ended = [
            {"at": at, "who": who, "code": code}
            for at, who, code in self._system.keeper.unexpected
            if at >= began
        ]
        return {
            "round": one.number,
            "began": began,
            "restored": settled.restored,
            "engines_renewed": settled.renewed,
            "worst_off_s": round(settled.worst_off, 2),
            "off_s": {"/".join(place): round(took, 2) for place, took in sorted(settled.off.items())},
            "faults": [fault for fault in self._faults.log if fault["at"] >= began],
            "outages": outages,
            "ended_by_themselves": ended,
        }


def _verified(actors: Actors) -> list[Broken]:
    reply = actors.ask("GET", "/audit/verify")
    if reply is not None and reply.status_code == 200 and reply.json()["ok"]:
        return []
    return [Broken(6, "the trail does not verify", reply.text[:500] if reply is not None else "no answer")]


def _broken_as_json(broken: Broken, number: int) -> Json:
    return {"line": broken.line, "what": broken.what, "evidence": broken.evidence, "round": number}


def _line(result: Result, one: Round, new: list[Json]) -> str:
    lines = [
        f"round {one.number + 1}/{len(result.rounds)}: {result.kills} kills so far, "
        f"worst off {result.summaries[-1]['worst_off_s']:.1f} s, {len(new) or 'nothing'} broken"
    ]
    lines += [f"  line {broken['line']}: {broken['what']}\n      {broken['evidence']}" for broken in new]
    return "\n".join(lines)


def _lateness(evidence: Evidence) -> tuple[list[float], list[float]]:
    """From each deadline that had something to stop to the first stop call: in order, and in trouble."""
    undisturbed: list[float] = []
    trouble: list[float] = []
    for promise in evidence.opened:
        for service in promise.holds if promise.sure < promise.released_at else ():
            place = (promise.plan.stack, service)
            if (at := _first_stop(evidence, place, promise.sure, promise.window)) is not None:
                disturbed = evidence.outages.meeting(promise.sure - 1, at)
                (trouble if disturbed else undisturbed).append(max(0.0, at - promise.sure))
    return undisturbed, trouble


def _first_stop(evidence: Evidence, place: Place, deadline: float, window: str) -> float | None:
    """When the stop began that this deadline was the reason for; None where it was the reason for none."""
    others = [one for one in evidence.holders(place) if one.window != window and one.asked <= deadline]
    if any(min(one.longest, one.released_at) > deadline for one in others) or not evidence.running_at(
        place, deadline
    ):
        return None
    return next(
        (
            call.at
            for call in evidence.calls.get(place, ())
            if call.verb in {"stop", "kill"} and call.at >= deadline - 0.05
        ),
        None,
    )


def say(what: str) -> None:
    sys.stderr.write(f"chaos: {what}\n")
    sys.stderr.flush()
