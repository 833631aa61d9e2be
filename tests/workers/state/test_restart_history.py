"""The engine counts restarts and tells no times; they are remembered here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.domain.readiness import Container
from workers.state.restart_history import RestartHistory

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
FORGE = Container("c0ffee", "forge", "running", created_at=NOON, started_at=NOON)


def restarted(times: int, at: float) -> Container:
    return replace(FORGE, restarts=times, started_at=NOON + timedelta(seconds=at))


def test_a_restart_is_remembered_at_the_containers_start() -> None:
    restarts = RestartHistory()
    restarts.remember("studio", FORGE)

    assert restarts.remember("studio", restarted(1, 5)).restarted == (NOON + timedelta(seconds=5),)
    assert restarts.remember("studio", restarted(2, 9)).restarted == (
        NOON + timedelta(seconds=5),
        NOON + timedelta(seconds=9),
    )


def test_looking_twice_remembers_once() -> None:
    restarts = RestartHistory()
    restarts.remember("studio", restarted(1, 5))

    assert restarts.remember("studio", restarted(1, 5)).restarted == (NOON + timedelta(seconds=5),)


def test_what_happened_before_the_first_look_is_placed_as_well_as_can_be() -> None:
    assert RestartHistory().remember("studio", restarted(7, 60)).restarted == (
        NOON,
        NOON + timedelta(seconds=60),
    )


def test_a_start_by_hand_counts_from_zero_again() -> None:
    restarts = RestartHistory()
    restarts.remember("studio", restarted(5, 60))

    assert restarts.remember("studio", restarted(0, 90)).restarted == ()


def test_how_it_died_is_known_while_it_runs_again() -> None:
    restarts = RestartHistory()
    restarts.record_death("studio", "forge", "c0ffee", 3)

    assert restarts.remember("studio", restarted(1, 5)).exit_code == 3
    assert restarts.remember("studio", FORGE).exit_code == 0


def test_containers_that_are_gone_are_forgotten() -> None:
    restarts = RestartHistory()
    restarts.remember("studio", restarted(1, 5))
    restarts.record_death("studio", "forge", "c0ffee", 3)

    restarts.forget_gone("studio", ["forge"], set())

    history = restarts.remember("studio", restarted(1, 8))
    assert (history.restarted, history.exit_code) == ((NOON + timedelta(seconds=8),), 0)


def test_what_another_project_runs_is_not_forgotten_with_it() -> None:
    restarts = RestartHistory()
    restarts.remember("studio", restarted(1, 5))
    restarts.remember("other", restarted(1, 5))

    restarts.forget_services("other")
    restarts.forget_gone("studio", ["mill"], set())

    assert restarts.remember("studio", restarted(1, 8)).restarted == (NOON + timedelta(seconds=5),)


def test_ten_thousand_containers_leave_nothing_behind() -> None:
    restarts = RestartHistory()
    for number in range(10_000):
        one = replace(restarted(1, 5), id=f"{number:x}")
        restarts.record_death("studio", "forge", one.id, 1)
        restarts.remember("studio", one)
        restarts.forget_gone("studio", ["forge"], {one.id})

    (history,) = restarts.services.values()
    assert (len(history.seen), len(history.codes)) == (1, 1)
    restarts.forget_gone("studio", ["forge"], set())
    assert not restarts.services


def test_a_service_that_is_defined_no_more_is_forgotten() -> None:
    restarts = RestartHistory()
    restarts.remember("studio", FORGE)

    restarts.forget_services("studio", but={"mill"})

    assert not restarts.services
