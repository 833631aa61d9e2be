"""Every command on the pages of tutorial and how-tos, run in order on the page's own files and containers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.vx11 import image
from tests.engine.stacks import docker, running
from tests.standalone.whole_standalone import Standalone

HERE = Path(__file__).parents[2]
DOCS = HERE / "docs"
PAGES = sorted(
    path
    for path in [DOCS / "tutorial.md", *(DOCS / "how-to").glob("*.md")]
    if "```console" in path.read_text()
)
"""The pages with commands of a shell."""
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SERVICE = "power standalone --config power.toml"
SET_UP = {"make install", ". .venv/bin/activate", "python examples/vx11/image.py"}
INIT = "power init -y"
"""What has been done where tests run at all; tests/bin and `.ci/run` do it on their own."""
WINDOW = "3f2a"
"""Stands for the newest window's id."""
REQUEST = "5d2e28e635d68afc"
"""Stands for the id of the newest request for an intent."""


class Page:
    """A page's files in a directory of its own, and what its commands do there."""

    def __init__(self, path: Path, home: Path) -> None:
        self.blocks = BLOCK.findall(path.read_text())
        self.system = Standalone(home)
        self.project = f"docs-{path.stem}-{os.getpid()}"
        self.projects = [self.project]
        for kind, title, text in self.blocks:
            if title:
                target = self.system.directory / title
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(self._file(kind, text))

    @property
    def commands(self) -> list[str]:
        lines = [line for kind, _, text in self.blocks if kind == "console" for line in text.splitlines()]
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]

    def _file(self, kind: str, text: str) -> str:
        if kind == "toml":
            return re.sub(r'(?m)^project(\s*)= "(\w+)"', self._project_line, text)
        if kind == "dockerfile":
            return re.sub(r"(?m)^FROM .*$", f"FROM {image.NAME}", text)
        if kind == "python":
            return text
        services: dict[str, Any] = yaml.safe_load(text)["services"]
        return yaml.safe_dump({"services": {name: _runnable(one) for name, one in services.items()}})

    def _project_line(self, line: re.Match[str]) -> str:
        """The line with a project of this test's own; on a page with several, each has its own."""
        named = re.findall(r'(?m)^project\s*= "(\w+)"', "".join(text for _, _, text in self.blocks))
        self.projects = [f"{self.project}-{name}" for name in named] if len(named) > 1 else [self.project]
        return f'project{line[1]}= "{self.projects[named.index(line[2])]}"'

    def run(self, command: str) -> None:
        if command in SET_UP:
            return
        if command == SERVICE:
            self.system.start()
            return
        words = command.replace(WINDOW, self._newest()) if WINDOW in command else command
        words = words.replace(REQUEST, self._newest_request()) if REQUEST in command else words
        if words == INIT:
            words = f"{INIT} --force -p {self.project}"
        words = re.sub(r"\bdocker[ -]compose -p \w+", f"docker-compose -p {self.project}", words)
        done = self._shell(words)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"

    def _shell(self, words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", words],
            cwd=self.system.directory,
            env=self._environ(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _environ(self) -> Mapping[str, str]:
        tools = self.system.directory / "tools"
        tools.mkdir(exist_ok=True)
        power = tools / "power"
        power.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'from app.cli import main; main()' \"$@\"\n")
        power.chmod(0o755)
        examples = self.system.directory / "examples"
        if not examples.exists():
            examples.symlink_to(HERE / "examples")
        environ = {name: value for name, value in os.environ.items() if not name.startswith("POWER_")}
        environ["PATH"] = f"{tools}:{Path(sys.executable).parent}:{environ['PATH']}"
        environ |= {"PYTHONPATH": str(HERE), "POWER_DATA_DIR": str(self.system.data)}
        if self.system.process:
            front = self.system.front()
            environ |= {"POWER_URL": front.url, "POWER_TOKEN": front.token}
        return environ

    def _newest(self) -> str:
        listed = yaml.safe_load(self._shell("power windows --json").stdout)
        newest: dict[str, str] = listed["items"][0] if isinstance(listed, dict) else listed[0]
        return newest["id"][:8]

    def _newest_request(self) -> str:
        listed = yaml.safe_load(self._shell("power want --json").stdout)
        return str(listed["requests"][0]["id"])

    def running(self) -> set[str]:
        form = '{{.Label "com.docker.compose.service"}}'
        return {name for label in self._labels for name in docker("ps", *label, "--format", form).split()}

    @property
    def core(self) -> set[str]:
        match = re.search(
            r"^core\s*= \[(.*?)\]",
            (self.system.directory / "power.toml").read_text(),
            re.MULTILINE | re.DOTALL,
        )
        return set(re.findall(r'"(\w+)"', match[1])) if match else set()

    @property
    def _labels(self) -> list[tuple[str, str]]:
        return [("--filter", f"label=com.docker.compose.project={project}") for project in self.projects]

    def clear(self) -> None:
        self.system.clear()
        kinds = ((["ps", "-a"], ["rm", "-f"]), (["network", "ls"], ["network", "rm"]))
        for label, (kind, remove) in product(self._labels, kinds):
            if left := docker(*kind, "-q", *label).split():
                docker(*remove, *left)
        images = docker("images", "--format", "{{.Repository}}").split()
        if built := [name for name in images if name.startswith(f"{self.project}-")]:
            docker("rmi", "-f", *built)


def _runnable(service: dict[str, Any]) -> dict[str, Any]:
    """The same service on an image that is at hand, without what goes with its own."""
    if service.get("image") == image.NAME:
        return service
    needs = service.get("depends_on", [])
    conditions = {name: {"condition": "service_started"} for name in needs}
    if "build" in service:
        return {"build": service["build"], "init": True, "stop_grace_period": "1s", "depends_on": conditions}
    grace = {name: service[name] for name in ("stop_grace_period",) if name in service}
    return running() | grace | ({"depends_on": conditions} if conditions else {})


@pytest.fixture(params=PAGES, ids=lambda path: path.stem)
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    image.ensure()
    page = Page(request.param, tmp_path)
    try:
        yield page
    finally:
        page.clear()


def test_every_command_does_what_the_page_says(page: Page) -> None:
    assert SERVICE in page.commands
    for command in page.commands:
        page.run(command)
    assert page.running() == page.core


def test_the_site_is_built_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environ = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=HERE, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.html")}
    assert {"index.html", "tutorial.html", "reference/rest.html", "reference/words.html"} <= made
    assert "POST /api/v1/windows" in (tmp_path / "site/reference/rest.html").read_text()
    outside = re.compile(r"<(?:script|link)[^>]+(?:src|href)=\"https?://")
    assert not [name for name in made if outside.search((tmp_path / "site" / name).read_text())]
