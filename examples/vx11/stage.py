"""What the demo stands on: the example's Compose project, a standalone, and the engine as witness.

The engine is asked with the plain `docker` client and not through the product, so that its word counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

HERE = Path(__file__).resolve().parent
TOML = HERE / "power.toml"
PROJECT = "vx11"
CORE = ("madre", "tentaculo_link", "redis")
COMPOSE = (str(Path(sys.executable).with_name("docker-compose")), "-p", PROJECT)
QUIETLY = {**os.environ, "COMPOSE_PROGRESS": "quiet"}
POWER = str(Path(sys.executable).with_name("power"))


class NotAsPromised(Exception):
    """Something deviated; the text says what was expected and what was seen."""


def expect(claim: bool, otherwise: str) -> None:
    """Raise NotAsPromised unless the claim is true."""
    if not claim:
        raise NotAsPromised(otherwise)


def running() -> set[str]:
    """The services of the example that the engine itself runs, or keeps restarting."""
    template = '{{.Label "com.docker.compose.service"}}'
    return set(_docker("ps", "--filter", _ours(), "--format", template).split())


def listing() -> str:
    """What `docker ps` says of the example."""
    return _docker("ps", "--filter", _ours(), "--format", "table {{.Names}}\t{{.Status}}")


def homes() -> set[str]:
    """The directories that containers of this project name were made from."""
    template = '{{.Label "com.docker.compose.project.working_dir"}}'
    return set(_docker("ps", "--all", "--filter", _ours(), "--format", template).splitlines())


def compose(*arguments: str) -> None:
    """Run Compose on the example, as its owner would."""
    run = subprocess.run([*COMPOSE, *arguments], cwd=HERE, capture_output=True, text=True, check=False)
    expect(run.returncode == 0, f"docker compose {' '.join(arguments)}: exit {run.returncode}: {run.stderr}")


@contextlib.contextmanager
def swept() -> Iterator[None]:
    """Take the example's containers away at the end, whatever happens."""
    try:
        yield
    finally:
        compose("down", "--remove-orphans", "--timeout", "5")


def _ours() -> str:
    return f"label=com.docker.compose.project={PROJECT}"


def _docker(*arguments: str) -> str:
    run = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    expect(run.returncode == 0, f"docker {' '.join(arguments)}: exit {run.returncode}: {run.stderr}")
    return run.stdout


@dataclass
class Standalone:
    """A `power standalone` of the demo's own, with its data in a directory of its own."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    log: Path
    url: str

    @property
    def environment(self) -> dict[str, str]:
        """What makes the `power` command talk to this standalone and to no other."""
        return {**os.environ, "POWER_DATA_DIR": str(self.data_dir)}

    def api(self) -> httpx.Client:
        token = (self.data_dir / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=70)

    def until_ready(self, within: float = 90) -> None:
        """Wait for /readyz to say 200, which it does once the worker serves its stacks."""
        answer = "no answer yet"
        for _ in _tries(within):
            self.expect_alive()
            try:
                reply = httpx.get(f"{self.url}/readyz", timeout=5)
            except httpx.HTTPError as error:
                answer = repr(error)
                continue
            if reply.status_code == 200:
                return
            answer = f"{reply.status_code}: {reply.text}"
        raise NotAsPromised(f"the standalone was not ready within {within:.0f} s; /readyz: {answer}")

    def expect_alive(self) -> None:
        code = self.process.poll()
        expect(code is None, f"the standalone ended by itself with exit code {code}")

    def stop(self, within: float = 60) -> int:
        """Ask it to leave, as Ctrl-C or a service manager would; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise NotAsPromised(f"the standalone was still there {within:.0f} s after SIGTERM") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Make sure that it is gone; what it should have done about it has been said by then."""
        try:
            self.stop()
        except NotAsPromised:
            self.process.kill()
            self.process.wait()
            for line in self.left_behind():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(line.split()[0]), signal.SIGKILL)

    def left_behind(self) -> list[str]:
        """Command lines of processes that still have to do with its data directory."""
        return sorted(_mentioning(str(self.data_dir).encode()))


def start(data_dir: Path, config: Path = TOML) -> Standalone:
    """Start the standalone as a child of this process; it is not ready yet."""
    port = _free_port()
    log = data_dir.with_suffix(".log")
    command = [POWER, "standalone", "--config", str(config), "--data-dir", str(data_dir), "--port", str(port)]
    with log.open("wb") as output:
        # Ctrl-C in the terminal is ours to pass on, so that the ending is told in order.
        process = subprocess.Popen(
            [*command, "--close-on-exit"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Standalone(process, data_dir, log, f"http://127.0.0.1:{port}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _tries(within: float) -> Iterator[None]:
    end = time.monotonic() + within
    while time.monotonic() < end:
        yield
        time.sleep(0.1)


def _mentioning(path: bytes) -> Iterator[str]:
    for folder in Path("/proc").glob("[0-9]*"):
        # A process may end while it is looked at, and that is what is hoped for.
        with contextlib.suppress(OSError):
            line, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
            if path in line or path in environment:
                yield f"{folder.name} {line.replace(bytes(1), b' ').decode(errors='replace')}"


def other_standalones() -> list[str]:
    """Addresses of running standalones that already serve a stack of this name."""
    from power_windows import discovery

    return [other.url for other in discovery.live(os.environ) if _serves(other.url, other.token_file)]


def _serves(url: str, token_file: Path) -> bool:
    try:
        headers = {"Authorization": f"Bearer {token_file.read_text().strip()}"}
        reply = httpx.get(f"{url}/api/v1/stacks/{PROJECT}", headers=headers, timeout=5)
        return reply.is_success and json.loads(reply.text).get("name") == PROJECT
    except (OSError, ValueError, httpx.HTTPError):
        # One that does not answer serves no page.
        return False
