"""`power init`: what it writes is served as it is, and what keeps it from writing is one clear line."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.domain.stack_id import StackId
from app.settings import read_power_toml
from app.standalone import stack_probes
from tests.conftest import NO_ENGINE

pytestmark = pytest.mark.integration

POWER = [sys.executable, "-c", "from app.cli import main; main()"]
SHOP = """
services:
  proxy: {image: nginx, depends_on: [app]}
  db: {image: "postgres:16"}
  migrate: {image: shop/app, depends_on: [db]}
  app:
    build: .
    container_name: shop
    depends_on: {migrate: {condition: service_completed_successfully}, db: {condition: service_healthy}}
  vpn: {image: gluetun}
  torrent: {image: qbittorrent, network_mode: "service:vpn"}
"""
ODD = """
name: link
services:
  "-x": {image: a}
  web.one: {image: "a:${TAG}", depends_on: [store]}
  store: {image: b, profiles: [data]}
  cloud: {provider: {type: awesomecloud}}
  ours: {image: a, labels: {power-windows.controller: "true"}}
  long: {image: a, stop_grace_period: 30h}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    for name in ("COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", "POWER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "shop"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def power(*arguments: str) -> tuple[int, str]:
    """The exit code, and output and errors together."""
    result = CliRunner().invoke(main, ["init", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def faults(path: Path) -> list[str]:
    (name,) = read_power_toml(path).stacks
    return stack_probes.read_stack(path, name, {"DOCKER_HOST": NO_ENGINE}).faults


def test_the_proposal_is_written_with_what_is_particular_and_the_next_commands(folder: Path) -> None:
    (folder / "compose.yaml").write_text(SHOP)

    code, output = power("-y")

    assert (code, faults(folder / "power.toml")) == (0, [])
    stack = read_power_toml(folder / "power.toml").stacks[StackId("shop")]
    assert (stack.core, stack.allow) == (["db", "proxy"], ["app", "migrate", "torrent", "vpn"])
    for words in (
        "migrate is a one-shot",
        "network_mode: service:vpn",
        "container_name: app (shop)",
        "app cannot start before it is healthy",
        'test: ["CMD-SHELL", "pg_isready -U $${POSTGRES_USER:-postgres}"]',
        "not checked: the engine does not answer",
    ):
        assert words in output
    first, second, third = [line.split("#")[0].strip() for line in output.splitlines()[-3:]]
    assert first.endswith("up -d --no-deps db proxy")
    assert (second, third) == ("power standalone --config power.toml", "power open app --ttl 30m")


def test_what_cannot_be_powered_is_left_out_and_the_rest_loads(folder: Path) -> None:
    (folder / "a.yml").write_text(ODD)
    (folder / "b.yml").write_text('services: {tool: {image: "a:${TAG}", profiles: [x]}}')
    (folder / ".env").write_text('COMPOSE_FILE="a.yml:b.yml"\nCOMPOSE_PROFILES=x\nTAG=3\n')

    assert power("-y")[0] == 0

    stack = read_power_toml(folder / "power.toml").stacks[StackId("link-stack")]
    assert (stack.project, stack.files, stack.profiles) == ("link", ["a.yml", "b.yml"], ["x", "data"])
    assert (stack.core, stack.allow) == ([], ["store", "tool", "web.one"])
    assert "#   cloud: is a provider service" in (folder / "power.toml").read_text()
    assert faults(folder / "power.toml") == []


def test_a_file_above_and_an_output_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "docker-compose.yml").write_text("services: {web: {image: a}}")
    (folder / "docker-compose.override.yml").write_text("services: {db: {image: mysql}}")
    (folder / "deep").mkdir()
    monkeypatch.chdir(folder / "deep")
    (folder / "deep/.env").write_text("X=1")

    assert power("-y", "-o", "../../power.toml")[0] == 0

    stack = read_power_toml(folder.parent / "power.toml").stacks[StackId("shop")]
    assert (stack.directory, stack.allow) == (folder.resolve(), ["db", "web"])
    assert (stack.files, stack.env_files) == (
        ["docker-compose.yml", "docker-compose.override.yml"],
        ["deep/.env"],
    )


@pytest.mark.parametrize(
    ("content", "arguments", "code", "words"),
    [
        (None, ["-y"], 2, "no compose file in"),
        ("services: {web: {image: a}}", [], 2, "`power init -y` takes the proposal"),
        ("services: {web: {imagee: a}}", ["-y"], 1, "the compose files cannot be used: validating"),
        ("services: {}", ["-y"], 1, "no service can be powered"),
        ("services: {web: {image: a, scale: 0}}", ["-y"], 1, "web: has 0 replicas"),
        (
            "services: {web: {image: a, secrets: [tok]}}\nsecrets: {tok: {environment: TOK_NOT_SET}}",
            ["-y"],
            1,
            "variable TOK_NOT_SET is not set",
        ),
        ("services: {web: {image: a}}", ["-y", "-o", "absent/power.toml"], 1, "cannot be written"),
        ("services: {web: {image: a}}", ["-y", "-f", "absent.yml"], 1, "absent.yml"),
        ("services: {web: {image: a}}", ["-y", "-f", "-"], 1, "standard input"),
        ("services: {web: {image: a}}", ["-y", "-p", "My.Shop"], 1, "My.Shop"),
    ],
)
def test_what_keeps_it_from_writing_is_named(
    folder: Path, content: str | None, arguments: list[str], code: int, words: str
) -> None:
    if content:
        (folder / "compose.yaml").write_text(content)
    before = sorted(folder.iterdir())

    ended, output = power(*arguments)

    assert (ended, words in output) == (code, True), output
    assert sorted(folder.iterdir()) == before


def test_without_compose_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWER_COMPOSE", "/bin/false")

    code, output = power("-y")

    assert (code, "install the plugin" in output) == (1, True)


def test_a_file_that_is_there_stays_unless_forced(folder: Path) -> None:
    (folder / "compose.yaml").write_text(SHOP)
    (folder / "power.toml").write_text("mine")
    (folder / "power.toml").chmod(0o640)

    code, output = power("-y")
    assert (code, "--force replaces it" in output) == (2, True)
    assert (folder / "power.toml").read_text() == "mine"

    assert power("-y", "--force")[0] == 0
    assert faults(folder / "power.toml") == []
    assert (folder / "power.toml").stat().st_mode & 0o777 == 0o640


def test_on_a_terminal_it_asks_and_takes_what_is_chosen(folder: Path) -> None:
    services = "web: {image: a, depends_on: [db]}, db: {image: b}, x: {image: c}"
    (folder / "compose.yaml").write_text(f"services: {{{services}}}")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*POWER, "init"], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True
    )
    # The roles of db, web and x; db is needed by web.
    os.write(ours, b"edit\nn\na\nn\nyes\n")

    output, _ = process.communicate(timeout=60)

    assert (process.returncode, output.count("Write this?")) == (0, 2), output
    assert read_power_toml(folder / "power.toml").stacks[StackId("shop")].allow == ["db", "web"]
    assert faults(folder / "power.toml") == []
