"""The unit tier has no test that needs an engine, a browser or a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
HERE = Path(__file__).parent.parent


def _chosen(*folders: str) -> list[str]:
    argv = [sys.executable, "-m", "pytest", "--unit", "--collect-only", "-q", *folders]
    done = subprocess.run(argv, cwd=HERE, capture_output=True, text=True, check=False)
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_no_test_of_an_engine_or_browser_is_a_unit_test() -> None:
    assert _chosen("tests/engine", "tests/browser", "tests/smoke", "tests/standalone", "tests/nodes") == []


def test_a_test_on_both_databases_is_a_unit_test_on_sqlite_alone() -> None:
    chosen = _chosen("tests/usecases/windows/test_settle.py")
    assert chosen
    assert all("sqlite" in name for name in chosen if "[" in name)
