"""An engine of a test's own, which can be killed and started again."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engine.stacks import until


class OwnEngine:
    """A dockerd without networks, beside the machine's own; everything of it goes with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.directory}/engine.sock"

    def start(self) -> None:
        at = self.directory
        with (at / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd",
                    f"--data-root={at}/data",
                    f"--exec-root={at}/run",
                    f"--pidfile={at}/pid",
                    f"--host={self.host}",
                    "--bridge=none",
                    "--iptables=false",
                    "--ip-masq=false",
                    "--shutdown-timeout=2",
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._answers, "the engine answers", 90)

    def _answers(self) -> bool:
        asked = subprocess.run(
            ["docker", "version"],
            capture_output=True,
            check=False,
            timeout=30,
            env={**os.environ, "DOCKER_HOST": self.host},
        )
        return asked.returncode == 0

    def kill(self) -> None:
        """As if the host had lost its power: nothing is said goodbye to."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        with self._process as process:
            process.send_signal(how)
            process.wait(60)
        self._process = None
        (self.directory / "pid").unlink(missing_ok=True)
        self._await_containerd()

    def _await_containerd(self) -> None:
        """It dies with its engine, a moment later; the next engine would take a dying one for its own."""
        noted = self.directory / "run" / "containerd" / "containerd.pid"
        if noted.exists():
            containerd = int(noted.read_text())
            until(lambda: not _runs(containerd), "its containerd is gone", 30)
            # Where nobody buries it, it would still look alive.
            noted.unlink(missing_ok=True)

    def remove(self) -> None:
        if self._process is None:
            self.start()
        env = {**os.environ, "DOCKER_HOST": self.host}
        left = subprocess.run(["docker", "ps", "-aq"], env=env, capture_output=True, text=True, check=True)
        if ids := left.stdout.split():
            subprocess.run(["docker", "rm", "-f", *ids], env=env, capture_output=True, check=False)
        self.stop()
        _remove_tree(self.directory)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _remove_tree(directory: Path) -> None:
    end = time.monotonic() + 20
    while directory.exists() and time.monotonic() < end:
        shutil.rmtree(directory, ignore_errors=True)
        time.sleep(0.1)


def forgive_sockets() -> None:
    """Collect connections that an engine's end has cut, before their warnings are laid at another's door."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@contextmanager
def own_engine() -> Iterator[OwnEngine]:
    # A socket's path may have some hundred characters only, and pytest's are long.
    found = OwnEngine(Path(tempfile.mkdtemp(prefix="pw-engine-")))
    try:
        found.start()
        yield found
    finally:
        found.remove()
        forgive_sockets()
