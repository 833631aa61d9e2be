"""A window that lasts while a request is under way: its entry, its cap, and when it ends all the same."""

from __future__ import annotations

from datetime import timedelta

from app.store import wakes
from app.usecases import wake
from tests.system import System
from tests.usecases.visits import TOKEN, kept, visited


def test_it_is_on_record_who_made_it_longer_and_why(house: System) -> None:
    window = visited(house)
    house.tick(98.0)
    before = house.window(window).deadline
    assert kept(house, window)
    assert house.window(window).deadline == before + timedelta(seconds=10)
    entry = house.said("window.extended")[-1].as_json()
    assert (entry["actor"], entry["facts"]["reason"]) == ("power-windows", "a request was under way")
    assert house.intact()


def test_it_ends_at_the_cap_however_long_the_request(house: System) -> None:
    window = visited(house)
    began, steps = house.window(window).opening_at, 0
    assert began
    while True:
        left = (house.window(window).deadline - house.now).total_seconds()
        house.tick(left - 1)
        if not kept(house, window):
            break
        steps += 1
    assert steps > 3
    with house.database.read() as session:
        bell = wake.bell(session, TOKEN)
    assert bell
    assert house.window(window).deadline == began + timedelta(seconds=bell.max_ttl)


def test_what_is_closed_by_hand_is_not_made_longer(house: System) -> None:
    window = visited(house)
    house.close(window)
    assert not kept(house, window)


def test_what_is_forced_is_not_made_longer(house: System) -> None:
    window = visited(house)
    house.close(window, force=True)
    assert not kept(house, window)


def test_past_its_deadline_it_is_over(house: System) -> None:
    window = visited(house)
    house.tick(101.0)
    assert not kept(house, window)
    assert house.said("window.extended") == []


def test_the_window_of_a_revoked_token_runs_out(house: System) -> None:
    window = visited(house)
    with house.database.write() as session:
        wake.revoke(session, TOKEN, actor="ada", now=house.now)
    assert not kept(house, window)


def test_only_a_window_of_visitors_is_looked_at_and_only_near_its_end(house: System) -> None:
    window, _mine = visited(house), house.open("mill", ttl=100.0)

    def ending() -> list[str]:
        with house.database.read() as session:
            soon = house.now + timedelta(seconds=4)
            return [one.window for one in wakes.ending(session, "local", house.now, soon)]

    assert ending() == []
    house.tick(97.0)
    assert ending() == [window]
    house.close(window)
    assert ending() == []
