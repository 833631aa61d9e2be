"""The client is a distribution of its own: it needs httpx, and leaves a user's own package `app` alone."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from tests import wheels
from tests.cli.api_bodies import ON, window
from tests.cli.service import TOKEN, Service
from tests.wheels import ROOT, Environment

pytestmark = pytest.mark.integration

TEST_OF_USER = """
from pathlib import Path

import app
import power_windows


def test_app_is_the_projects_own():
    assert Path(app.__file__) == Path(__file__).parent / "app" / "__init__.py"
    assert app.NAME == "the user's"


def test_the_service_is_held(power_window):
    assert power_window.now.ready
    assert "site-packages" in power_windows.__file__
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A virtual environment with the client's wheel and pytest."""
    folder = tmp_path_factory.mktemp("client")
    return Environment(folder / "venv", [wheels.build_client(folder / "wheel")], tools=["pytest"])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that has a package `app` of its own and uses the pytest plugin."""
    files = {
        "app/__init__.py": 'NAME = "the user\'s"\n',
        "conftest.py": 'pytest_plugins = ["power_windows.pytest_plugin"]\n',
        "pytest.ini": "[pytest]\npower_services = switch\naddopts = -p no:cacheprovider\n",
        "test_project.py": TEST_OF_USER,
    }
    for name, text in files.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "project"


def environ_without_checkout(**settings: str) -> dict[str, str]:
    """Return this process's environment without settings of pytest, Python and Power Windows."""
    foreign = ("PYTEST_", "PYTHON", "POWER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | settings


def test_a_project_with_its_own_app_uses_the_plugin(
    environment: Environment, project: Path, service: Service
) -> None:
    service.opens_as = window()
    service.course("3f2a9c1d00", {"state": "open", "status": "ok", "health": {"switch": ON}})
    environ = environ_without_checkout(POWER_URL=service.url, POWER_TOKEN=TOKEN)

    output = wheels.run(str(environment.python), "-m", "pytest", cwd=project, environ=environ)

    assert "2 passed" in output
    assert service.requests("POST", "/windows")[0].body["services"] == ["switch"]
    assert [one.body["reason"] for one in service.requests("POST", "/windows/3f2a9c1d00/close")] == [
        "its block ended"
    ]


def test_the_client_installs_one_module_and_loads_nothing_of_the_server(
    environment: Environment, tmp_path: Path
) -> None:
    modules = [path.stem for path in sorted((ROOT / "client/power_windows").glob("*.py"))]
    imports = "; ".join(f"import power_windows.{module}" for module in modules if module != "__init__")
    foreign = "{'app', 'workers', 'migrations', 'flask'}"
    code = f"import sys; {imports}; print(sorted({foreign} & set(sys.modules)))"

    output = wheels.run(str(environment.python), "-c", code, cwd=tmp_path, environ=environ_without_checkout())

    assert output == "[]\n"
    assert (environment.site_packages / "power_windows/py.typed").is_file()
    assert not (environment.site_packages / "app").exists()


def test_the_server_asks_for_the_version_of_the_client_beside_it() -> None:
    client = tomllib.loads((ROOT / "client/pyproject.toml").read_text())["project"]
    server = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert f"power-windows-client=={client['version']}" in server["dependencies"]
    assert [text.partition(">")[0] for text in client["dependencies"]] == ["httpx"]
