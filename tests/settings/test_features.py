"""Optional features: off unless `[features]` or POWER_FEATURES switches them on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from app import settings
from app.cli.doctor import doctor
from app.domain.features import Features
from app.settings import ConfigError, read_power_toml

STACK = '[stacks.lab]\nproject = "lab"\nallow = ["web"]\n'


def write(directory: Path, text: str) -> Path:
    path = directory / "power.toml"
    path.write_text(STACK + text)
    return path


def environ_of(path: Path, **more: str) -> dict[str, str]:
    return {"POWER_DATA_DIR": str(path.parent), "POWER_CONFIG": str(path), **more}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", Features()),
        ("[features]\n", Features()),
        ("[features]\nintents = true\n", Features(intents=True)),
        ("[features]\nintents = false\nnamespaces = true\n", Features(namespaces=True)),
    ],
)
def test_a_feature_is_on_where_the_file_says_true(tmp_path: Path, table: str, expected: Features) -> None:
    path = write(tmp_path, table)

    assert read_power_toml(path).features == expected
    assert settings.load(environ_of(path)).features == expected


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("intent = true", "features.intent: is no feature; did you mean intents?"),
        ("zzz = true", "features.zzz: is no feature; there is intents, namespaces"),
        ("intents = 1", "features.intents: 1 is neither true nor false"),
        ('intents = "true"', "features.intents: 'true' is neither true nor false"),
    ],
)
def test_a_fault_names_the_key_and_what_would_be_right(tmp_path: Path, line: str, fault: str) -> None:
    path = write(tmp_path, f"[features]\n{line}\n")

    with pytest.raises(ConfigError) as caught:
        read_power_toml(path)

    assert caught.value.faults == [f"{path}: {fault}"]
    assert settings.load(environ_of(path)).features == Features()


@pytest.mark.parametrize("text", ["features = 1", "[features", "[features]\nintents = 1"])
def test_a_file_with_faults_switches_nothing_on(tmp_path: Path, text: str) -> None:
    path = tmp_path / "power.toml"
    path.write_text(text)
    assert settings.load(environ_of(path)).features == Features()


def test_a_process_without_the_file_has_them_from_its_environment(tmp_path: Path) -> None:
    missing = tmp_path / "power.toml"

    assert settings.load(environ_of(missing)).features == Features()
    assert settings.load(environ_of(missing, POWER_FEATURES="intents, namespaces")).features == Features(
        namespaces=True, intents=True
    )
    present = write(tmp_path, "[features]\nintents = true\n")
    assert settings.load(environ_of(present, POWER_FEATURES="none")).features == Features()


def test_an_unknown_name_in_the_environment_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(settings.VariableError, match="'intent' is no feature; did you mean intents"):
        settings.load(environ_of(tmp_path / "power.toml", POWER_FEATURES="intent"))


@pytest.mark.integration
def test_the_doctor_says_what_is_off_and_how_to_switch_it_on(tmp_path: Path) -> None:
    path = write(tmp_path, "[features]\nintents = true\n")
    environ = environ_of(path, POWER_DATABASE_URL="", POWER_BROKER_URL="", DOCKER_HOST="tcp://127.0.0.1:1")

    lines = CliRunner().invoke(doctor, [], env=environ).output.splitlines()

    assert [line for line in lines if " features " in line] == [
        "ok     features  namespaces: off; to switch it on, "
        "write `namespaces = true` below [features] in power.toml and restart the service",
        "ok     features  intents: on",
    ]
    report = json.loads(CliRunner().invoke(doctor, ["--json"], env=environ).output)
    assert report["features"] == {"namespaces": False, "intents": True}
