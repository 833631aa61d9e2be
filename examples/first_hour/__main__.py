"""From a compose file to the first open window, as a new user goes, with the time that each step takes.

    python -m examples.first_hour [POWER]

POWER is an installed `power`; without it, the one of this environment. The commands after `power init -y` are
those that it prints. Everything is in a temporary folder, and what was made on the engine is removed.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from examples.vx11 import image

LIMIT = 120.0
"""Seconds in which the first window has to be open."""
READY_WITHIN = 60.0
_LEAVE = "import os, signal; signal.signal(signal.SIGTERM, lambda *_: os._exit(0)); "


def _service(code: str, **more: object) -> dict[str, object]:
    entrypoint = ["python3", "-I", "-S", "-c", _LEAVE + code]
    return {"image": image.NAME, "entrypoint": entrypoint, "command": [], "stop_grace_period": "2s"} | more


_CHECK = {
    "test": ["CMD", "python3", "-I", "-S", "-c", "import os; os.stat('/tmp/well')"],
    "interval": "1s",
    "start_period": "20s",
    "start_interval": "1s",
}
SERVICES = {
    "proxy": _service("signal.pause()"),
    "db": _service("open('/tmp/well', 'w').close(); signal.pause()", healthcheck=_CHECK),
    "shop": _service("signal.pause()", depends_on={"db": {"condition": "service_healthy"}}),
}
"""The compose file of the new user: a proxy that is always on, a shop, and the database that it needs."""


class TooSlow(Exception):
    """The first window was open too late, or a command failed; the message says which."""


class FirstHour:
    """One run in one folder; `began` is its start by the monotonic clock."""

    def __init__(self, folder: Path, power: Path, began: float) -> None:
        self._folder, self._began = folder, began
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("POWER_", "COMPOSE_"))
        }
        self._environ = kept | {
            "PATH": f"{power.parent}{os.pathsep}{kept.get('PATH', '')}",
            "XDG_STATE_HOME": str(folder / "state"),
            "PYTHONUNBUFFERED": "1",
        }
        self.project = folder.name

    def run(self) -> float:
        """Write the compose file, run each command and close the window; return the seconds to the window."""
        (self._folder / "compose.yaml").write_text(json.dumps({"services": SERVICES}))
        core, standalone, opening = self._next_commands(self._ask("power init -y"))
        self._ask(core)
        with self._serving(f"{standalone} --port {_free_port()}"):
            self._ask(opening)
            took = time.monotonic() - self._began
            self._ask("power ps")
            self._ask("power close --all")
        return took

    def _next_commands(self, printed: str) -> list[str]:
        lines = printed.rstrip().splitlines()[-3:]
        return [line.partition("  #")[0].strip() for line in lines]

    def _ask(self, command: str) -> str:
        self._say(f"$ {command}")
        answer = subprocess.run(
            shlex.split(command),
            cwd=self._folder,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )
        print(answer.stdout, end="")
        if answer.returncode:
            raise TooSlow(f"{command}: exit {answer.returncode}: {answer.stderr}")
        return answer.stdout

    def _say(self, line: str) -> None:
        print(f"{time.monotonic() - self._began:5.1f} s  {line}", flush=True)

    @contextmanager
    def _serving(self, command: str) -> Iterator[None]:
        self._say(f"$ {command} &")
        log = self._folder / "standalone.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                shlex.split(command), cwd=self._folder, env=self._environ, stdout=output, stderr=output
            )
        try:
            self._await_ready(process, log)
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)

    def _await_ready(self, process: subprocess.Popen[bytes], log: Path) -> None:
        end = time.monotonic() + READY_WITHIN
        while " ready in " not in log.read_text():
            if process.poll() is not None or time.monotonic() > end:
                raise TooSlow(f"power standalone is not ready: {log.read_text()}")
            time.sleep(0.1)
        self._say("the service is ready")

    def clear(self) -> None:
        """Remove the containers and the network of the project."""
        label = f"label=com.docker.compose.project={self.project}"
        for listing, removal in ((["ps", "-a"], ["rm", "-f"]), (["network", "ls"], ["network", "rm"])):
            if left := _docker(self._environ, *listing, "-q", "--filter", label).split():
                _docker(self._environ, *removal, *left)


def _docker(environ: Mapping[str, str], *words: str) -> str:
    answer = subprocess.run(("docker", *words), env=environ, capture_output=True, text=True, check=False)
    return answer.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def first_window(power: Path, began: float) -> float:
    """Run it all with this `power`; return the seconds from `began` to the open window. Raises TooSlow."""
    image.ensure()
    with tempfile.TemporaryDirectory(prefix="pw-first-") as folder:
        run = FirstHour(Path(folder).resolve(), power, began)
        try:
            took = run.run()
        finally:
            run.clear()
    if took > LIMIT:
        raise TooSlow(f"the first window was open after {took:.0f} s, and {LIMIT:.0f} s are allowed")
    print(f"the first window was open after {took:.1f} s")
    return took


def main() -> None:
    """Run it with the `power` of the command line."""
    power = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(sys.executable).with_name("power")
    if not shutil.which(power):
        sys.exit(f"{power} is no program; name an installed `power`")
    image.ensure()
    try:
        first_window(power.absolute(), time.monotonic())
    except TooSlow as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
