"""The eight guarantees of a run, checked against the events of the engines.

    1 nothing stays on            5 one call at a time per service
    2 core and what runs          6 every change has its entry
    3 no window is cut short      7 open only when ready
    4 nothing unlisted started    8 every answer prompt

Each check yields the broken guarantees with their evidence. `chaos.settling` checks the first one at the
end of each round. A documented exception is made only in the check that it concerns.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chaos import stacks
from chaos.evidence import Entry, Evidence, Place
from chaos.ledger import Promise

ANSWER_WITHIN = 15.0
"""Seconds that an answer may take, whatever is broken behind the front."""
TOLD_LATE = 1.0
"""Seconds between seeing how things are and putting on record what follows, in which they may change."""

RECOVERED = 15.0
"""Seconds after an outage of a worker, its engine or a wire of it in which a repair may be needed."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One thing that should have held. `line` is the number in the list above."""

    line: int
    what: str
    evidence: str


Found = Iterator[Broken]


def all_of(evidence: Evidence, patience: float) -> list[Broken]:
    """Lines 2 to 8; `patience` stretches what is about promptness, for a busy machine."""
    broken_checks = [broken for check in _CHECKS for broken in check(evidence)]
    return broken_checks + list(_prompt(evidence, patience))


def _core(evidence: Evidence) -> Found:
    for stack in stacks.STACKS:
        place = (stack, stacks.CORE)
        containers = {one.container for one in evidence.happenings.get(place, ())}
        containers |= {one.container for one in evidence.sights.get(place, ())}
        if len(containers) > 1:
            yield Broken(2, f"core of {stack} was recreated", f"containers {sorted(containers)}")
        for one in evidence.happenings.get(place, ()):
            touched = one.action in {"start", "die", "kill", "stop", "restart", "destroy"}
            if touched and one.at > evidence.began and not evidence.engine_faults(stack, one.at, one.at):
                yield Broken(2, f"core of {stack}: {one.action}", f"{one} with its engine in order")
        for call in (*evidence.calls.get(place, ()), *evidence.calls.get((stack, "ALL"), ())):
            yield Broken(2, f"{call.verb} was called on {call.service} of {stack}", str(call))


def _recreated(evidence: Evidence) -> Found:
    for place, happened in list(evidence.happenings.items()):
        running = ""
        for one in happened:
            if one.action == "start":
                running = one.container
            elif one.action == "die":
                running = ""
            elif one.action in {"create", "destroy"} and running and place[1] != stacks.CORE:
                yield Broken(2, f"{'/'.join(place)} was recreated while it ran", str(one))


def _cut_short(evidence: Evidence) -> Found:
    for place, happened in list(evidence.happenings.items()):
        if place[1] in stacks.LEAVE_BY_THEMSELVES or place[1] not in stacks.ALLOWED:
            continue
        for one in happened:
            if one.action == "die" and not evidence.engine_faults(place[0], one.at, one.at):
                yield from _died(evidence, place, one.at)


def _died(evidence: Evidence, place: Place, at: float) -> Found:
    holders = [one for one in evidence.holders(place) if one.surely_held(at)]
    calls = [
        call
        for call in evidence.calls.get(place, ())
        if call.verb in {"stop", "kill"} and at - 60 < call.at <= at
    ]
    if holders and not calls:
        yield Broken(
            3,
            f"{'/'.join(place)} died under {holders[0].plan.name}",
            f"at {at:.3f}, and no call had stopped it",
        )
    if not calls:
        return
    decided = evidence.decided(place, calls[-1])
    for one in holders:
        if one.accepted < decided and not _over(evidence, place, one, decided):
            what = f"{'/'.join(place)} was stopped under {one.plan.name} ({one.window})"
            yield Broken(
                3, what, f"decided {decided:.3f}, died {at:.3f}, promised until {one.sure:.3f}: {calls[-1]}"
            )


def _over(evidence: Evidence, place: Place, promise: Promise, at: float) -> bool:
    """Had it ended by an exception: a wholly failed opening, or a blind cut that the trail owns up to?"""
    for entry in evidence.trail:
        if entry.window == promise.window and entry.event == "window.closing" and entry.at <= at + 0.05:
            return entry.facts.get("status") == "fail"
        if entry.place == place and promise.window in entry.facts.get("cut", ()) and entry.began <= at + 0.05:
            # Only what its node could not read may be cut.
            return evidence.frozen(place[0], promise.changed - TOLD_LATE, promise.changed)
    return False


