"""An idempotency key stands for one window, for a day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.errors import KeyReused
from app.usecases.windows.transitions import Repeat
from tests.simultaneous import together
from tests.system import System

KEY = Repeat("ada", "batch-7", "digest-of-the-body")


def test_a_repeat_is_answered_with_the_first_window(house: System) -> None:
    first, new = house.ask("forge", repeat=KEY)
    again, renewed = house.ask("forge", repeat=KEY)
    assert (again, new, renewed) == (first, True, False)
    assert house.trail().count("window.opening") == 1


def test_a_repeat_is_answered_even_when_the_window_is_over(house: System) -> None:
    first, _new = house.ask("forge", repeat=KEY)
    house.work()
    house.close(first)
    assert house.ask("forge", repeat=KEY) == (first, False)


def test_the_same_key_with_another_body_is_refused(house: System) -> None:
    first, _new = house.ask("forge", repeat=KEY)
    with pytest.raises(KeyReused) as refused:
        house.ask("mill", repeat=Repeat("ada", "batch-7", "another"))
    assert refused.value.facts["window"] == first


def test_a_key_belongs_to_its_token(house: System) -> None:
    first, _new = house.ask("forge", repeat=KEY)
    other, new = house.ask("forge", repeat=Repeat("bob", KEY.key, KEY.body))
    assert new
    assert other != first


def test_after_a_day_a_key_is_free_again(house: System) -> None:
    first, _new = house.ask("forge", repeat=KEY)
    house.now += timedelta(hours=24) - timedelta(microseconds=1)
    assert house.ask("forge", repeat=KEY) == (first, False)
    house.now += timedelta(microseconds=1)
    second, new = house.ask("forge", repeat=Repeat("ada", "batch-7", "another"))
    assert new
    assert second != first


def test_the_same_key_from_many_at_once_makes_one_window(house: System) -> None:
    answers = together(8, lambda _n: house.ask("forge", repeat=KEY))
    assert len({window for window, _new in answers}) == 1
    assert sum(new for _window, new in answers) == 1
    assert house.trail().count("window.opening") == 1


def test_a_refused_request_leaves_its_key_free(house: System) -> None:
    with pytest.raises(Exception, match="redis"):
        house.ask("redis", repeat=KEY)
    assert house.ask("forge", repeat=KEY)[1]
