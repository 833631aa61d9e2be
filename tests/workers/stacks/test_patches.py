"""Patches: the smallest change of a real file, or none where the place is not certain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from app.domain.diagnosis.evidence import Evidence
from app.domain.diagnosis.rules import PatchTemplate
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from workers.engine.compose import ComposeFiles
from workers.stacks import patches
from workers.stacks.stack_reader import Served

COMPOSE = """\
# The studio.
services:
  forge:
    # made by hand
    image: forge
    healthcheck:
      test: ["CMD", "true"]
      start_period: 1s   # too short?
  mill: {image: mill, init: false}
"""


def test_an_entry_is_added_and_the_rest_of_the_file_stays() -> None:
    after = patches.set_in_service(COMPOSE, "forge", ["init"], True)

    assert after
    assert yaml.safe_load(after)["services"]["forge"]["init"] is True
    assert [line for line in after.splitlines() if line not in COMPOSE.splitlines()] == ["    init: true"]


def test_an_entry_that_is_there_is_replaced() -> None:
    after = patches.set_in_service(COMPOSE, "forge", ["healthcheck", "start_period"], "60s")

    assert after == COMPOSE.replace("start_period: 1s", 'start_period: "60s"')


def test_an_entry_of_a_section_that_is_missing_is_added_with_it() -> None:
    after = patches.set_in_service(
        "services:\n  forge:\n    image: x\n", "forge", ["healthcheck", "timeout"], "5s"
    )

    assert after
    assert yaml.safe_load(after)["services"]["forge"] == {"image": "x", "healthcheck": {"timeout": "5s"}}


def test_a_file_in_flow_style_stays_so() -> None:
    replaced = patches.set_in_service(COMPOSE, "mill", ["init"], True)
    added = patches.set_in_service(
        json.dumps({"services": {"forge": {"image": "x"}}}, indent=1), "forge", ["init"], True
    )

    assert replaced == COMPOSE.replace("init: false", "init: true")
    assert added
    assert json.loads(added) == {"services": {"forge": {"init": True, "image": "x"}}}


@pytest.mark.parametrize("service", ["other", "services"])
def test_a_service_that_the_file_does_not_have_is_not_patched(service: str) -> None:
    assert patches.set_in_service(COMPOSE, service, ["init"], True) is None


def test_a_value_under_a_plain_value_is_not_set() -> None:
    assert patches.set_in_service(COMPOSE, "forge", ["image", "name"], "x") is None


def test_a_line_goes_before_the_end_of_the_last_stage() -> None:
    dockerfile = "FROM a AS build\nCMD x\nFROM b\nCOPY . .\nUSER app\nCMD y"

    after = patches.add_to_last_stage(dockerfile, "RUN chmod +x /entry.sh")

    assert after == "FROM a AS build\nCMD x\nFROM b\nCOPY . .\nRUN chmod +x /entry.sh\nUSER app\nCMD y"


def test_a_line_is_added_at_the_end_where_the_stage_has_no_end() -> None:
    assert patches.add_to_last_stage("FROM b\nCOPY . .", "RUN x") == "FROM b\nCOPY . .\nRUN x\n"


def target(tmp_path: Path, compose: str, **environment: str) -> patches.PatchTarget:
    (tmp_path / "docker-compose.yml").write_text(compose)
    place = ComposeFiles("studio", tmp_path, ("docker-compose.yml",))
    config = {"services": {"forge": {"environment": environment}}}
    evidence = Evidence(StackId("studio"), "forge")
    return patches.PatchTarget(
        Served(StackSpec(StackId("studio"), "studio", "local", {}), place), evidence, config, tmp_path
    )


INIT = PatchTemplate("compose", "init", "true")


def test_a_diff_shows_no_value_of_a_variable(tmp_path: Path) -> None:
    compose = "services:\n  forge:\n    image: x\n    environment:\n      URL: here-it-is\n"

    patch = patches.make_patch(target(tmp_path, compose, URL="here-it-is"), INIT)

    assert patch
    assert "+    init: true" in patch.diff
    assert "here-it-is" not in patch.diff


def test_there_is_no_diff_where_a_value_is_beside_the_change(tmp_path: Path) -> None:
    compose = "services:\n  forge:\n    environment: {URL: here-it-is}\n"

    assert patches.make_patch(target(tmp_path, compose, URL="here-it-is"), INIT) is None


TOML = '[stacks.studio]\nallow = ["forge"]\n'


def test_a_setting_of_a_service_is_added_to_power_toml() -> None:
    new = patches.set_in_toml(TOML, StackId("studio"), "forge", "oneshot", "true")
    section = f'{TOML}\n[stacks.studio.services.forge]\nup_timeout = "9s"\n'
    there = patches.set_in_toml(section, StackId("studio"), "forge", "oneshot", "true")

    assert new == f"{TOML}\n[stacks.studio.services.forge]\noneshot = true\n"
    assert there == section.replace("up_timeout", "oneshot = true\nup_timeout")


def test_a_setting_that_is_there_already_is_not_set_again() -> None:
    section = f"{TOML}\n[stacks.studio.services.forge]\noneshot = false\n"

    assert patches.set_in_toml(section, StackId("studio"), "forge", "oneshot", "true") is None
    assert (
        patches.set_in_toml("[stacks.studio]\nservices = {}\n", StackId("studio"), "forge", "oneshot", "true")
        is None
    )
