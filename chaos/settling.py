"""Check guarantee 1 after each round: every service that no window holds goes off.

The time counts from when every process runs again, or from the end of the last lease on the service
if that is later. The stop must begin within ten seconds. It must end within its grace and ten
seconds more. The engines are the only source.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import docker

from chaos import stacks
from chaos.checks import Broken
from chaos.engines import Sight
from chaos.evidence import Evidence, Place
from chaos.ledger import Ledger, Promise
from chaos.system import System
from workers.engine.negotiation import Away

BEGINS, ENDS = 10.0, 10.0 + stacks.GRACE
"""Seconds until a stop must have begun, and from there until it must have ended."""
STAYS = 2.0
"""Seconds for which all must then stay off."""
LATEST = 60.0
"""Seconds after which nothing more is waited for."""


@dataclass
class SettledRound:
    """The result of one round. `off` has the seconds from the due time of each stop to its end."""

    restored: float
    broken: list[Broken] = field(default_factory=list)
    off: dict[Place, float] = field(default_factory=dict)
    renewed: list[str] = field(default_factory=list)
    """Engines that were restarted, since they could not end a container."""

    @property
    def worst_off(self) -> float:
        return max(self.off.values(), default=0.0)


def settle(system: System, ledger: Ledger, restored: float, patience: float) -> SettledRound:
    """Wait until every service is off that should be off, and report those that took too long.

    An engine that was killed may be unable to kill a container until it is restarted. Such an
    engine is restarted once. After that every service that stays on is a fault.
    """
    settled = SettledRound(restored)
    _until_answered(ledger, settled)
    alive = _left(system, ledger, restored, patience)
    if helpless := {place: sight for place, sight in alive.items() if _helpless(system, place, sight)}:
        settled.renewed = sorted({system.engine_of(stack).key for stack, _service in helpless})
        for key in settled.renewed:
            system.renew(key)
        settled.restored = time.time()
        alive = _left(system, ledger, settled.restored, patience)
    for place, sight in alive.items():
        since = time.time() - _base(ledger.promises, place, settled.restored)
        settled.broken.append(
            Broken(1, f"{'/'.join(place)} stays on", f"{since:.1f} s after all ran again: {sight}")
        )
    if not alive:
        time.sleep(STAYS)
        for place, sight in _alive(system).items():
            settled.broken.append(Broken(1, f"{'/'.join(place)} came on again", str(sight)))
    return settled


def _left(system: System, ledger: Ledger, restored: float, patience: float) -> dict[Place, Sight]:
    """Return the services that are still on when all should be off; empty as soon as all are off."""
    alive = _alive(system)
    while time.time() < _last_word(ledger, restored, patience):
        alive = _alive(system)
        if time.time() > ledger.last_end() and not alive and not _unfinished(system):
            break
        time.sleep(0.2)
    return alive


def _helpless(system: System, place: Place, sight: Sight) -> bool:
    """Does the engine fail a kill of ours as well? If not, the stop was late or missing."""
    try:
        with contextlib.closing(system.engine_of(place[0]).client(30)) as client:
            client.kill(sight.container)
    except Away as error:
        return not isinstance(error, docker.errors.APIError) or error.is_server_error()
    return False


def _unfinished(system: System) -> bool:
    return bool(system.postgres.rows("SELECT id FROM windows WHERE state <> 'closed' LIMIT 1")[0])


def judge(settled: SettledRound, evidence: Evidence, patience: float) -> None:
    """Store how long each stop took to begin and to end, by the events of the engines."""
    for place in _allowed():
        base = _base(evidence.promises, place, settled.restored)
        if not evidence.running_at(place, base):
            continue
        off = next(
            (one.at for one in evidence.happenings.get(place, ()) if one.action == "die" and one.at >= base),
            None,
        )
        if off is None:
            continue
        settled.off[place] = off - base
        calls = [call.at for call in evidence.calls.get(place, ()) if call.verb in {"stop", "kill"}]
        kills = [one.at for one in evidence.happenings.get(place, ()) if one.action == "kill"]
        begun = [at for at in (*calls, *kills) if base - 30 < at <= off]
        begin = min((at for at in begun if at >= base), default=base if begun else off)
        if begin - base > BEGINS * patience:
            what = f"the stop of {'/'.join(place)} began {begin - base:.1f} s late"
            settled.broken.append(Broken(1, what, f"all ran again or its lease was over at {base:.3f}"))
        if off - begin > ENDS * patience:
            settled.broken.append(
                Broken(1, f"the stop of {'/'.join(place)} took {off - begin:.1f} s", f"from {begin:.3f}")
            )
    for window, row in evidence.windows.items():
        if row["state"] != "closed":
            settled.broken.append(
                Broken(
                    1, f"window {window} is still {row['state']}", f"{row['reason']} {row['close_detail']}"
                )
            )


def _until_answered(ledger: Ledger, settled: SettledRound) -> None:
    """Wait until each actor without an answer has repeated its request and has a window."""
    end = time.time() + LATEST
    while ledger.unanswered and time.time() < end:
        time.sleep(0.2)
    for promise in ledger.unanswered:
        settled.broken.append(Broken(8, f"{promise.plan.name} is never answered", "all runs again"))


def _last_word(ledger: Ledger, restored: float, patience: float) -> float:
    return max(restored, ledger.last_end()) + (BEGINS + ENDS) * patience + 5


def _base(promises: Iterable[Promise], place: Place, restored: float) -> float:
    stack, service = place
    ends = [one.longest for one in list(promises) if one.plan.stack == stack and service in one.holds]
    return max(restored, *ends) if ends else restored


def _alive(system: System) -> dict[Place, Sight]:
    sights: dict[Place, Sight] = {}
    for engine in system.engines.values():
        try:
            sights |= {(one.stack, one.service): one for one in _listed(engine.look()) if one.alive}
        except Away:
            continue
    return sights


def _listed(sights: Iterable[Sight]) -> list[Sight]:
    return [one for one in sights if one.service != stacks.CORE]


def _allowed() -> list[Place]:
    return [(stack, service) for stack in stacks.STACKS for service in stacks.ALLOWED]
