"""The `docker compose` that takes down every call notices two that meet."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from chaos.shim import Shim


@pytest.fixture
def shim(tmp_path: Path) -> Shim:
    real = tmp_path / "real"
    real.write_text("#!/bin/sh\necho begun\nread _\n")
    real.chmod(0o755)
    return Shim(tmp_path, real)


def begun(shim: Shim, *words: str) -> subprocess.Popen[str]:
    """A call that has begun and ends with its input."""
    environ = dict(os.environ) | {"CHAOS_ENGINE": "a", "CHAOS_WORKER": "a1"}
    argv = [str(shim.program), "-p", "chaos-alpha", *words]
    call = subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert call.stdout
    assert call.stdout.readline() == "begun\n"
    return call


def test_a_call_is_taken_down(shim: Shim) -> None:
    begun(shim, "stop", "--", "forge").communicate()

    (call,) = shim.calls()
    assert (call.worker, call.project, call.verb, call.service) == ("a1", "chaos-alpha", "stop", "forge")
    assert call.alone


def test_a_worker_with_this_setting_uses_no_other_program(
    shim: Shim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWER_COMPOSE", str(shim.program))
    ask = "from workers.engine import compose_program; print(*compose_program.program())"
    shim.program.write_text("#!/bin/sh\n")
    completed = subprocess.run([str(shim.python), "-c", ask], capture_output=True, text=True, check=True)
    assert completed.stdout.split() == [str(shim.program)]


def test_two_calls_on_one_service_do_not_meet_unseen(shim: Shim) -> None:
    first = begun(shim, "up", "-d", "--", "forge")
    second = begun(shim, "stop", "--", "forge")

    assert [call.alone for call in shim.calls()] == [True, False]
    first.communicate()
    second.communicate()


def test_one_after_another_or_on_another_service_is_well(shim: Shim) -> None:
    first = begun(shim, "up", "-d", "--", "forge")
    begun(shim, "up", "-d", "--", "store").communicate()
    first.communicate()
    begun(shim, "stop", "--", "forge").communicate()

    assert all(call.alone for call in shim.calls())


def test_a_killed_call_lets_go(shim: Shim) -> None:
    first = begun(shim, "up", "-d", "--", "forge")
    first.kill()
    first.communicate()
    begun(shim, "up", "-d", "--", "forge").communicate()

    assert all(call.alone for call in shim.calls())


def test_a_call_without_a_service_means_all(shim: Shim) -> None:
    begun(shim, "stop").communicate()

    assert shim.calls()[0].service == "ALL"


def test_a_trial_changes_nothing_and_is_not_taken_down(shim: Shim) -> None:
    begun(shim, "--dry-run", "create", "--", "forge").communicate()

    assert shim.calls() == []
