"""What the waiting pages keep between requests, so that passing through costs next to nothing."""

from __future__ import annotations

from app.api.memory import Memory
from app.store.changes import Changes
from app.waking import Bell


class Doorbell:
    def __init__(self, changes: Changes) -> None:
        self.memory: Memory[Bell] = Memory(changes)
