"""Leases: the one rule from which the desired power follows.

A lease is the hold of one window on one service. It ends exactly at its window's deadline, even if no
process runs to notice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from app.domain.enums import State
from app.domain.windows import LIVE


@dataclass(frozen=True, slots=True)
class HeldLease:
    """One window's hold on one service, with what decides whether it lives."""

    window: str
    service: str
    state: State
    deadline: datetime

    def live(self, now: datetime) -> bool:
        """Is the window opening or open, with its deadline after `now`?"""
        return self.state in LIVE and self.deadline > now


def holders(leases: Iterable[HeldLease], service: str, now: datetime) -> list[HeldLease]:
    """Return the leases on this service that are live at `now`."""
    return [lease for lease in leases if lease.service == service and lease.live(now)]


def is_wanted(leases: Iterable[HeldLease], service: str, now: datetime) -> bool:
    """Is the service wanted on? While any live lease holds it, and not a moment longer."""
    return bool(holders(leases, service, now))
