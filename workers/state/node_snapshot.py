"""The values of a snapshot, and the form in which a node's snapshot is written to its file."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.domain.decisions import PendingStop
from app.domain.enums import State
from app.domain.leases import HeldLease
from app.domain.locations import Location
from app.domain.planning import StackSpec
from app.host.boot_clock import boot_clock, boot_id

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StackSnapshot:
    """One stack as it was last read: who held what until when, and which stops are pending."""

    spec: StackSpec
    leases: tuple[HeldLease, ...] = ()
    pending_stops: Mapping[str, PendingStop] = field(default_factory=dict)
    place: tuple[int, str] | None = field(default=None, compare=False)
    """How far its audit chain had come: seq and hash of an entry. None in a snapshot of an older release."""

    def project_of(self, service: str) -> str:
        """The project in which a service owes its off."""
        stop = self.pending_stops.get(service)
        return (stop.location.project if stop else "") or self.spec.project

    def locations(self) -> dict[str, Location]:
        """Where each service is that may be on."""
        plain = dict.fromkeys((lease.service for lease in self.leases), Location(self.spec.project))
        return plain | {
            name: Location(self.project_of(name), one.location.engine_id)
            for name, one in self.pending_stops.items()
        }


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All stacks of a node at one moment."""

    stacks: Mapping[str, StackSnapshot]
    ahead: float = 0.0
    """Seconds that the shared clock was ahead of this host's."""
    boot: str = ""
    booted_at: datetime | None = None
    """When the host was booted by the shared clock, and in `boot` which time that was."""

    def now(self) -> datetime:
        """The shared clock as well as it can be told without the database."""
        if self.booted_at and self.boot == boot_id():
            return self.booted_at + timedelta(seconds=boot_clock())
        return datetime.now(UTC) + timedelta(seconds=self.ahead)


def read_file(path: Path) -> Knowledge | None:
    """Return the snapshot that the file at `path` holds; None where there is no file or no valid one."""
    try:
        stored = json.loads(path.read_text())
        booted_at = stored.get("booted_at")
        return Knowledge(
            {name: _from_json(one) for name, one in stored["stacks"].items()},
            stored["ahead"],
            stored.get("boot", ""),
            datetime.fromisoformat(booted_at) if booted_at else None,
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.error("%s: cannot be read, so nothing is known yet: %s", path, error)
        return None


def as_json(known: Knowledge) -> dict[str, Any]:
    """Return the form that `read_file` reads."""
    return {
        "ahead": known.ahead,
        "boot": known.boot,
        "booted_at": known.booted_at and known.booted_at.isoformat(),
        "stacks": {
            name: {
                "spec": one.spec.as_json(),
                "leases": [asdict(lease) | {"deadline": lease.deadline.isoformat()} for lease in one.leases],
                "owing": {
                    service: _pending_stop_as_json(stop) for service, stop in one.pending_stops.items()
                },
                "place": one.place,
            }
            for name, one in known.stacks.items()
        },
    }


def _pending_stop_as_json(stop: PendingStop) -> dict[str, Any]:
    return asdict(stop) | {"retry_at": stop.retry_at and stop.retry_at.isoformat()}


def _from_json(stored: Mapping[str, Any]) -> StackSnapshot:
    return StackSnapshot(
        StackSpec.from_json(stored["spec"]),
        tuple(_lease(one) for one in stored["leases"]),
        {name: _pending_stop(one) for name, one in stored["owing"].items()},
        _place(stored.get("place")),
    )


def _place(stored: Any) -> tuple[int, str] | None:
    return None if stored is None else (int(stored[0]), str(stored[1]))


def _lease(stored: Mapping[str, Any]) -> HeldLease:
    deadline = datetime.fromisoformat(stored["deadline"])
    return HeldLease(stored["window"], stored["service"], State(stored["state"]), deadline)


def _pending_stop(stored: Mapping[str, Any]) -> PendingStop:
    retry_at = stored["retry_at"] and datetime.fromisoformat(stored["retry_at"])
    # What an older worker has written does not say where.
    location = Location(**stored.get("location", {}))
    return PendingStop(stored["failures"], retry_at, stored["unsure"], location)
