"""What a stack's reading refuses: one line for each fault, naming the file, the key and the service."""

from __future__ import annotations

import pytest

from app import settings
from app.domain.words import Event, Role
from tests.engine.stacks import Stack, exits, needs, running
from workers import stacks
from workers.stacks import Rejected


def faults(stack: Stack) -> list[str]:
    with pytest.raises(Rejected) as rejected:
        stacks.read(stack.config, settings.read_power_toml(stack.config), "studio")
    return rejected.value.faults


def test_unknown_services_are_all_named_at_once(stack: Stack) -> None:
    stack.write({"forge": running()}, core=["redis"], allow=["forge", "mill"], tuned={"saw": {}})

    key = f"{stack.config}: stacks.studio"
    assert faults(stack) == [
        f"{key}.core: the compose files have no service 'redis'; they have forge",
        f"{key}.allow: the compose files have no service 'mill'; they have forge",
        f"{key}.services: the compose files have no service 'saw'; they have forge",
    ]


def test_a_core_service_that_is_also_allowed_is_refused(stack: Stack) -> None:
    stack.write({"forge": running()}, core=["forge"], allow=["forge"])

    with pytest.raises(settings.ConfigError) as refused:
        settings.read_power_toml(stack.config)

    (fault,) = refused.value.faults
    assert fault.startswith(f"{stack.config}: stacks.studio: allow: forge is core")


def test_a_dependency_that_nobody_may_start_is_refused(stack: Stack) -> None:
    stack.write({"db": running(), "api": running(**needs(db="started"))}, allow=["api"])

    assert faults(stack) == [
        f"{stack.config}: stacks.studio.allow: api needs db, neither core nor allowed; add it to one"
    ]


def test_a_missing_file_is_named(stack: Stack) -> None:
    stack.write({"forge": running()})
    stack.file.unlink()

    assert faults(stack) == [f"{stack.config}: stacks.studio.files: {stack.file} is missing"]


def test_a_stop_timeout_that_is_no_longer_than_the_grace_is_refused(stack: Stack) -> None:
    stack.write({"forge": running(stop_grace_period="1m30s")}, tuned={"forge": {"stop_timeout": "40s"}})

    key = f"{stack.config}: stacks.studio.services.forge.stop_timeout"
    assert faults(stack) == [f"{key}: 40 s must exceed its stop_grace_period, 90 s"]


def test_a_broken_compose_file_is_told_in_one_line(stack: Stack) -> None:
    stack.write({"forge": running()})
    stack.file.write_text("services: [this is: no longer {yaml")

    (fault,) = faults(stack)

    assert fault.startswith(f"{stack.config}: stacks.studio.files: ")
    assert "\n" not in fault


def test_a_good_stack_is_known_with_all_that_counts(stack: Stack) -> None:
    defined = {
        "redis": running(),
        "job": exits(0, stop_grace_period="1m5s"),
        "api": running(**needs(redis="started", job="completed")),
        "stray": running(),
    }
    stack.write(defined, core=["redis"], allow=["job", "api"], tuned={"api": {"stable_for": "3s"}})

    served = stacks.read(stack.config, settings.read_power_toml(stack.config), "studio")

    spec = served.spec.services
    assert {name: one.role for name, one in spec.items()} == {
        "redis": Role.CORE,
        "job": Role.ALLOWED,
        "api": Role.ALLOWED,
        "stray": Role.NONE,
    }
    assert (spec["job"].oneshot, spec["api"].oneshot) == (True, False)
    assert (spec["job"].stop_timeout, spec["api"].stop_timeout) == (75.0, 12.0)
    assert spec["api"].stable_for == 3.0
    assert served.networks == {"default": f"{stack.project}_default"}
    assert all(one.config_hash for one in spec.values())


def test_a_rejected_stack_is_on_record_and_keeps_no_other_out(stack: Stack) -> None:
    stack.write({"forge": running()})
    bad = stack.config.read_text().replace("studio", "broken").replace(stack.project, f"{stack.project}-b")
    stack.config.write_text(stack.config.read_text() + bad.replace('["forge"]', '["anvil"]'))

    stack.begin()

    # What is rejected can be turned off all the same, and nothing more.
    assert [name for name, one in stack.station.stacks.items() if one.place] == ["studio"]
    assert [one.stack for one in stack.entries(Event.STACK_REJECTED)] == ["broken"]
