"""`[namespaces]` of power.toml: what it means, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.stack_id import StackId
from app.settings import ConfigError, PowerToml, read_power_toml

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


OWN = '[stacks.lab]\nproject = "lab"\nallow = ["web"]\n'
GOOD = f"{ON}{OWN}[namespaces.team_a.stacks.studio]\n{STACK}"
B = "namespaces.team_b"
STUDIO = {"lab", "team_a/studio"}


@pytest.mark.parametrize(
    ("text", "served", "rejected", "fault"),
    [
        (f"{GOOD}[{B}]\n", STUDIO, set(), f"{B}: has no stack; write [{B}.stacks.NAME]"),
        (f"{GOOD}[namespaces]\nteam_b = 1\n", STUDIO, set(), f"{B}: has no stack"),
        (f"{GOOD}[{B}]\nstacks = 1\n", STUDIO, set(), f"{B}.stacks: is not a table"),
        (f"{GOOD}[{B}]\nstacks = []\n", STUDIO, set(), f"{B}: has no stack"),
        (f"{GOOD}[{B}.stacks.x]\n{STACK}[{B}.quota]\n", STUDIO, {"team_b/x"}, f"{B}.quota: is not a setting"),
        (
            f"{GOOD}[{B}.stacks.x]\n{STACK}[{B}.notices.n]\n",
            STUDIO,
            {"team_b/x"},
            f"{B}.notices.n: name one of",
        ),
        (
            f'{GOOD}[{B}.stacks.x]\n{STACK}[{B}.notices."a/b"]\n',
            STUDIO,
            {"team_b/x"},
            f'{B}.notices."a/b": a name has no `/`',
        ),
        (f"{GOOD}[namespaces.B.stacks.x]\n{STACK}", STUDIO, {"B/x"}, "'B' is no name of a namespace"),
        (f"{GOOD}[namespaces.house.stacks.x]\n{STACK}", STUDIO, {"house/x"}, "'house' is reserved"),
        (
            f'{GOOD}[{B}.stacks."a/b"]\n{STACK}',
            STUDIO,
            {"team_b/a/b"},
            f'{B}.stacks."a/b": a name has no `/`',
        ),
        (f"{GOOD}[{B}.stacks]\nx = 1\n", STUDIO, {"team_b/x"}, f"{B}.stacks.x"),
        (f"{OWN}[{B}.stacks.x]\n{STACK}", {"lab"}, {"team_b/x"}, "namespaces: namespaces are off"),
        (f"namespaces = 1\n{ON}{OWN}", {"lab"}, set(), "namespaces: is not a table"),
        (
            f'{GOOD}[stacks."team_a/studio"]\n{STACK}',
            {"lab"},
            {"team_a/studio"},
            'stacks."team_a/studio": write [namespaces.team_a.stacks.studio]',
        ),
        (
            f'{TEAM}[stacks."team_a/x"]\n{STACK}',
            {"team_a/studio"},
            {"team_a/x"},
            'stacks."team_a/x": write [namespaces.team_a.stacks.x]',
        ),
    ],
)
def test_a_mistake_sets_apart_only_what_it_concerns(
    tmp_path: Path, text: str, served: set[str], rejected: set[str], fault: str
) -> None:
    parsed = parse(tmp_path, text)

    assert (set(parsed.stacks), set(parsed.rejected)) == (served, rejected)
    assert all(line.startswith(f"{tmp_path / 'power.toml'}: ") for line in parsed.set_apart_faults)
    assert any(fault in line for line in parsed.set_apart_faults), parsed.set_apart_faults
    assert not any(parsed.sets_apart(StackId(name)) for name in served)
    assert all(parsed.sets_apart(StackId(name)) for name in rejected)


def test_a_namespace_with_faults_has_no_notices_and_no_intents(tmp_path: Path) -> None:
    sinks = "".join(
        f'[namespaces.{one}.notices.ops]\nurl = "http://x/"\nsecret = "s"\n' for one in ("team_a", "team_b")
    )
    intent = '[intents.x]\nstack = "team_b/gone"\nservices = ["forge"]\n'
    parsed = parse(tmp_path, f"{GOOD}{sinks}{intent}[{B}.stacks.x]\n{STACK}[{B}.typo]\n")

    assert set(parsed.notices) == {"team_a/ops"}
    assert not parsed.intents
    assert parsed.sets_apart(StackId("team_b/gone"))


def test_faults_of_what_no_stack_may_be_called_are_named_apart(tmp_path: Path) -> None:
    parsed = parse(tmp_path, f"{GOOD}[{B}]\n[namespaces.team_c.stacks.x]\nallow = []\n")

    assert [line.rpartition(": ")[2] for line in parsed.unlisted_faults] == [
        f"has no stack; write [{B}.stacks.NAME]"
    ]
