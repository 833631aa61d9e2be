"""A worker whose feature `intents` is off has no thread of it and publishes no intent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.intents import define
from tests.engine.stacks import Stack

HERE = Path(__file__).parents[2]
SCRIPT = """
import threading
from app import settings
from workers import runtime
context = runtime.begin(settings.load())
names = {thread.name for thread in threading.enumerate()}
print("request-loop" in names, sorted(context.stacks["studio"].spec.intents))
runtime.end()
"""


@pytest.mark.parametrize(("switch", "printed"), [("false", "False []"), ("true", "True ['hello']")])
def test_the_loop_runs_where_the_feature_is_on(stack: Stack, switch: str, printed: str) -> None:
    define(stack)
    stack.config.write_text(stack.config.read_text().replace("intents = true", f"intents = {switch}"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("POWER_")}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(
        command, cwd=HERE, env=environ | stack.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == printed
