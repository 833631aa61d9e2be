"""Cache the bindings of wake tokens, so that a request to a running service costs one query."""

from __future__ import annotations

from app.store.changes import ChangeCounter
from app.usecases.wake import WakeBinding
from app.web.response_cache import ResponseCache


class WakeCache:
    """The bindings of wake tokens by the token's name."""

    def __init__(self, changes: ChangeCounter) -> None:
        self.bindings: ResponseCache[WakeBinding] = ResponseCache(changes)
