"""An idempotency key stands for one window, for a day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.errors import KeyReused
from app.usecases.windows.open import Repeat
from tests.simultaneous import together
from tests.system import System

KEY = Repeat("ada", "batch-7", "digest-of-the-body")


def test_a_repeat_is_answered_with_the_first_window(system: System) -> None:
    first, new = system.ask("forge", repeat=KEY)
    again, renewed = system.ask("forge", repeat=KEY)
    assert (again, new, renewed) == (first, True, False)
    assert system.trail().count("window.opening") == 1


def test_a_repeat_is_answered_even_when_the_window_is_over(system: System) -> None:
    first, _new = system.ask("forge", repeat=KEY)
    system.work()
    system.close(first)
    assert system.ask("forge", repeat=KEY) == (first, False)


def test_the_same_key_with_another_body_is_refused(system: System) -> None:
    first, _new = system.ask("forge", repeat=KEY)
    with pytest.raises(KeyReused) as refused:
        system.ask("mill", repeat=Repeat("ada", "batch-7", "another"))
    assert refused.value.facts["window"] == first


def test_a_key_belongs_to_its_token(system: System) -> None:
    first, _new = system.ask("forge", repeat=KEY)
    other, new = system.ask("forge", repeat=Repeat("bob", KEY.key, KEY.body))
    assert new
    assert other != first


def test_after_a_day_a_key_is_free_again(system: System) -> None:
    first, _new = system.ask("forge", repeat=KEY)
    system.now += timedelta(hours=24) - timedelta(microseconds=1)
    assert system.ask("forge", repeat=KEY) == (first, False)
    system.now += timedelta(microseconds=1)
    second, new = system.ask("forge", repeat=Repeat("ada", "batch-7", "another"))
    assert new
    assert second != first


def test_the_same_key_from_many_at_once_makes_one_window(system: System) -> None:
    answers = together(8, lambda _n: system.ask("forge", repeat=KEY))
    assert len({window for window, _new in answers}) == 1
    assert sum(new for _window, new in answers) == 1
    assert system.trail().count("window.opening") == 1


def test_a_refused_request_leaves_its_key_free(system: System) -> None:
    with pytest.raises(Exception, match="redis"):
        system.ask("redis", repeat=KEY)
    assert system.ask("forge", repeat=KEY)[1]
