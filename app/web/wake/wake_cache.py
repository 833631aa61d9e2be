"""What the waiting pages keep between requests, so that passing through costs next to nothing."""

from __future__ import annotations

from app.store.changes import Changes
from app.usecases.wake import Bell
from app.web.response_cache import Memory


class Doorbell:
    def __init__(self, changes: Changes) -> None:
        self.memory: Memory[Bell] = Memory(changes)
