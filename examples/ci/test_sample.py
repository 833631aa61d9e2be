"""A sample: tests that need two services, and get them for as long as they run.

pytest examples/ci -p power_windows.pytest_plugin --power-services switch,hermes
"""

from __future__ import annotations

from power_windows import Client, HeldWindow


def test_the_services_are_ready(power_window: HeldWindow) -> None:
    assert power_window.refresh().ready
    assert all(one.ready for one in power_window.now.health.values())


def test_the_same_window_serves_the_whole_run(power_window: HeldWindow, power_client: Client) -> None:
    (mine,) = [one for one in power_client.windows(state="open") if one.id == power_window.id]
    assert mine.services == power_window.services
