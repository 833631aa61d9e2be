"""A service is ready when the engine's own words say so, and the verdict says why it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.enums import Power, Role
from app.domain.planning import ServiceSpec
from app.domain.readiness import Container, ReadinessVerdict, is_outdated, judge

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
PLAIN = ServiceSpec("forge", Role.ALLOWED, stable_for=1.0, ready_timeout=60.0)
CHECKED = ServiceSpec("forge", Role.ALLOWED, ready_timeout=60.0)
ONESHOT = ServiceSpec("forge", Role.ALLOWED, oneshot=True, ready_timeout=60.0)
PAIR = ServiceSpec("forge", Role.ALLOWED, replicas=2)


def ago(seconds: float) -> datetime:
    return NOON - timedelta(seconds=seconds)


def container(state: str = "running", *, started: float = 100, **more: Any) -> Container:
    return Container("c", "forge", state, started_at=ago(started), **more)


def verdict(*containers: Container, spec: ServiceSpec = PLAIN, wanted: bool = True) -> ReadinessVerdict:
    return judge(spec, containers, wanted=wanted, now=NOON)


def test_a_healthcheck_has_the_word() -> None:
    assert verdict(container(health="healthy"), spec=CHECKED).power is Power.ON
    assert verdict(container(health="starting", started=59), spec=CHECKED).power is Power.STARTING
    sick = verdict(container(health="unhealthy"), spec=CHECKED)
    assert (sick.power, sick.ready) == (Power.FAILING, False)
    assert "unhealthy" in sick.detail


def test_one_that_is_never_healthy_is_failing_after_its_ready_timeout() -> None:
    waiting = verdict(container(health="starting", started=59.9), spec=CHECKED)
    assert (waiting.power, waiting.look_again) == (Power.STARTING, ago(-0.1))
    late = verdict(container(health="starting", started=60), spec=CHECKED)
    assert late.power is Power.FAILING
    assert "60 s" in late.detail


def test_without_a_setting_the_containers_own_healthcheck_says_how_long() -> None:
    """The healthcheck may be the image's, of which the compose files say nothing."""
    derived = replace(CHECKED, ready_timeout_derived=True)
    slow = container(health="starting", started=299, ready_within=300.0)
    assert (verdict(slow, spec=derived).power, verdict(slow, spec=derived).look_again) == (
        Power.STARTING,
        ago(-1),
    )
    late = verdict(replace(slow, started_at=ago(300)), spec=derived)
    assert (late.power, "for 300 s" in late.detail) == (Power.FAILING, True)
    assert verdict(slow, spec=CHECKED).power is Power.FAILING
    assert verdict(container(health="starting", started=61), spec=derived).power is Power.FAILING
    longer = replace(derived, ready_timeout=400.0)
    assert verdict(replace(slow, started_at=ago(399)), spec=longer).power is Power.STARTING


def test_without_a_healthcheck_it_must_have_run_for_a_moment() -> None:
    young = verdict(container(started=0.4))
    assert (young.power, young.look_again) == (Power.STARTING, ago(-0.6))
    assert verdict(container(started=1)).power is Power.ON


def test_a_one_shot_is_ready_when_it_has_exited_with_nought() -> None:
    assert verdict(container(started=5), spec=ONESHOT).power is Power.STARTING
    assert verdict(container("exited"), spec=ONESHOT).power is Power.DONE
    assert verdict(container("exited"), spec=ONESHOT).ready
    assert verdict(container("exited", exit_code=3), spec=ONESHOT).power is Power.FAILING
    assert verdict(container(started=61), spec=ONESHOT).power is Power.FAILING


def test_what_is_no_one_shot_and_exits_is_failing_even_with_nought() -> None:
    result = verdict(container("exited"))
    assert result.power is Power.FAILING
    assert result.detail == (
        "exited with code 0; if its work ends there, set oneshot = true for it in power.toml"
    )
    core = verdict(container("exited"), spec=replace(PLAIN, role=Role.CORE))
    assert core.detail == "exited with code 0"
    assert "oneshot" not in verdict(container("exited", exit_code=1)).detail


