"""A compose file and the installed wheels: the first window is open within two minutes."""

from __future__ import annotations

import time
from pathlib import Path

from examples.first_hour.__main__ import LIMIT, first_window
from tests import wheels
from tests.wheels import Environment


def test_a_new_user_has_a_window_within_two_minutes(tmp_path: Path) -> None:
    built = [wheels.build_server(tmp_path / "server"), wheels.build_client(tmp_path / "client")]
    # The installation counts; the wheels come from an index.
    began = time.monotonic()
    environment = Environment(tmp_path / "venv", built)

    assert first_window(environment.program("power"), began) < LIMIT
