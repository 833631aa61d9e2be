"""`[namespaces]` of power.toml: what it means, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.stack_id import StackId
from app.settings import ConfigError
from app.settings.power_toml import PowerToml, read_power_toml

STACK = 'project = "a-studio"\nallow = ["forge"]\n'
ON = "[features]\nnamespaces = true\n"
TEAM = f"{ON}[namespaces.team_a.stacks.studio]\n{STACK}"


def parse(tmp_path: Path, text: str) -> PowerToml:
    (tmp_path / "power.toml").write_text(text)
    return read_power_toml(tmp_path / "power.toml")


def test_a_stack_of_a_namespace_has_it_in_its_id(tmp_path: Path) -> None:
    notice = '[namespaces.team_a.notices.ops]\nurl = "http://x/"\nsecret = "s"\nstacks = ["studio"]\n'
    other = '[stacks.studio]\nproject = "studio"\nallow = ["forge"]\n'
    parsed = parse(tmp_path, TEAM + notice + other)

    assert set(parsed.stacks) == {"studio", "team_a/studio"}
    assert parsed.stacks[StackId("team_a/studio")].directory == tmp_path
    assert set(parsed.notices) == {"team_a/ops"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (TEAM.removeprefix(ON), "namespaces: namespaces are off; write `namespaces = true` below [features]"),
        (TEAM.replace("team_a", "Team"), "namespaces.Team: 'Team' is no name of a namespace"),
        (TEAM.replace("team_a", "house"), "namespaces.house: 'house' is reserved"),
        (
            TEAM.replace("stacks.studio", "stacks.house"),
            "namespaces.team_a.stacks.house: 'house' is reserved",
        ),
        (TEAM.replace("stacks.studio", 'stacks."a/b"'), 'namespaces.team_a.stacks."a/b": a name has no `/`'),
        (TEAM + "[namespaces.team_a.stack]\n", "namespaces.team_a.stack: is not a setting"),
        (TEAM + "[namespaces.team_b]\n", "namespaces.team_b: has no stack"),
        (f"namespaces = 1\n{ON}[stacks.x]\n{STACK}", "namespaces: is not a table"),
        (f'[stacks."team_a/x"]\n{STACK}', 'stacks."team_a/x": write [namespaces.team_a.stacks.x]'),
        (TEAM.replace("project", "projct"), "namespaces.team_a.stacks.studio.projct: is not a setting"),
        (TEAM.replace('project = "a-studio"\n', ""), 'is missing; write project = "team_a-studio"'),
        (
            TEAM.replace("stacks.studio", f"stacks.{'x' * 120}"),
            "with its namespace it is over 120 characters",
        ),
    ],
)
def test_a_fault_names_the_key_of_the_file(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(tmp_path, text)
    assert fault in str(raised.value)


def test_a_stack_with_faults_keeps_no_other_namespace_from_being_served(tmp_path: Path) -> None:
    parsed = parse(tmp_path, TEAM + "[namespaces.team_b.stacks.vault]\nallow = []\n")

    assert set(parsed.stacks) == {"team_a/studio"}
    assert parsed.rejected[StackId("team_b/vault")].project == "vault"
    assert "namespaces.team_b.stacks.vault.allow" in parsed.rejected[StackId("team_b/vault")].faults[-1]
