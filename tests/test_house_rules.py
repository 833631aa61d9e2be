"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

import celeryconfig

HERE = Path(__file__).parent.parent
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=HERE, capture_output=True, text=True, check=True
).stdout.splitlines()
OURS = [name for name in TRACKED if name.startswith(("app/", "workers/")) and name.endswith(".py")]
# Written in pieces, so that this file does not break its own rule.
REGISTRIES = ["py" + "pi.org", "python" + "hosted", "deb." + "debian", "npm" + "js"]


def test_no_package_registry_is_named_anywhere() -> None:
    named = [
        (name, host)
        for name in TRACKED
        if (path := HERE / name).is_file()
        for host in REGISTRIES
        if host in path.read_text(errors="ignore")
    ]
    assert not named


def test_versions_are_pinned_by_name_alone() -> None:
    pins = (HERE / "constraints.txt").read_text().split()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+", pin) for pin in pins)


def test_the_broker_stays_at_the_versions_that_survive_its_loss() -> None:
    pins = (HERE / "constraints.txt").read_text().split()
    assert {"celery==5.6.3", "kombu==5.7.0"} <= set(pins)


@pytest.mark.parametrize("name", OURS)
def test_every_module_says_what_it_is_for(name: str) -> None:
    tree = ast.parse((HERE / name).read_text())
    assert ast.get_docstring(tree) or not tree.body


@pytest.mark.parametrize("name", OURS)
def test_functions_are_short(name: str) -> None:
    tree = ast.parse((HERE / name).read_text())
    functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {one.name: (one.end_lineno or one.lineno) - one.lineno for one in functions}
    long = {name: lines for name, lines in lengths.items() if lines > 45}
    assert not long


def test_only_json_crosses_the_queue() -> None:
    assert celeryconfig.accept_content == ["json"]
    assert celeryconfig.task_serializer == celeryconfig.result_serializer == "json"


def test_the_broker_waits_longer_than_the_longest_task() -> None:
    visible = celeryconfig.broker_transport_options["visibility_timeout"]
    assert isinstance(visible, int)
    assert visible >= 180
    assert celeryconfig.worker_prefetch_multiplier == 1
    assert celeryconfig.task_acks_late
    assert celeryconfig.task_reject_on_worker_lost


def test_beat_never_lets_ticks_pile_up() -> None:
    for entry in celeryconfig.beat_schedule.values():
        options = entry["options"]
        assert isinstance(options, dict)
        assert options["expires"]
        assert options["queue"] == "power"
