"""The snapshot of a node: which of its services may be on, as the node's workers last read it.

`workers.state.snapshot` writes the file and reads it while the database is away. Programs that
start without a database ask `services_on` whether a worker still has a service to stop.
"""

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
from app.domain.stack_id import StackId
from app.host.boot_clock import boot_clock, boot_id

log = logging.getLogger(__name__)

SNAPSHOT_FILE = "known.json"
_INVALID = (OSError, ValueError, KeyError, TypeError, AttributeError)
"""What `_parse` raises for a file that no worker wrote whole."""


@dataclass(frozen=True, slots=True)
class StackSnapshot:
    """One stack as it was last read: who held what until when, and which stops are pending."""

    spec: StackSpec
    leases: tuple[HeldLease, ...] = ()
    pending_stops: Mapping[str, PendingStop] = field(default_factory=dict)
    place: tuple[int, str] | None = field(default=None, compare=False)
    """Seq and hash of the last entry of the stack's audit chain. None in a snapshot of an older release."""

    def project_of(self, service: str) -> str:
        """The Compose project in which the service has to be stopped."""
        stop = self.pending_stops.get(service)
        return (stop.location.project if stop else "") or self.spec.project

    def locations(self) -> dict[str, Location]:
        """The location of each service that may be on, by name."""
        plain = dict.fromkeys((lease.service for lease in self.leases), Location(self.spec.project))
        return plain | {
            name: Location(self.project_of(name), one.location.engine_id)
            for name, one in self.pending_stops.items()
        }


@dataclass(frozen=True, slots=True)
class NodeSnapshot:
    """All stacks of a node at one moment."""

    stacks: Mapping[StackId, StackSnapshot]
    ahead: float = 0.0
    """Seconds by which the shared clock was ahead of this host's clock."""
    boot: str = ""
    booted_at: datetime | None = None
    """When the host was booted, by the shared clock. `boot` is the id of that boot."""

    def now(self) -> datetime:
        """Return the time of the shared clock, estimated without the database."""
        if self.booted_at and self.boot == boot_id():
            return self.booted_at + timedelta(seconds=boot_clock())
        return datetime.now(UTC) + timedelta(seconds=self.ahead)


def directory(data_dir: Path, node: str) -> Path:
    """Return the directory that holds the snapshot of a node."""
    return data_dir / "blind" / node


def read_file(path: Path) -> NodeSnapshot | None:
    """Return the snapshot that the file at `path` holds; None where there is no file or no valid one."""
    try:
        return _parse(path.read_text())
    except FileNotFoundError:
        return None
    except _INVALID as error:
        log.error("%s: cannot be read, so nothing is known yet: %s", path, error)
        return None


def services_on(data_dir: Path, node: str) -> list[str]:
    """Return the services that may be on by the node's snapshot, as STACK/SERVICE.

    The list is empty where there is no file or no valid one.
    """
    try:
        snapshot = _parse((directory(data_dir, node) / SNAPSHOT_FILE).read_text())
    except _INVALID:
        return []
    return sorted(
        f"{stack}/{service}" for stack, one in snapshot.stacks.items() for service in one.locations()
    )


def _parse(text: str) -> NodeSnapshot:
    stored = json.loads(text)
    booted_at = stored.get("booted_at")
    return NodeSnapshot(
        {name: _from_json(one) for name, one in stored["stacks"].items()},
        stored["ahead"],
        stored.get("boot", ""),
        datetime.fromisoformat(booted_at) if booted_at else None,
    )


def as_json(snapshot: NodeSnapshot) -> dict[str, Any]:
    """Return the form that `read_file` reads."""
    return {
        "ahead": snapshot.ahead,
        "boot": snapshot.boot,
        "booted_at": snapshot.booted_at and snapshot.booted_at.isoformat(),
        "stacks": {
            name: {
                "spec": one.spec.as_json(),
                "leases": [asdict(lease) | {"deadline": lease.deadline.isoformat()} for lease in one.leases],
                "owing": {
                    service: _pending_stop_as_json(stop) for service, stop in one.pending_stops.items()
                },
                "place": one.place,
            }
            for name, one in snapshot.stacks.items()
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
