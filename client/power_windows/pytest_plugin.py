"""A pytest plugin that holds services while tests run.

    # conftest.py, at the root
    pytest_plugins = ["power_windows.pytest_plugin"]

    # pyproject.toml
    [tool.pytest.ini_options]
    power_services = ["switch", "hermes"]

    def test_it_translates(power_window):
        ...

The first test that uses `power_window` opens a window. It is extended while tests run and closed when
the run ends, also when the run fails or is interrupted. A killed run does not extend it, so its services
go off within `power_ttl`. With pytest-xdist each worker has a window of its own, and the services stay
on until the last of them is closed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from power_windows import Client, HeldWindow

    Opener = Callable[..., HeldWindow]

DEFAULT_HOLD = "2m"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and ini settings of this plugin to pytest."""
    group = parser.getgroup("power", "Power Windows: services that are held while tests run")
    group.addoption("--power-services", metavar="NAMES", help="Services to hold: switch,hermes.")
    group.addoption("--power-stack", metavar="STACK", help="Their stack, where there are several.")
    group.addoption("--power-ttl", metavar="TTL", help="How soon they go off if the run is killed: 2m.")
    group.addoption("--power-reason", metavar="TEXT", help="The reason, for the audit trail.")
    parser.addini("power_services", "Services to hold while tests run.", type="args", default=[])
    parser.addini("power_stack", "The stack of power_services, where there are several.", default="")
    parser.addini("power_ttl", "How soon they go off if the run is killed.", default=DEFAULT_HOLD)
    parser.addini("power_reason", "The reason, for the audit trail.", default="")


@pytest.fixture(scope="session")
def power_client() -> Iterator[Client]:
    """A client of the server that POWER_URL names, else of the standalone that runs on this machine."""
    from power_windows import Client

    with Client() as client:
        yield client


@pytest.fixture(scope="session")
def power_windows(power_client: Client, pytestconfig: pytest.Config) -> Iterator[Opener]:
    """A function that opens a further window, held until the run ends: `power_windows("mcp", ttl="5m")`."""
    with ExitStack() as windows:

        def open_window(*services: str, **terms: Any) -> HeldWindow:
            return windows.enter_context(power_client.window(*services, **_terms(pytestconfig) | terms))

        yield open_window


@pytest.fixture(scope="session")
def power_window(power_windows: Opener, pytestconfig: pytest.Config) -> HeldWindow:
    """The window on the services that the options name: ready, and held until the run ends."""
    services = _services(pytestconfig)
    if not services:
        raise pytest.UsageError("power_window needs power_services in the ini file, or --power-services")
    return power_windows(*services)


def _services(config: pytest.Config) -> list[str]:
    option: str | None = config.getoption("--power-services")
    return option.replace(",", " ").split() if option else list(config.getini("power_services"))


def _terms(config: pytest.Config) -> dict[str, Any]:
    # Each worker of pytest-xdist has a session, and so a window, of its own.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    reason = config.getoption("--power-reason") or config.getini("power_reason") or "tests"
    return {
        "stack": config.getoption("--power-stack") or config.getini("power_stack") or None,
        "ttl": config.getoption("--power-ttl") or config.getini("power_ttl") or DEFAULT_HOLD,
        "reason": f"{reason} ({worker})" if worker else reason,
    }
