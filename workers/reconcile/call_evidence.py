"""The compose call in the evidence: one that failed, or the stop that ended the container."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from app.domain.diagnosis.evidence import CallEvidence, ContainerEvidence
from app.domain.enums import Action, CallStatus
from app.domain.readiness import Container
from app.store.tables import Call

_SLOW = 0.9
"""The share of its grace after which a stop counts as having taken all of it."""
_STOPS = frozenset({Action.STOP, Action.PRE_STOP})
_AFTER = timedelta(seconds=2)
"""How much later than its stop a container may have ended, by the engine's clock."""


def of_call(call: Call, seen: Container | None, clean: Callable[[str], tuple[str, ...]]) -> CallEvidence:
    """The evidence of the last call.

    A call that went well says nothing of why its container failed, unless it is the stop that ended it.
    """
    if call.status == CallStatus.OK and not _ended_in(call, seen):
        return CallEvidence()
    return CallEvidence(
        action=str(call.action),
        status=str(call.status),
        returncode=call.returncode,
        argv=tuple(call.argv),
        stderr=clean(call.stderr or call.stdout),
        elapsed_sec=(call.elapsed_ms or 0) / 1000,
    )


def _ended_in(call: Call, seen: Container | None) -> bool:
    """Did the container end while this stop ran, so that the signal was the stop's?"""
    ended = seen.finished_at if seen and seen.state == "exited" else None
    if ended is None or call.action not in _STOPS:
        return False
    return call.started_at <= ended and (call.finished_at is None or ended <= call.finished_at + _AFTER)


def judge_stop(call: CallEvidence, container: ContainerEvidence) -> CallEvidence:
    """The same, with whether a stop took the grace of its container, which the engine then killed."""
    if call.action not in _STOPS or call.elapsed_sec is None:
        return call
    return replace(call, whole_grace=call.elapsed_sec >= max(0.5, _SLOW * container.grace_sec))
