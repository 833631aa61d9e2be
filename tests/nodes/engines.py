"""A second engine on this machine: its own data, processes and socket, no bridge, no firewall rules."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.engine.stacks import until

_STARTED_WITHIN = 60.0


class Engine:
    """One more `dockerd`; it ends with this object, and takes all it had along."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="pw-engine-"))
        self.host = f"unix://{self.home / 'socket'}"
        self._log = (self.home / "log").open("wb")
        self._process = subprocess.Popen(
            [
                "dockerd",
                *("--data-root", str(self.home / "data"), "--exec-root", str(self.home / "exec")),
                *("--pidfile", str(self.home / "pid"), "-H", self.host),
                *("--bridge=none", "--iptables=false", "--ip6tables=false"),
            ],
            stdout=self._log,
            stderr=self._log,
        )
        until(self._answers, "a second engine answers", _STARTED_WITHIN)

    def load(self, image: str) -> None:
        """Give it an image that the first engine has."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as save:
            command = ["docker", "load"]
            subprocess.run(command, stdin=save.stdout, env=self.environ, check=True, capture_output=True)
        assert save.returncode == 0

    def docker(self, *words: str) -> str:
        found = subprocess.run(
            ["docker", *words], env=self.environ, check=True, capture_output=True, text=True
        )
        return found.stdout

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": self.host}

    def stop(self) -> None:
        with suppress(subprocess.CalledProcessError):
            if left := self.docker("ps", "-aq").split():
                self.docker("rm", "-f", *left)
        self._process.terminate()
        self._process.wait(timeout=60)
        self._log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.home / "log").read_text()
        try:
            return bool(self.docker("version", "--format", "{{.Server.Version}}"))
        except subprocess.CalledProcessError:
            return False


@contextmanager
def running(image: str) -> Iterator[Engine]:
    found = Engine()
    try:
        found.load(image)
        yield found
    finally:
        found.stop()
