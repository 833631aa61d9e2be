"""A window that lasts while a request is under way: its entry, its cap, and when it ends all the same."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.store import wakes
from app.usecases import wake
from tests.system import System
from tests.usecases.visits import TOKEN, kept, visited


def test_it_is_on_record_who_made_it_longer_and_why(system: System) -> None:
    window = visited(system)
    system.tick(98.0)
    before = system.window(window).deadline
    assert kept(system, window)
    assert system.window(window).deadline == before + timedelta(seconds=10)
    entry = system.said("window.extended")[-1].as_json()
    assert (entry["actor"], entry["facts"]["reason"]) == ("power-windows", "a request was under way")
    assert system.intact()


@pytest.mark.integration
def test_it_ends_at_the_cap_however_long_the_request(system: System) -> None:
    window = visited(system)
    began, steps = system.window(window).opening_at, 0
    assert began
    while True:
        left = (system.window(window).deadline - system.now).total_seconds()
        system.tick(left - 1)
        if not kept(system, window):
            break
        steps += 1
    assert steps > 3
    with system.database.read() as session:
        bell = wake.read_binding(session, TOKEN)
    assert bell
    assert system.window(window).deadline == began + timedelta(seconds=bell.max_ttl)


def test_what_is_closed_by_hand_is_not_made_longer(system: System) -> None:
    window = visited(system)
    system.close(window)
    assert not kept(system, window)


def test_what_is_forced_is_not_made_longer(system: System) -> None:
    window = visited(system)
    system.close(window, force=True)
    assert not kept(system, window)


def test_past_its_deadline_it_is_over(system: System) -> None:
    window = visited(system)
    system.tick(101.0)
    assert not kept(system, window)
    assert system.said("window.extended") == []


def test_the_window_of_a_revoked_token_runs_out(system: System) -> None:
    window = visited(system)
    with system.database.write() as session:
        wake.revoke(session, TOKEN, actor="ada", now=system.now)
    assert not kept(system, window)


def test_only_a_window_of_visitors_is_looked_at_and_only_near_its_end(system: System) -> None:
    window, _mine = visited(system), system.open("mill", ttl=100.0)

    def ending() -> list[str]:
        with system.database.read() as session:
            soon = system.now + timedelta(seconds=4)
            return [one.window for one in wakes.ending(session, "local", system.now, soon)]

    assert ending() == []
    system.tick(97.0)
    assert ending() == [window]
    system.close(window)
    assert ending() == []
