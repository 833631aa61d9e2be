"""Services held for the length of a test run.

    # conftest.py, at the root
    pytest_plugins = ["power_windows.pytest_plugin"]

    # pyproject.toml
    [tool.pytest.ini_options]
    power_services = ["switch", "hermes"]

    def test_it_translates(power_window):
        ...

The first test that asks for `power_window` opens a window; it is kept while tests run and
closed when the last is done, has failed, or was interrupted. A run that is killed extends it
no more, so the services are let go of within `power_ttl`. With pytest-xdist each worker has a
window of its own, and the services stay on until the last is done.
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

TTL = "2m"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("power", "Power Windows: services held while tests run")
    group.addoption("--power-services", metavar="NAMES", help="Services to hold: switch,hermes.")
    group.addoption("--power-stack", metavar="STACK", help="Their stack, where there are several.")
    group.addoption("--power-ttl", metavar="TTL", help="How soon they are let go if the run is killed: 2m.")
    group.addoption("--power-reason", metavar="TEXT", help="What for; it goes on record.")
    parser.addini("power_services", "Services to hold while tests run.", type="args", default=[])
    parser.addini("power_stack", "The stack of power_services, where there are several.", default="")
    parser.addini("power_ttl", "How soon they are let go if the run is killed.", default=TTL)
    parser.addini("power_reason", "What for; it goes on record.", default="")


@pytest.fixture(scope="session")
def power_client() -> Iterator[Client]:
    """The service that POWER_URL names, or the standalone that runs here."""
    from power_windows import Client

    with Client() as client:
        yield client


@pytest.fixture(scope="session")
def power_windows(power_client: Client, pytestconfig: pytest.Config) -> Iterator[Opener]:
    """Open further windows, held until the run ends: `power_windows("mcp", ttl="5m")`."""
    with ExitStack() as held:

        def opened(*services: str, **terms: Any) -> HeldWindow:
            return held.enter_context(power_client.window(*services, **_terms(pytestconfig) | terms))

        yield opened


@pytest.fixture(scope="session")
def power_window(power_windows: Opener, pytestconfig: pytest.Config) -> HeldWindow:
    """The services that the options name, ready, and held until the run ends."""
    services = _services(pytestconfig)
    if not services:
        raise pytest.UsageError("power_window needs power_services in the ini file, or --power-services")
    return power_windows(*services)


def _services(config: pytest.Config) -> list[str]:
    given: str | None = config.getoption("--power-services")
    return given.replace(",", " ").split() if given else list(config.getini("power_services"))


def _terms(config: pytest.Config) -> dict[str, Any]:
    # pytest-xdist says which of its workers this is; each has a session, and so a window, of its own.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    reason = config.getoption("--power-reason") or config.getini("power_reason") or "tests"
    return {
        "stack": config.getoption("--power-stack") or config.getini("power_stack") or None,
        "ttl": config.getoption("--power-ttl") or config.getini("power_ttl") or TTL,
        "reason": f"{reason} ({worker})" if worker else reason,
    }
