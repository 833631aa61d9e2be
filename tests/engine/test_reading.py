"""What a stack's reading refuses: one line for each fault, naming the file, the key and the service."""

from __future__ import annotations

import re
import subprocess

import pytest

from app import settings
from app.domain.enums import Event, Role
from app.domain.stack_id import StackId
from tests.engine.stacks import Stack, exits, needs, running
from workers.stacks import stack_reader
from workers.stacks.stack_reader import Rejected


def faults(stack: Stack) -> list[str]:
    with pytest.raises(Rejected) as rejected:
        stack_reader.read(stack.config, settings.read_power_toml(stack.config), StackId("studio"))
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


def test_a_dependency_that_may_not_be_started_is_refused(stack: Stack) -> None:
    stack.write({"db": running(), "api": running(**needs(db="started"))}, allow=["api"])

    assert faults(stack) == [
        f"{stack.config}: stacks.studio.allow: api needs db, neither core nor allowed; add it to one"
    ]


def test_a_missing_file_is_named(stack: Stack) -> None:
    stack.write({"forge": running()})
    stack.file.unlink()

    assert faults(stack) == [f"{stack.config}: stacks.studio.files: {stack.file} is missing"]


def test_durations_of_the_compose_files_are_bounded_by_name(stack: Stack) -> None:
    check = {"test": ["CMD", "true"], "interval": "25h", "start_period": "1500m", "timeout": "24h"}
    stack.write(
        {
            "forge": running(stop_grace_period="1000h"),
            "mill": running(healthcheck=check),
            "unlisted": running(stop_grace_period="1000h"),
        },
        allow=["forge", "mill"],
    )
    key, most = f"{stack.config}: stacks.studio.files", "at most 1d (86400 s)"
    assert faults(stack) == [
        f"{key}: service forge: stop_grace_period: 41d 16h is too long; {most}",
        f"{key}: service mill: healthcheck.start_period: 1d 1h is too long; {most}",
        f"{key}: service mill: healthcheck.interval: 1d 1h is too long; {most}",
    ]


def test_a_stop_timeout_that_is_no_longer_than_the_grace_is_refused(stack: Stack) -> None:
    stack.write({"forge": running(stop_grace_period="1m30s")}, tuned={"forge": {"stop_timeout": "40s"}})

    key = f"{stack.config}: stacks.studio.services.forge.stop_timeout"
    assert faults(stack) == [f"{key}: 40 s must exceed its stop_grace_period, 90 s"]


def test_a_broken_compose_file_is_reported_in_one_line(stack: Stack) -> None:
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

    served = stack_reader.read(stack.config, settings.read_power_toml(stack.config), StackId("studio"))

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
    assert [name for name, one in stack.context.stacks.items() if one.place] == ["studio"]
    assert [one.stack for one in stack.entries(Event.STACK_REJECTED)] == ["broken"]


CHECKS: dict[str, tuple[dict[str, object], float]] = {
    "slow": ({"test": "true", "start_period": "5m", "interval": "2s", "timeout": "1s"}, 300 + 1 + 3 * 3 + 10),
    "often": ({"test": "true", "interval": "1m30s", "timeout": "1500ms", "retries": 4}, 1.5 + 4 * 91.5 + 10),
    "usual": ({"test": "true"}, 30 + 3 * 60 + 10),
    "quick": ({"test": "true", "interval": "1s", "timeout": "1s", "retries": 3}, 60),
    "off": ({"disable": True}, 60),
    "none": ({"test": ["NONE"]}, 60),
    "image": ({"start_period": "10m"}, 600 + 220),
    "long": ({"test": "true", "interval": "20h"}, 86400),
}


def test_the_time_to_be_ready_follows_from_the_healthcheck(stack: Stack) -> None:
    services = {name: running(healthcheck=check) for name, (check, _) in CHECKS.items()}
    stack.write({**services, "plain": running()}, tuned={"usual": {"ready_timeout": "20s"}})

    spec = stack_reader.read(stack.config, settings.read_power_toml(stack.config), StackId("studio")).spec

    expected = {name: seconds for name, (_, seconds) in CHECKS.items()} | {"usual": 20, "plain": 60}
    assert {name: one.ready_timeout for name, one in spec.services.items()} == expected
    assert not spec.services["usual"].ready_timeout_derived
    assert spec.services["slow"].ready_timeout_derived


def test_the_healthcheck_of_an_image_counts_too(stack: Stack) -> None:
    """The compose files say nothing of it; its container does."""
    mine = f"{stack.project}-checked"
    stack.write({"forge": running()})
    stack.by_hand("create", "forge")
    (container,) = stack.engine.containers(stack.project)
    check = 'HEALTHCHECK --start-period=5m --interval=2s --timeout=1s CMD ["false"]'
    subprocess.run(
        ["docker", "commit", "--change", check, container.id, mine], check=True, capture_output=True
    )
    try:
        stack.write({"forge": running(image=mine)})
        stack.by_hand("create", "forge")
        (container,) = stack.engine.containers(stack.project)
        assert container.ready_within == 300 + 1 + 3 * 3 + 10
    finally:
        stack.by_hand("rm", "-f", "forge")
        subprocess.run(["docker", "rmi", mine], check=True, capture_output=True)


def test_a_directory_that_is_missing_or_a_file_is_reported_as_what_it_is(stack: Stack) -> None:
    stack.write({"forge": running()})
    toml = stack.config.read_text()
    place = stack.directory / "gone"
    pointed = re.sub(r"^directory *=.*$", f'directory = "{place}"', toml, flags=re.MULTILINE)
    stack.config.write_text(
        pointed if pointed != toml else toml.replace("project", f'directory = "{place}"\nproject', 1)
    )
    key = f"{stack.config}: stacks.studio.directory: {place}"

    assert faults(stack) == [f"{key} is missing"]
    place.write_text("")
    assert faults(stack) == [f"{key} is not a directory"]


def test_a_directory_where_a_file_should_be_is_reported_with_its_key(stack: Stack) -> None:
    stack.write({"forge": running()})
    toml = stack.config.read_text()
    stack.config.write_text(toml.replace("project", 'env_files = ["gone.env"]\nproject', 1))
    stack.file.unlink()
    stack.file.mkdir()

    key = f"{stack.config}: stacks.studio"
    assert faults(stack) == [
        f"{key}.files: {stack.file} is a directory",
        f"{key}.env_files: {stack.directory / 'gone.env'} is missing",
    ]
