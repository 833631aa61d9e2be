"""`power diagnose`: what is shown, what is written, and which exit code says how it went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli import output, patch_trial
from app.cli.patch_trial import TrialResult
from power_windows import Diagnosis
from tests.cli import api_bodies as spoken
from tests.cli.conftest import Power
from tests.cli.service import Service

DIFF = "--- a/Dockerfile\n+++ b/Dockerfile\n@@ -1 +1,2 @@\n FROM x\n+COPY switch /app/switch/\n"


def cause(word: str = "missing-module", **facts: Any) -> dict[str, Any]:
    return {
        "cause": word,
        "title": "The Python module switch is missing in the image",
        "confidence": 0.95,
        "evidence": ["ModuleNotFoundError: No module named 'switch'"],
        "suggestion": "Add switch to the image.",
        "rule": "python-module-missing",
        "source": "program.toml",
        "patch": {"file": "Dockerfile", "diff": DIFF, "directory": "/srv"},
    } | facts


def diagnosis(*causes: dict[str, Any]) -> dict[str, Any]:
    at = "2026-03-01T10:00:00.000Z"
    return {"stack": "vx11", "service": "switch", "window": None, "at": at, "causes": list(causes)}


@pytest.fixture
def failing(service: Service) -> Service:
    failing = spoken.service("switch", "failing", diagnosis=diagnosis(cause()))
    service.stacks = [spoken.stack(services=[failing, spoken.service("hermes", "on")])]
    return service


@pytest.mark.usefixtures("failing")
def test_without_a_name_every_failing_service_has_a_line(power: Power) -> None:
    result = power("diagnose")

    assert result.exit_code == 0
    assert "vx11/switch" in result.stdout
    assert "missing-module" in result.stdout
    assert "95%" in result.stdout
    assert "hermes" not in result.stdout


@pytest.mark.usefixtures("failing")
def test_json_is_as_the_api_says_it(power: Power) -> None:
    assert json.loads(power("diagnose", "--json").stdout) == {"items": [diagnosis(cause())]}


def test_nothing_that_fails_is_no_error(power: Power, service: Service) -> None:
    service.stacks = [spoken.stack(services=[spoken.service("hermes", "on")])]

    result = power("diagnose")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing that fails" in result.stderr


def test_the_last_window_that_failed_is_named_with_its_status_and_time(
    power: Power, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "live", lambda: True)
    service.stacks = [spoken.stack(services=[spoken.service("hermes", "on")])]
    service.add(spoken.window("77aa", state="open", status="partial"))
    service.diagnoses["77aa"] = [diagnosis(cause()) | {"window": "77aa"}]

    result = power("diagnose")

    assert "this is what failed in window 77aa (partial)" in result.stderr
    assert "found in window 77aa at 2026-03-01T10:00:00.000Z" in result.stdout


@pytest.mark.usefixtures("failing")
def test_apply_writes_a_file_and_changes_no_other(
    power: Power, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = power("diagnose", "--apply")

    assert result.exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["vx11-switch-missing-module.patch"]
    assert (tmp_path / "vx11-switch-missing-module.patch").read_text() == DIFF


def test_a_patch_of_a_stack_of_a_namespace_is_a_file_of_this_directory(
    power: Power, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failing = spoken.service("switch", "failing", diagnosis=diagnosis(cause()) | {"stack": "team_a/vx11"})
    service.stacks = [spoken.stack("team_a/vx11", services=[failing])]

    assert power("diagnose", "--apply").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["team_a-vx11-switch-missing-module.patch"]


def test_nothing_to_apply_exits_1(power: Power, service: Service) -> None:
    unknown = cause("unknown", patch=None, rule="", confidence=0.0)
    failing = spoken.service("switch", "failing", diagnosis=diagnosis(unknown))
    service.stacks = [spoken.stack(services=[failing])]

    result = power("diagnose", "--apply")

    assert (result.exit_code, "no patch is suggested" in result.stderr) == (1, True)


def test_a_service_of_two_stacks_has_to_be_distinguished(power: Power, service: Service) -> None:
    service.stacks = [spoken.stack(name, services=[spoken.service("switch")]) for name in ("one", "two")]

    result = power("diagnose", "switch")

    assert (result.exit_code, "-s one or -s two" in result.stderr) == (2, True)


def test_a_program_gets_values() -> None:
    read = Diagnosis.of(diagnosis(cause(), cause("permission", patch=None)))

    assert [(one.cause, one.patch) for one in read.causes] == [("missing-module", DIFF), ("permission", "")]
    assert read.causes[0].evidence == ("ModuleNotFoundError: No module named 'switch'",)


@pytest.mark.parametrize(("namespace", "tried"), [(None, "vx11"), ("team_a", "team_a/vx11")])
def test_verify_tries_the_stack_of_the_namespace_of_the_token(
    power: Power,
    failing: Service,
    monkeypatch: pytest.MonkeyPatch,
    namespace: str | None,
    tried: str,
) -> None:
    if namespace:
        failing.stacks[0]["namespace"] = namespace
    stacks: list[str] = []

    def try_patch(_config: Path, stack: str, *_rest: Any) -> TrialResult:
        stacks.append(stack)
        return TrialResult(True, "its healthcheck says healthy")

    monkeypatch.setattr(patch_trial, "try_patch", try_patch)

    result = power("diagnose", "--verify")

    assert (result.exit_code, stacks) == (0, [tried])
    assert "vx11/switch: cured" in result.stderr
