"""Windows that visitors open by a bound token, and what is seen of their requests."""

from __future__ import annotations

from app.domain.stack_id import StackId
from app.usecases import wake
from tests.system import System

TOKEN = "front"


def visited(system: System, service: str = "forge", ttl: float = 100.0) -> str:
    """The open window of a token that is made for it."""
    with system.database.write() as session:
        wake.create(
            session, TOKEN, stack=StackId("studio"), service=service, ttl_sec=ttl, actor="ada", now=system.now
        )
    with system.database.write() as session:
        _bell, new = wake.open_or_extend(session, TOKEN, lambda: system.now)
    assert new is not None
    system.work()
    return new.id


def kept(system: System, window: str) -> bool:
    """The worker measured traffic there."""
    with system.database.write() as session:
        return wake.keep_for_traffic(session, TOKEN, window, lambda: system.now)
