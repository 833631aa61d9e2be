"""The example's compose file and its power.toml say the same, and need nothing from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import settings
from app.domain.stack_id import StackId
from examples.vx11 import image, stage

Compose = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def services() -> Compose:
    compose = Path(sys.executable).with_name("docker-compose")
    command = [str(compose), "--file", str(stage.HERE / "docker-compose.yml"), "config", "--format", "json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    parsed: Compose = json.loads(answer.stdout)["services"]
    return parsed


@pytest.fixture(scope="module")
def stack() -> settings.StackToml:
    return settings.read_power_toml(stage.TOML).stacks[StackId("vx11")]


def test_every_service_is_core_or_allowed(services: Compose, stack: settings.StackToml) -> None:
    assert sorted(services) == sorted([*stack.core, *stack.allow])


def test_the_core_that_the_demo_starts_is_the_core_that_is_declared(stack: settings.StackToml) -> None:
    assert tuple(stack.core) == stage.CORE
    assert stack.project == stage.PROJECT


def test_the_stack_lies_beside_its_power_toml(stack: settings.StackToml) -> None:
    assert (stack.directory, stack.node) == (stage.HERE, "local")
    assert (stack.default_ttl, stack.max_ttl) == (30 * 60, 8 * 3600)


def test_every_service_runs_the_image_that_is_built_here(services: Compose) -> None:
    assert {service["image"] for service in services.values()} == {image.NAME}
    assert {service["pull_policy"] for service in services.values()} == {"never"}
    assert not [name for name, service in services.items() if "build" in service]


def test_no_service_has_a_port_on_the_host(services: Compose) -> None:
    assert not [name for name, service in services.items() if "ports" in service]


def test_what_a_service_needs_may_be_powered_with_it(services: Compose, stack: settings.StackToml) -> None:
    needed = {need for service in services.values() for need in service.get("depends_on", {})}

    assert needed <= {*stack.core, *stack.allow}


def test_core_needs_nothing_that_is_ever_off(services: Compose, stack: settings.StackToml) -> None:
    assert {need for core in stack.core for need in services[core].get("depends_on", {})} <= set(stack.core)


def test_there_is_every_kind_of_service_to_learn_from(services: Compose) -> None:
    assert services["hermes"]["depends_on"]["switch"]["condition"] == "service_healthy"
    assert len(services["mcp"]["depends_on"]) == 2
    assert "healthcheck" not in services["spawner"]
    assert services["manifestator"]["restart"] == "on-failure"
