"""Real proxies by the examples' own files, each with a directory and a port, and never as a service."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.engine.stacks import until

EXAMPLES = Path(__file__).parents[2] / "examples/wake"
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def adapted(name: str, places: Mapping[str, str]) -> str:
    """An example with other ports and another route; each that is named is there."""
    text = (EXAMPLES / name).read_text()
    for before, after in places.items():
        assert before in text, before
        text = text.replace(before, after)
    return text


@contextmanager
def nginx(home: Path, port: int, places: Mapping[str, str], token: str) -> Iterator[None]:
    (home / "wake-token.conf").write_text(f"proxy_set_header X-VX11-Token {token};\n")
    with nginx_site(home, port, adapted("nginx.conf", places)):
        yield


@contextmanager
def nginx_site(home: Path, port: int, site: str) -> Iterator[None]:
    """nginx with this configuration of servers."""
    (home / "site.conf").write_text(site)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {home}/{kind};" for kind in kinds)
    (home / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {home}/pid; error_log stderr;\n"
        f"events {{}} http {{ access_log off; {temporary} include {home}/site.conf; }}\n"
    )
    command = [_program("nginx"), "-p", str(home), "-c", str(home / "nginx.conf"), "-e", "stderr"]
    with _serving(command, port, home):
        yield


@contextmanager
def caddy(home: Path, port: int, places: Mapping[str, str], token: str) -> Iterator[None]:
    site = "{\n\tadmin off\n}\n" + adapted("Caddyfile", places)
    with caddy_site(home, port, site, WAKE_TOKEN=token):
        yield


@contextmanager
def caddy_site(home: Path, port: int, site: str, **variables: str) -> Iterator[None]:
    """Caddy with this Caddyfile and these variables."""
    (home / "Caddyfile").write_text(site)
    command = [_program("caddy"), "run", "--config", str(home / "Caddyfile"), "--adapter", "caddyfile"]
    own_directories = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(home))
    with _serving(command, port, home, {**own_directories, **variables}):
        yield


def _program(name: str) -> str:
    path = shutil.which(name, path=PATH)
    assert path, f"{name} is not installed; `make test` installs it"
    return path


@contextmanager
def _serving(
    command: list[str], port: int, home: Path, variables: Mapping[str, str] | None = None
) -> Iterator[None]:
    log = home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=home, env={**os.environ, **(variables or {})}, stdout=output, stderr=output
        )
    try:
        until(lambda: process.poll() is not None or _answers(port), f"{command[0]} listens", 30)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
