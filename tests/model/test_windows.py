"""The short form: a few hundred steps that are always the same, and kills at statements that change daily."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.databases import Databases
from tests.model import kill_everywhere
from tests.model.environment import prepare_environment
from tests.model.machine import Machine


def settings_for(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )


def test_windows_on_sqlite(databases: Databases) -> None:
    with prepare_environment(databases, "sqlite") as environment:
        run_state_machine_as_test(cast(Any, lambda: Machine(environment)), settings=settings_for(12, 30))


def test_windows_on_postgresql(databases: Databases) -> None:
    with prepare_environment(databases, "postgres") as environment:
        run_state_machine_as_test(cast(Any, lambda: Machine(environment)), settings=settings_for(3, 20))


def test_killed_at_a_few_statements_of_a_life(databases: Databases) -> None:
    with prepare_environment(databases, "sqlite") as environment:
        kill_everywhere.sample(environment, 10, seed=datetime.now(UTC).toordinal())
