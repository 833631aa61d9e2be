"""What is measured: eight services of a private Compose project, and a standalone that serves them.

The image is the example's, built from files at hand. Everything has a name of this
run's own and is gone at the end, whatever happens.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.utils import kwargs_from_env

from examples.vx11 import image
from workers.engine import compose_program

SERVICES = tuple(f"s{number}" for number in range(1, 9))
PROBED = "probed"
"""A ninth service, the only one with a healthcheck."""
# It leaves on TERM at once, and starts as fast as a Python can.
_WAIT = "import signal as s; s.pthread_sigmask(s.SIG_BLOCK, {15}); s.sigwait({15})"
ENTRYPOINT = ("python3", "-I", "-S", "-c", _WAIT)

Json = dict[str, Any]


class Failed(Exception):
    """What was to be measured did not happen; the text says what was expected and what was seen."""


@dataclass(frozen=True)
class Stage:
    """One run's files and names."""

    folder: Path
    name: str
    image: str

    @property
    def serial(self) -> str:
        """The project of the contender that goes one after another."""
        return f"{self.name}-serial"

    @property
    def compose_file(self) -> Path:
        return self.folder / "docker-compose.yml"

    def compose(self, project: str, *words: str) -> None:
        """Run Compose as a person at a terminal would."""
        argv = [*compose_program.program(), "-p", project, "-f", str(self.compose_file), *words]
        ran = subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise Failed(f"{' '.join(argv)}: exit {ran.returncode}: {ran.stderr.strip()}")

    def down(self, project: str) -> None:
        """Remove all of a project. Engine 20.10 may keep a network of many containers as in use for ever."""
        for _ in range(3):
            try:
                self.compose(project, "down", "--volumes", "--timeout", "1")
            except Failed as failed:
                left = str(failed)
                time.sleep(1)
            else:
                return
        sys.stderr.write(f"bench: left behind: {left}\n")


@contextlib.contextmanager
def built(services: Sequence[str] = SERVICES) -> Iterator[Stage]:
    """The files of a run, and the removal of all it made. The probed service is beside the usual eight."""
    name = f"power-bench-{secrets.token_hex(3)}"
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    stage = Stage(folder, name, image.ensure())
    stage.compose_file.write_text(json.dumps({"services": _services(stage.image, services)}))
    (folder / "power.toml").write_text(_power_toml(stage, services))
    try:
        yield stage
    finally:
        for project in (stage.name, stage.serial):
            stage.down(project)
        shutil.rmtree(folder)


def _services(name: str, services: Sequence[str]) -> Json:
    plain = {"image": name, "pull_policy": "never", "entrypoint": ENTRYPOINT, "command": []}
    often = {"interval": "300ms", "start_interval": "300ms", "start_period": "20s"}
    check = {"test": ["CMD", "python3", "-I", "-S", "-c", "pass"], **often}
    probed = {PROBED: {**plain, "healthcheck": check}} if services == SERVICES else {}
    return {**dict.fromkeys(services, plain), **probed}


def _power_toml(stage: Stage, services: Sequence[str]) -> str:
    allow = json.dumps([*services, PROBED] if services == SERVICES else services)
    return f'[stacks.bench]\nproject = "{stage.name}"\ndirectory = "."\nallow = {allow}\n'


class Standalone:
    """A running `power standalone`, spoken to over its REST API."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, data_dir: Path) -> None:
        self.process, self.url, self._data_dir = process, url, data_dir
        self.api = httpx.Client(base_url=f"{url}/api/v1", timeout=70)

    def until_ready(self, within: float = 60) -> None:
        end = time.monotonic() + within
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failed(f"the standalone ended with exit code {self.process.returncode}")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    token = (self._data_dir / "token").read_text().strip()
                    self.api.headers["Authorization"] = f"Bearer {token}"
                    return
            time.sleep(0.2)
        raise Failed(f"the standalone was not ready within {within:g} s")

    def open(self, services: Sequence[str], ttl: float = 3600.0) -> Json:
        return self._asked(self.api.post("/windows", json={"services": list(services), "ttl_sec": ttl}))

    def close(self, window: str) -> Json:
        return self._asked(self.api.post(f"/windows/{window}/close", json={}))

    def until(self, window: str, state: str, within: float = 60) -> Json:
        """The window in that state; looked for seldom, so that looking costs little."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            state_of_window = self._asked(self.api.get(f"/windows/{window}"))
            if state_of_window["state"] == state:
                return state_of_window
            if state_of_window["state"] == "closed":
                break
            time.sleep(0.2)
        raise Failed(f"the window should be {state}, it is {state_of_window}")

    def trail(self, window: str | None = None) -> Iterator[Json]:
        """The audit trail, or what of it concerns one window, oldest first."""
        asked: Json = {"limit": 500} | ({"window": window} if window else {})
        while True:
            page = self._asked(self.api.get("/audit", params=asked))
            yield from page["items"]
            if page["next"] is None:
                return
            asked["after"] = page["next"]

    @staticmethod
    def _asked(reply: httpx.Response) -> Json:
        if not reply.is_success:
            raise Failed(f"{reply.request.method} {reply.request.url}: {reply.status_code}: {reply.text}")
        answer: Json = reply.json()
        return answer


@contextlib.contextmanager
def running(stage: Stage) -> Iterator[Standalone]:
    """A standalone on this stage that closes its windows on the way out."""
    data_dir, port = stage.folder / "data", _free_port()
    power = str(Path(sys.executable).with_name("power"))
    command = [power, "standalone", "--config", str(stage.folder / "power.toml"), "--close-on-exit"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("POWER_")}
    with (stage.folder / "standalone.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--data-dir", str(data_dir), "--port", str(port)],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    standalone = Standalone(process, f"http://127.0.0.1:{port}", data_dir)
    try:
        standalone.until_ready()
        yield standalone
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(180)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def engine() -> docker.APIClient:
    return docker.APIClient(version="1.41", timeout=60, num_pools=16, **kwargs_from_env())
