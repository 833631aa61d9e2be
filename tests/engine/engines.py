"""An engine of a test's own, which can be killed and started again."""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from app.host import processes
from tests.engine import roots
from tests.engine.stacks import until

_NAMESPACE = Path(__file__).with_name("namespace.sh")
_STARTED_WITHIN = 90.0
_STOPPED_WITHIN = 60.0


class OwnEngine:
    """A dockerd in namespaces of its own, beside the machine's engine.

    Its containers, mounts and networks end with its first process, however that ends, and
    that process ends with the thread that has started it.
    """

    def __init__(
        self, directory: Path, root: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> None:
        """`root`: that of the release that the environment names, if None; `variables` are dockerd's."""
        self.directory = directory
        self.root = roots.chosen() if root is None else root
        self._variables = dict(variables or {})
        self.cgroup = f"power-windows-{secrets.token_hex(4)}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.directory}/engine.sock"

    @property
    def environ(self) -> dict[str, str]:
        """The environment in which docker's clients find this engine, with a client of its release."""
        path = f"{self.directory}/bin:{os.environ['PATH']}"
        return {**os.environ, "DOCKER_HOST": self.host, "PATH": path}

    def start(self) -> None:
        for name in ("etc", "bin"):
            (self.directory / name).mkdir(exist_ok=True)
        self._provide_client()
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                env={**os.environ, **self._variables},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        until(self._answers, "the engine answers", _STARTED_WITHIN)

    def _provide_client(self) -> None:
        if self.root != roots.HOST:
            client = self.directory / "bin/docker"
            client.write_text(roots.client(self.root))
            client.chmod(0o755)

    def _command(self) -> list[str]:
        shared = [tempfile.gettempdir(), str(roots.REPOSITORY)]
        return [
            *("setpriv", "--pdeathsig", "KILL", "--"),
            *("unshare", "--mount", "--propagation", "private", "--net", "--pid", "--fork", "--kill-child"),
            *(
                "bash",
                str(_NAMESPACE),
                sys.executable,
                str(self.root),
                str(self.directory / "etc"),
                *shared,
                "--",
            ),
            "dockerd",
            f"--data-root={self.directory}/data",
            f"--host={self.host}",
            f"--cgroup-parent=/{self.cgroup}",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            "--ip-masq=false",
            "--shutdown-timeout=2",
        ]

    def docker(self, *words: str) -> str:
        command = ["docker", *words]
        return subprocess.run(command, env=self.environ, check=True, capture_output=True, text=True).stdout

    def _answers(self) -> bool:
        assert self._process
        if self._process.poll() is not None:
            raise AssertionError(f"the engine has ended:\n{(self.directory / 'log').read_text()[-3000:]}")
        try:
            return bool(self.docker("version", "--format", "{{.Server.Version}}"))
        except subprocess.CalledProcessError:
            return False

    def load(self, image: str) -> None:
        """Copy an image from the engine that the environment names."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as save:
            command = ["docker", "load"]
            subprocess.run(command, stdin=save.stdout, env=self.environ, check=True, capture_output=True)
        assert save.returncode == 0

    def kill(self) -> None:
        """End everything at once, as a host does that loses its power."""
        if process := self._process:
            family = processes.descendants(process.pid)
            process.kill()
            self._await_end(process)
            left = processes.wait_gone(family, _STOPPED_WITHIN)
            assert not left, f"the engine's processes are still there: {left}"

    def stop(self) -> None:
        """End the engine as a service manager does: it stops its containers first."""
        if process := self._process:
            assert process.stdin
            process.stdin.close()
            self._await_end(process)

    def _await_end(self, process: subprocess.Popen[bytes]) -> None:
        with process:
            process.wait(_STOPPED_WITHIN)
        self._process = None
        (self.directory / "engine.sock").unlink(missing_ok=True)

    def remove(self) -> None:
        self.kill()
        for top in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()):
            _remove_cgroup(top / self.cgroup)
        _remove_tree(self.directory)


def _remove_cgroup(top: Path) -> None:
    for directory, _, _ in os.walk(top, topdown=False):
        with suppress(OSError):
            Path(directory).rmdir()


def _remove_tree(directory: Path) -> None:
    end = time.monotonic() + 20
    while directory.exists() and time.monotonic() < end:
        shutil.rmtree(directory, ignore_errors=True)
        time.sleep(0.1)


def forgive_sockets() -> None:
    """Collect connections that an engine's end has cut, before another test gets their warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@contextmanager
def own_engine(root: Path | None = None, variables: Mapping[str, str] | None = None) -> Iterator[OwnEngine]:
    # A socket's path may have some hundred characters only, and pytest's are long.
    engine = OwnEngine(Path(tempfile.mkdtemp(prefix="pw-engine-")), root, variables)
    try:
        engine.start()
        yield engine
    finally:
        engine.remove()
        forgive_sockets()
