"""A whole service with real containers behind a real proxy, for tests of what visitors get."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.standalone.broker import free_port
from examples.vx11 import image
from power_windows import Client
from power_windows.discovery import Target
from power_windows.rest import Api
from tests.engine.stacks import docker, python, until
from tests.standalone.whole_standalone import Standalone
from tests.wake import proxies

HTML = {"Accept": "text/html,*/*;q=0.8"}
TTL, CAP = 5.0, 16.0


@dataclass
class Site:
    standalone: Standalone
    port: int
    """Where the service is published."""
    project: str

    @property
    def api(self) -> Api:
        front = self.standalone.front()
        return Api(Target(front.url, front.token))

    def running(self) -> str:
        return docker("ps", "-q", "--filter", f"label=com.docker.compose.project={self.project}").strip()

    def windows(self) -> list[Any]:
        front = self.standalone.front()
        with Client(front.url, front.token) as client:
            return list(client.windows())

    def quiet(self) -> None:
        """Nothing is held and nothing runs."""
        front = self.standalone.front()
        with Client(front.url, front.token) as client:
            for state in ("opening", "open"):
                for window in client.windows(state=state):
                    client.close(window, force=True)
        until(lambda: all(one.state == "closed" for one in self.windows()), "all is closed", 60)
        until(lambda: not self.running(), "all is off", 60)


def _own_addresses() -> dict[str, Any]:
    """A small range for one network: an engine's own pool has room for thirty, shared by all."""
    third, fourth = secrets.randbelow(256), 16 * secrets.randbelow(16)
    return {"ipam": {"config": [{"subnet": f"10.213.{third}.{fourth}/28"}]}}


@contextmanager
def standing(scripts: Mapping[str, str], **more: Any) -> Iterator[Site]:
    """A standalone with one service published at a port, the first of `scripts`, and `more` beside it."""
    image.ensure()
    with tempfile.TemporaryDirectory() as directory:
        standalone = Standalone(Path(directory))
        port, project = free_port(), f"pw-wake-{secrets.token_hex(3)}"
        services = {
            name: python(code, ports=[f"127.0.0.1:{port}:8000"]) for name, code in scripts.items()
        } | more
        (standalone.directory / "docker-compose.yml").write_text(
            json.dumps({"services": services, "networks": {"default": _own_addresses()}})
        )
        (standalone.directory / "power.toml").write_text(
            f'[stacks.small]\nproject = "{project}"\nallow = {json.dumps(list(services))}\n'
            f'default_ttl = "{TTL:g}s"\nmax_ttl = "{CAP:g}s"\n'
        )
        try:
            standalone.start()
            yield Site(standalone, port, project)
            standalone.stop()
        finally:
            standalone.clear()
            label = f"label=com.docker.compose.project={project}"
            for kind, remove in ((["ps", "-a"], ["rm", "-f"]), (["network", "ls"], ["network", "rm"])):
                if left := docker(*kind, "-q", "--filter", label).split():
                    docker(*remove, *left)


Serve = Callable[..., AbstractContextManager[None]]
KINDS: dict[str, Serve] = {"nginx": proxies.nginx, "caddy": proxies.caddy}


def visiting(kind: str, site: Site, home: Path, service: str) -> Iterator[httpx.Client]:
    site.quiet()
    name, port = f"{kind}-{home.name}"[:80], free_port()
    with site.api as api:
        token = api.create_token(name, "small", service, None)["token"]
        places = {
            "127.0.0.1:8080": f"127.0.0.1:{port}",
            "127.0.0.1:8420": f"127.0.0.1:{site.standalone.port}",
            "127.0.0.1:8000": f"127.0.0.1:{site.port}",
            "vx11/switch": f"small/{service}",
        }
        with (
            KINDS[kind](home, port, places, token),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client,
        ):
            yield client
        api.revoke_token(name)
    site.quiet()


def passes(front: httpx.Client) -> bool:
    """Ask as the page does, and say whether it was the service that answered."""
    return front.get("/hello?x=1", headers=HTML).status_code == 200
