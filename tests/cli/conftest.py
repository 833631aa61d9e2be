"""A service on a real port, and the `power` command pointed at it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import follow, main
from tests.cli.service import TOKEN, Server, Service

Power = Callable[..., Result]


@pytest.fixture
def service() -> Iterator[Service]:
    with Server(Service()) as running:
        yield running


@pytest.fixture
def power(service: Service, tmp_path: Path) -> Power:
    """Run `power ARGUMENTS`; the result has its output and exit code."""
    environ = {"POWER_URL": service.url, "POWER_TOKEN": TOKEN, "HOME": str(tmp_path), "XDG_STATE_HOME": ""}

    def run(*arguments: str, **more: str | None) -> Result:
        result = CliRunner(env={**environ, **more}).invoke(main, list(arguments))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture(autouse=True)
def _briskly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often: what these tests wait for happens at the next look."""
    monkeypatch.setattr(follow, "READ_SECONDS", 0.02)
    monkeypatch.setattr(follow, "READ_SECONDS_WITHOUT_STREAM", 0.02)
    monkeypatch.setattr(follow, "HINT_PAUSE", 0.0)
