"""What the waiting pages keep between requests, so that passing through costs next to nothing."""

from __future__ import annotations

from app.store.changes import ChangeCounter
from app.usecases.wake import WakeBinding
from app.web.response_cache import ResponseCache


class WakeCache:
    """What the waiting pages keep between requests."""

    def __init__(self, changes: ChangeCounter) -> None:
        self.memory: ResponseCache[WakeBinding] = ResponseCache(changes)
