"""Did a person start a container, or the engine by its restart policy? With a fake engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

import pytest

from app.domain.enums import Power, Role
from app.domain.readiness import Container
from app.store.tables import Service
from tests.system import NOON
from workers.engine.client import Engine
from workers.reconcile import restart_policy


@dataclass
class FakeEngine:
    """An engine that was seen at noon, came back a minute later, and whose events were received since."""

    heard_since: datetime | None = NOON + timedelta(seconds=60)
    ran_on: bool = False

    def now(self) -> datetime:
        return NOON + timedelta(seconds=90)

    def ran_on_since(self, _seen_off: datetime) -> bool:
        return self.ran_on


def started(seconds: float) -> Container:
    at = NOON + timedelta(seconds=seconds)
    return Container("c1", "forge", "running", "", started_at=at, policy="on-failure")


def brought_back(container: Container, engine: FakeEngine) -> bool:
    before = Service(stack="studio", name="forge", role=Role.ALLOWED, power=Power.OFF, observed_at=NOON)
    return restart_policy.by_the_engine(
        cast(Engine, engine), [container], before, NOON + timedelta(seconds=90)
    )


def test_what_started_with_the_engine_was_started_by_it() -> None:
    assert brought_back(started(59), FakeEngine())


def test_a_start_while_events_were_received_was_manual() -> None:
    assert not brought_back(started(70), FakeEngine())


@pytest.mark.parametrize("seconds", [59, 70])
def test_a_crash_loop_that_the_engine_began_is_not_manual(seconds: float) -> None:
    """Each of its restarts moves its start on, past the moment since which events were received."""
    assert brought_back(replace(started(seconds), restarts=3), FakeEngine())


def test_a_crash_loop_that_a_person_began_is_manual() -> None:
    assert not brought_back(replace(started(70), restarts=3), FakeEngine(ran_on=True))


def test_what_has_no_restart_policy_is_never_the_engines() -> None:
    assert not brought_back(replace(started(59), policy=""), FakeEngine())
