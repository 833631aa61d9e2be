"""Power Windows does not power itself: what is its own, and how a stack that lists it is turned down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app import settings
from app.domain.stack_id import StackId
from tests.engine.stacks import Stack, running
from workers.stacks import self_protection, stack_reader
from workers.stacks.self_protection import LABEL, Surroundings
from workers.stacks.stack_reader import Rejected

KEY = "/etc/power.toml: stacks.studio"
HERE = Surroundings("power", "worker", frozenset({"worker", "web", "beat"}))
PLAIN: dict[str, Any] = {"services": {"worker": {}, "web": {}, "forge": {}}}


def told(project: str, *allowed: str, around: Surroundings | None = HERE) -> list[str]:
    return list(self_protection.faults(KEY, project, list(allowed), PLAIN, around))


def test_the_service_that_the_worker_runs_in_is_its_own() -> None:
    assert told("power", "worker", "forge") == [
        f"{KEY}.allow: worker is what this worker itself runs in; "
        "Power Windows does not power itself: take it out"
    ]


def test_what_runs_beside_the_worker_with_its_label_is_its_own() -> None:
    (fault,) = told("power", "web")
    assert "web belongs to the project power that this worker runs in" in fault


def test_services_of_the_same_name_in_another_project_are_not() -> None:
    assert told("studio", "worker", "web") == []


def test_a_worker_outside_of_compose_has_nothing_beside_it() -> None:
    assert told("power", "worker", "web", around=None) == []


@pytest.mark.parametrize(("label", "ours"), [("true", True), ("", True), ("false", False), (None, False)])
def test_the_label_is_enough_wherever_the_worker_runs(label: str | None, ours: bool) -> None:
    labels = {} if label is None else {LABEL: label}
    config = {"services": {"web": {"labels": labels}}}
    assert bool(list(self_protection.faults(KEY, "any", ["web"], config, None))) is ours


def test_a_container_is_known_by_what_the_engine_mounts_into_it(tmp_path: Path) -> None:
    mounts, name = tmp_path / "mountinfo", "5f" * 32
    mounts.write_text(
        f"611 600 8:1 /var/lib/docker/containers/{name}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
    )
    assert self_protection.inside(mounts) == name
    mounts.write_text("22 28 0:20 / /sys rw - sysfs sysfs rw\n")
    assert self_protection.inside(mounts) is None
    assert self_protection.inside(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "line",
    [
        "52 27 0:50 / /var/lib/docker/containers/{id}/mounts/shm rw - tmpfs shm rw,size=65536k",
        "33 31 8:1 /var/lib/docker/containers/{id}/hostname /var/lib/docker/overlay2/71/merged/etc/hostname"
        " rw - ext4 /dev/sda1 rw",
        "40 27 8:1 /srv/containers/{id}/_data /etc rw - ext4 /dev/sda1 rw",
    ],
    ids=["its shared memory", "its file, under the folder of its root", "a folder of the same name"],
)
def test_a_container_that_the_host_lists_is_not_this_process(tmp_path: Path, line: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(line.format(id="5f" * 32) + "\n")
    assert self_protection.inside(mounts) is None


def test_a_stack_that_lists_the_controller_is_turned_down_by_name(stack: Stack) -> None:
    stack.write({"web": running(labels={LABEL: "true"}), "forge": running()}, allow=["forge", "web"])

    with pytest.raises(Rejected) as rejected:
        stack_reader.read(stack.config, settings.read_power_toml(stack.config), StackId("studio"))

    assert rejected.value.faults == [
        f"{stack.config}: stacks.studio.allow: web carries the label {LABEL}; "
        "Power Windows does not power itself: take it out"
    ]


def test_the_controller_may_be_core_since_core_is_never_touched(stack: Stack) -> None:
    stack.write({"web": running(labels={LABEL: "true"}), "forge": running()}, core=["web"], allow=["forge"])
    assert stack_reader.read(stack.config, settings.read_power_toml(stack.config), StackId("studio")).place