@pytest.mark.parametrize(
    ("change", "outdated"),
    [
        ({}, True),
        ({"config_hash": "new"}, False),
        ({"config_hash": ""}, False),
        ({"state": "exited"}, False),
        ({"compose_version": "2.29.1"}, False),
    ],
)
def test_a_container_of_another_definition_is_outdated(change: dict[str, str], outdated: bool) -> None:
    one = replace(container(config_hash="old", compose_version="5.6.1"), **change)  # type: ignore[arg-type]
    assert is_outdated(replace(PLAIN, config_hash="new"), one, "5.6.1") is outdated
    assert not is_outdated(replace(PLAIN, config_hash="new", hash_varies=True), one, "5.6.1")


def test_out_of_memory_is_said() -> None:
    result = verdict(container("exited", exit_code=137, oom_killed=True, restarts=2))
    assert result.power is Power.FAILING
    assert "memory" in result.detail
    assert "137" in result.detail
    assert "2 restarts" in result.detail


@pytest.mark.parametrize("state", ["running", "restarting"])
def test_two_restarts_within_the_ready_timeout_are_a_crash_loop(state: str) -> None:
    looping = container(state, started=1, restarts=2, exit_code=1, restarted=(ago(50), ago(1)))
    result = verdict(looping)
    assert result.power is Power.FAILING
    assert "2 restarts" in result.detail
    assert "exit code 1" in result.detail


def test_one_restart_or_two_far_apart_are_none() -> None:
    assert verdict(container(started=2, restarts=1, restarted=(ago(2),))).power is Power.ON
    assert verdict(container(started=2, restarts=2, restarted=(ago(80), ago(2)))).power is Power.ON
    assert verdict(container("restarting", restarts=1, restarted=(ago(0),))).power is Power.STARTING


def test_unseen_restarts_count_as_close_together() -> None:
    assert verdict(container(started=2, restarts=7)).power is Power.FAILING


def test_a_crash_loop_is_over_after_ten_seconds_without_a_restart() -> None:
    before = verdict(container(started=9.9, restarts=5, restarted=(ago(12), ago(9.9))))
    assert (before.power, before.look_again) == (Power.FAILING, ago(-0.1))
    assert verdict(container(started=10, restarts=5, restarted=(ago(12), ago(10)))).power is Power.ON


def test_a_crash_loop_is_not_over_while_the_engine_waits_to_restart_it() -> None:
    assert verdict(container("restarting", started=30, restarts=9)).power is Power.FAILING


def test_it_is_on_when_all_of_its_replicas_are() -> None:
    one, two = container(), container(number=2)
    assert verdict(one, two, spec=PAIR).power is Power.ON
    assert verdict(one, spec=PAIR).power is Power.STARTING
    assert verdict(one, container("exited", exit_code=1), spec=PAIR).power is Power.FAILING


def test_without_a_running_container_it_is_off() -> None:
    assert verdict().power is Power.OFF
    assert verdict(wanted=False).power is Power.OFF
    assert verdict(container("created")).power is Power.OFF


def test_an_unwanted_one_that_exited_is_simply_off() -> None:
    assert verdict(container("exited", exit_code=137), wanted=False).power is Power.OFF
    assert verdict(container("exited"), spec=ONESHOT, wanted=False).power is Power.OFF


def test_an_unwanted_one_that_runs_is_on() -> None:
    assert verdict(container(), wanted=False).power is Power.ON


def test_one_that_could_not_be_begun_says_why() -> None:
    result = verdict(container("created", error="port is already allocated"))
    assert (result.power, result.detail) == (Power.FAILING, "port is already allocated")


def test_a_paused_one_is_alive_and_of_no_use() -> None:
    paused = container("paused")
    assert paused.alive
    assert verdict(paused).power is Power.FAILING