def _unlisted(evidence: Evidence) -> Found:
    for stack in stacks.STACKS:
        place = (stack, stacks.UNLISTED)
        for one in (*evidence.happenings.get(place, ()), *evidence.calls.get(place, ())):
            yield Broken(4, f"the unlisted service of {stack} was touched", str(one))
    for entry in evidence.trail:
        if entry.event == "call.started" and entry.facts["action"] == "up" and not _leased(evidence, entry):
            yield Broken(4, f"{'/'.join(entry.place)} was started and no window asked for it", str(entry))


def _leased(evidence: Evidence, entry: Entry) -> bool:
    """Did a window hold it then, or a moment ago, when the call was decided?"""
    return any(
        one.asked - 0.1 <= entry.at
        and (entry.at <= one.longest + TOLD_LATE or evidence.frozen(entry.place[0], one.longest, entry.at))
        for one in evidence.holders(entry.place)
    )


def _one_at_a_time(evidence: Evidence) -> Found:
    ended = {
        entry.place
        for entry in evidence.trail
        if entry.event == "call.finished" and entry.facts.get("status") == "ok"
    }
    for place in ended - evidence.calls.keys():
        yield Broken(5, f"no call on {'/'.join(place)} was seen", "though some are on record as made")
    for place, calls in evidence.calls.items():
        for call in calls:
            if not call.alone:
                yield Broken(5, f"two calls at once on {'/'.join(place)}", str(call))


def _on_record(evidence: Evidence) -> Found:
    yield from _windows_on_record(evidence)
    started, ended = Counter[int](), Counter[int]()
    for entry in evidence.trail:
        if entry.event == "call.started":
            started[entry.facts["call"]] += 1
        elif entry.event in {"call.finished", "call.lost"}:
            ended[entry.facts["call"]] += 1
    for row in evidence.call_rows:
        if row["status"] == "running":
            yield Broken(
                6, f"call {row['id']} runs for ever", f"{row['action']} {row['service']} by {row['worker']}"
            )
        elif (started[row["id"]], ended[row["id"]]) != (1, 1):
            counts = f"{started[row['id']]} started, {ended[row['id']]} ended"
            yield Broken(6, f"call {row['id']} is not on record once", counts)
    for place, calls in evidence.calls.items():
        yield from _calls_on_record(evidence, place, calls)


def _calls_on_record(evidence: Evidence, place: Place, calls: list) -> Found:  # type: ignore[type-arg]
    started = [entry for entry in evidence.trail if entry.event == "call.started" and entry.place == place]
    for verb in ("up", "stop", "kill"):
        made = [call for call in calls if call.verb == verb]
        entries = [entry for entry in started if entry.facts["action"] == verb]
        if len(made) > len(entries):
            what = f"{len(made)} {verb} calls on {'/'.join(place)}, {len(entries)} on record"
            yield Broken(6, what, f"the last one: {made[-1]}")


_ORDER = ("window.waiting", "window.opening", "window.open", "window.closing", "window.closed")


def _windows_on_record(evidence: Evidence) -> Found:
    entries_of = defaultdict[str, list[Entry]](list)
    for entry in evidence.trail:
        # Forcing one that is closing already is said as a closing of its own.
        again = entry.event == "window.closing" and entry.facts.get("forced")
        if (
            entry.window
            and entry.event in _ORDER
            and not (again and _last(entries_of[entry.window]) == entry.event)
        ):
            entries_of[entry.window].append(entry)
    promised = {one.window for one in evidence.opened}
    for window, row in evidence.windows.items():
        states = [_ORDER.index(entry.event) for entry in entries_of[window]]
        if states != sorted(set(states)) or not states:
            yield Broken(6, f"window {window} has a muddled record", _story(evidence, window))
        elif _ORDER[states[-1]] != f"window.{row['state']}":
            yield Broken(6, f"window {window} is {row['state']}", _story(evidence, window))
        if window not in promised and row["reason"] not in {one.plan.name for one in evidence.promises}:
            yield Broken(4, f"window {window} was not requested", f"{row['reason']} {row['services']}")
    for window in promised - evidence.windows.keys():
        yield Broken(6, f"window {window} was accepted and is gone", "it is in no table")


