"""What one namespace uses up does not show in the refusals of another."""

from __future__ import annotations

import pytest

from app.domain.errors import NotAllowed
from app.domain.stack_id import StackId
from app.web import refusal_audit
from app.web.refusal_audit import RefusalAudit
from app.web.stream_capacity import NAMESPACE_SHARE, StreamCapacity
from tests.system import System


def test_a_namespace_has_a_share_of_the_streams_and_the_default_one_has_all() -> None:
    capacity = StreamCapacity(16)

    assert [capacity.acquire("team_b") for _ in range(6)] == [True] * 4 + [False] * 2
    assert capacity.limit_of("team_a") == 16 // NAMESPACE_SHARE
    assert [capacity.acquire("team_a") for _ in range(4)] == [True] * 4
    assert [capacity.acquire() for _ in range(9)] == [True] * 8 + [False]
    capacity.release("team_b")
    assert capacity.acquire("team_b")


@pytest.mark.parametrize(("limit", "share"), [(0, 0), (1, 1), (3, 1)])
def test_a_small_limit_has_a_share_too(limit: int, share: int) -> None:
    assert StreamCapacity(limit).limit_of("team_a") == share


def test_refusals_of_one_namespace_do_not_shorten_the_entries_of_another(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal_audit, "MOST_KINDS", 2)
    refusals = RefusalAudit(system.database, lambda: 0.0)
    for actor in ("team_b/a", "team_b/b", "team_b/c", "team_a/ci"):
        refused = NotAllowed("studio", ["saw"], ["forge"])
        refusals.record(refused, actor=actor, what="open", stack=StackId("studio"))

    entries = [entry for entry in system.said("refused") if entry.actor == "team_a/ci"]
    assert [str(refused) in entry.facts for entry in entries] == [True]
