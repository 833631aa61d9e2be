"""A standalone on a directory of its own, started as a user starts it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from app.host import processes
from app.host.processes import Process
from app.standalone import broker as brokers
from app.standalone import children, process_record
from app.standalone.children import PROCESS_MARK
from app.standalone.web_client import NoAnswer, WebClient
from tests.repair_log import changes_in
from tests.standalone.waiting import until

CHILDREN = {"broker", "web", "worker", "beat"}


class Standalone:
    """A standalone on a directory, started as often as a test likes.

    With the path of an installed `power` as `program`, it is started inside the directory and without
    options that name files, as a user does. Without `program` it is the checkout's.
    """

    def __init__(self, directory: Path, program: Path | None = None) -> None:
        self.directory = directory.resolve()
        self.data = self.directory / ("state/power-windows" if program else "data")
        self._cwd = self.directory if program else children.root()
        self._program = program
        self.port = brokers.free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.outputs = 0
        self.project = f"standalone-{os.getpid()}-{self.port}"
        config = f'[stacks.small]\nproject = "{self.project}"\nallow = ["forge"]\n'
        (directory / "power.toml").write_text(config)
        (directory / "docker-compose.yml").write_text(
            "services:\n  forge:\n    image: power-windows/absent\n"
        )

    def _argv(self) -> list[str]:
        """The command line; a test may change `data` before it starts the checkout."""
        if self._program:
            return [str(self._program), "standalone"]
        argv = [sys.executable, "-c", "from app.cli import main; main()", "standalone"]
        return [*argv, "--config", str(self.directory / "power.toml"), "--data-dir", str(self.data)]

    def command(self, *options: str) -> subprocess.Popen[bytes]:
        """A `power standalone` on this directory; what it says is in `said`."""
        self.outputs += 1
        environ = {name: value for name, value in os.environ.items() if not name.startswith("POWER_")}
        with self._output.open("wb") as output:
            return subprocess.Popen(
                [*self._argv(), *options],
                cwd=self._cwd,
                env={**environ, "XDG_STATE_HOME": str(self.directory / "state"), "PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=output,
            )

    @property
    def _output(self) -> Path:
        return self.directory / f"output-{self.outputs}"

    def said(self) -> str:
        return self._output.read_text()

    def start(self, *options: str) -> None:
        self.process = self.command("--port", str(self.port), *options)
        until(self._ready, 40)

    def _ready(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.said()
        return " ready in " in self.said()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; return its exit code. Fails where its worker noticed a change only by a repair."""
        assert self.process
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process = None
        logs = self.data / "logs"
        assert changes_in([logs / "worker.log", logs / "worker.log.1"]) == []
        return code

    def clear(self) -> None:
        """Whatever a failed test has left."""
        if self.process:
            self.process.kill()
            self.process.wait()
        process_record.end(
            process_record.left_over(self.data / "standalone.children.json"), self.data, patience=1
        )
        # An opening creates its network even where there is no image; an engine has room for some thirty.
        self._remove(["network", "ls"], ["network", "rm"])

    def _remove(self, listing: list[str], removing: list[str]) -> None:
        of_ours = ["-q", "--filter", f"label=com.docker.compose.project={self.project}"]
        listed = subprocess.run(["docker", *listing, *of_ours], capture_output=True, text=True, check=True)
        if ids := listed.stdout.split():
            subprocess.run(["docker", *removing, *ids], capture_output=True, check=False)

    def living(self) -> set[Process]:
        return processes.processes_with(PROCESS_MARK, str(self.data))

    def child(self, name: str) -> Process | None:
        return process_record.left_over(self.data / "standalone.children.json").get(name)

    def front(self) -> WebClient:
        return WebClient("127.0.0.1", self.port, (self.data / "token").read_text().strip())

    def works(self) -> bool:
        try:
            return [stack["name"] for stack in self.front().stacks()] == ["small"]
        except NoAnswer:
            return False