def _last(entries: list[Entry]) -> str:
    return entries[-1].event if entries else ""


def _story(evidence: Evidence, window: str) -> str:
    """What the trail says of one window, in short."""
    entries = [entry for entry in evidence.trail if entry.window == window]
    lines = [f"{entry.at:.3f} {entry.event} {entry.service or ''} by {entry.actor}" for entry in entries]
    return f"{evidence.windows[window]['reason']}: " + "; ".join(lines)


def _open_when_ready(evidence: Evidence) -> Found:
    promises = {one.window: one for one in evidence.opened}
    for entry in evidence.trail:
        promise = promises.get(entry.window or "")
        if entry.event == "window.open" and entry.facts.get("status") == "ok" and promise:
            for service in promise.plan.services:
                if why := _not_ready(evidence, promise, (promise.plan.stack, service), entry.at):
                    what = f"window {promise.plan.name} ({promise.window}) was said open without {service}"
                    yield Broken(7, what, f"at {entry.at:.3f}: {why}")


def _not_ready(evidence: Evidence, promise: Promise, place: Place, at: float) -> str:
    """Why a service was not ready then; empty where it was, or where that cannot be known."""
    happened = [one for one in evidence.happenings.get(place, ()) if one.at <= at + 0.25]
    if place[1] in stacks.ONE_SHOTS:
        done = any(one.action == "die" and one.code == 0 for one in happened)
        return "" if done or evidence.deaf(place[0], promise.asked, at) else "it had never exited with 0"
    turns = [one for one in happened if one.action in {"start", "die"}]
    if not turns:
        return "" if evidence.deaf(place[0], evidence.began, at) else "it had never been started"
    last = turns[-1]
    if evidence.deaf(place[0], last.at, at):
        return ""
    if last.action == "die":
        # It may have been seen alive, and have died before that could be said.
        late = at - last.at <= TOLD_LATE or evidence.frozen(place[0], last.at, at)
        return "" if late else f"it had died at {last.at:.3f}"
    healthy = any(one.action == "health_status: healthy" and one.at >= last.at for one in happened)
    return (
        "" if healthy or place[1] not in stacks.CHECKED else f"not healthy since its start at {last.at:.3f}"
    )


def _prompt(evidence: Evidence, patience: float) -> Found:
    for answer in evidence.answers:
        excused = evidence.outages.meeting(answer.at - 0.5, answer.at + answer.took + 0.5, ["front"])
        if answer.status == 500:
            yield Broken(8, f"500 from {answer.method} {answer.path}", answer.said)
        elif excused:
            continue
        elif answer.status == 0 or answer.took > ANSWER_WITHIN * patience:
            what = f"{answer.method} {answer.path} took {answer.took:.1f} s, status {answer.status}"
            yield Broken(8, what, f"at {answer.at:.3f} {answer.said}")
    for refusal in evidence.refusals:
        if refusal["status"] not in {403, 503}:
            yield Broken(
                4, f"a window on {refusal['service']} was not refused", f"status {refusal['status']}"
            )
    for promise in evidence.promises:
        for odd in promise.odd:
            yield Broken(3, f"the deadline of {promise.plan.name} is odd", odd)
        if promise.refused:
            yield Broken(8, f"{promise.plan.name} was refused", promise.refused)


def _without_repairs(evidence: Evidence) -> Found:
    """While its events arrive, a worker needs neither idle poll nor resync."""
    for one in evidence.repairs:
        since, node = one.at - RECOVERED, stacks.NODES[one.stack]
        if not evidence.frozen(one.stack, since, one.at) and not evidence.outages.meeting(
            since, one.at, [f"engine.{node}", "broker", "front", "beat"]
        ):
            yield Broken(7, f"only a repair has noticed a change of {one.stack}", f"{one.at:.3f} {one}")


_CHECKS: tuple[Callable[[Evidence], Found], ...] = (
    _core,
    _recreated,
    _cut_short,
    _unlisted,
    _one_at_a_time,
    _on_record,
    _open_when_ready,
    _without_repairs,
)
