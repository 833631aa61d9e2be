"""One deployment of the top-level docker-compose.yml under a name and ports of its own, and a stack for it.

What runs is asked of the engine; what people see is asked of the two published ports.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.models.containers import Container

from examples.vx11 import image

ROOT = Path(__file__).parents[2]
COMPOSE = Path(sys.executable).with_name("docker-compose")
LONG_RUNNING = {"web", "worker", "beat", "flower", "redis", "postgres"}
_TOML = """\
[stacks.studio]
project = "{project}"
files = ["compose.json"]
core = ["hearth"]
allow = ["forge"]

[stacks.itself]
project = "{own}"
files = ["itself.json"]
allow = ["web"]

[stacks.private]
project = "{project}-private"
directory = "private"
files = ["compose.json"]
allow = ["forge"]
"""


class Site:
    def __init__(self, home: Path, images: dict[str, str]) -> None:
        tag = secrets.token_hex(4)
        self.home, self.project, self.stack = home, f"deploy-{tag}", f"deploy-{tag}-studio"
        self.port, self.flower_port, self.engine = _free_port(), _free_port(), docker.from_env()
        self._environ = self._write(images)

    # The deployment.

    def up(self) -> None:
        self._run("-p", self.stack, "-f", str(self.home / "compose.json"), "up", "-d", "hearth")
        self.compose("up", "-d", "--wait", "--wait-timeout", "240")

    def strike(self) -> None:
        """Leave nothing behind, however far it came."""
        self.compose("down", "--volumes", "--timeout", "5", check=False)
        path = str(self.home / "compose.json")
        self._run("-p", self.stack, "-f", path, "down", "--volumes", "--timeout", "0", check=False)
        self.engine.close()

    def compose(self, *words: str, check: bool = True) -> str:
        return self._run("-p", self.project, "-f", str(ROOT / "docker-compose.yml"), *words, check=check)

    def _run(self, *words: str, check: bool = True) -> str:
        argv = [str(COMPOSE), *words]
        done = subprocess.run(argv, env=self._environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, f"{done.stderr}\n{self._told() if 'up' in words else ''}"
        return done.stdout

    def _told(self) -> str:
        return self.compose("logs", "--tail", "15", check=False)

    def _write(self, images: dict[str, str]) -> dict[str, str]:
        running = {"image": image.ensure(), "pull_policy": "never", "stop_grace_period": "3s"}
        services = {name: running | {"command": [name]} for name in ("hearth", "forge")}
        (self.home / "compose.json").write_text(json.dumps({"services": services}))
        (self.home / "itself.json").write_text(json.dumps({"services": {"web": running}}))
        (self.home / "private").mkdir()
        (self.home / "private" / "compose.json").write_text(json.dumps({"services": {"forge": running}}))
        (self.home / "power.toml").write_text(_TOML.format(project=self.stack, own=self.project))
        # As in a real deployment: the worker's user did not write these files.
        for path in (self.home, *self.home.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self.private = self.home / "private" / ".env"
        self.private.touch(mode=0o600)
        env = self.home / "deployment"
        subprocess.run([ROOT / "bin" / "secrets"], check=True, env=os.environ | {"POWER_ENV_FILE": str(env)})
        variables = dict(line.split("=", 1) for line in env.read_text().splitlines())
        # The worker sees this directory, and has no business with all passwords.
        env.unlink()
        ports = {"POWER_PORT": str(self.port), "POWER_FLOWER_PORT": str(self.flower_port)}
        self.flower_password = variables["POWER_FLOWER_PASSWORD"]
        return os.environ | variables | images | ports | {"POWER_STACKS": str(self.home)}

    # What the engine says.

    def containers(self) -> dict[str, dict[str, Any]]:
        """The inspected containers of the deployment, by service."""
        label = f"com.docker.compose.project={self.project}"
        containers = self.engine.containers.list(all=True, filters={"label": label})
        return {one.labels["com.docker.compose.service"]: one.attrs for one in containers}

    def running(self) -> set[str]:
        """The services of the stack whose containers run."""
        label = f"com.docker.compose.project={self.stack}"
        containers = self.engine.containers.list(filters={"label": label})
        return {one.labels["com.docker.compose.service"] for one in containers}

    def workers(self) -> list[Container]:
        return self.engine.containers.list(
            filters={
                "label": [f"com.docker.compose.project={self.project}", "com.docker.compose.service=worker"]
            }
        )

    def healthy(self) -> bool:
        containers = self.containers()
        return all(
            containers[one]["State"].get("Health", {}).get("Status") == "healthy" for one in LONG_RUNNING
        )

    # What people see.

    def api(self) -> httpx.Client:
        path = "/var/lib/power-windows/token"
        token = self.compose("run", "--rm", "--no-deps", "-T", "migrate", "cat", path).strip()
        address = f"http://127.0.0.1:{self.port}/api/v1"
        return httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=70)

    def flower(self, path: str) -> httpx.Response:
        address = f"http://127.0.0.1:{self.flower_port}{path}"
        return httpx.get(address, auth=("power", self.flower_password), timeout=20)


def until(claim: Callable[[], bool], what: str, within: float = 90.0) -> None:
    end = time.monotonic() + within
    while not claim():
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        time.sleep(0.2)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
