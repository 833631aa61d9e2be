"""Stacks whose section or whose namespace in power.toml has faults.

A stack that is served keeps its last valid reading. One that is not is published as rejected, with its
faults.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from app.domain.load_results import POWER_TOML, LoadOutcome
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.settings import PowerToml, RejectedToml
from workers.loops.stack_publisher import StackPublisher, log_faults
from workers.stacks import file_versions
from workers.stacks.file_versions import Stamp
from workers.stacks.stack_reader import Rejected, Served
from workers.state.context import WorkerContext


@dataclass
class LastReading:
    """The last reading of one stack."""

    stamp: Stamp = ()
    changing: bool = False
    """It looked different a moment ago, and is read when it has come to rest."""
    refused: str = ""
    """The digest of a later reading that was turned down."""
    warned: list[str] = field(default_factory=list)
    """The last warnings about files that other users can write."""
    read_at: float = field(default_factory=time.monotonic)


class RejectedSections:
    """Rejects what power.toml sets apart."""

    def __init__(
        self,
        context: WorkerContext,
        publisher: StackPublisher,
        path: Path,
        known: dict[StackId, LastReading],
        refuse: Callable[[StackId, list[str], str], object],
    ) -> None:
        self._context, self._publisher, self._path = context, publisher, path
        self._known, self._refuse = known, refuse
        """`refuse` records that a later reading is invalid, with its faults and its digest."""

    def reject(self, toml: PowerToml) -> None:
        """Reject the stacks whose section or namespace has faults; their last valid reading stays."""
        digest = file_versions.digest([self._path])
        if toml.unread:
            faults = [*dict.fromkeys(chain(*toml.unread.values()))]
            log_faults(POWER_TOML, LoadOutcome.REJECTED, digest, faults)
        for name, one in toml.rejected.items():
            if name in self._context.stacks or one.node == self._context.node:
                self._reject_section(name, one, digest)
        for name in self._context.stacks.keys() - toml.rejected.keys():
            if of_namespace := toml.namespace_faults(name):
                self._refuse(name, list(of_namespace), digest)

    def _reject_section(self, name: StackId, one: RejectedToml, digest: str) -> None:
        faults = list(one.faults)
        if not one.is_nameable:
            log_faults(POWER_TOML, LoadOutcome.REJECTED, digest, faults)
            return
        now = self._context.stacks.get(name)
        if now is not None and now.place is not None:
            self._refuse(name, faults, digest)
            return
        known_of_it = self._known.setdefault(name, LastReading())
        if known_of_it.refused == digest:
            return
        known_of_it.refused = digest
        log_faults(f"stack {name}", LoadOutcome.REJECTED, digest, faults)
        rejected = Rejected(StackSpec(name, one.project, one.node, {}), faults)
        self._context.core.setdefault(name, one.core)
        self._context.stacks.setdefault(name, Served(rejected.spec))
        self._publisher.reject(rejected, digest)
