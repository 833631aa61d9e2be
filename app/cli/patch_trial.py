"""Tries a suggested patch: a copy of the stack's files, a Compose project of its own, and its removal.

The project publishes no port, shares no named volume, network or container name with the real one, and
mounts what lies outside the copy read-only.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from app.domain.stack_id import StackId
from app.host import compose_binaries, engine_endpoint
from app.settings import StackToml, read_power_toml
from app.settings.errors import ConfigError
from power_windows.errors import PowerError, WrongUsage
from power_windows.payloads import SuggestedPatch

PREFIX = "pw-verify-"
"""What the name of every throw-away project begins with; the process id of its command follows."""
LARGEST_COPY = 512 * 1024 * 1024
"""Bytes of a stack's directory that are copied at the most."""
READY_WITHIN = 60.0
"""Seconds in which the service has to become ready."""
BUILD_WITHIN = 600.0
_STEADY = 3.0
"""Seconds that a service without a healthcheck has to run."""
_PAUSE = 0.3


class TrialFailed(PowerError):
    """A patch could not be tried; this says nothing of whether it cures."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """Whether the patch cured, and by what that is known."""

    cured: bool
    why: str


def try_patch(config: Path, stack: StackId, service: str, cause: str, patch: SuggestedPatch) -> TrialResult:
    """Try one patch, and remove all that was made for it. Raises TrialFailed or WrongUsage."""
    defined = _stack(config, stack)
    if not Path(patch["directory"]).is_dir():
        raise TrialFailed(f"{patch['directory']} is not on this machine; run this on the stack's node")
    _remove_leftovers()
    project = f"{PREFIX}{os.getpid()}-{secrets.token_hex(3)}"
    with _ended_by_signals(), tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        trial = _Trial(project, service, Path(folder), defined)
        try:
            trial.prepare(patch)
            return trial.run(cause, once=patch["file"].endswith(".toml"))
        finally:
            trial.remove()


def _stack(config: Path, name: StackId) -> StackToml:
    try:
        stacks = read_power_toml(config).stacks
    except ConfigError as error:
        raise WrongUsage("\npower: ".join(error.faults)) from error
    if name not in stacks:
        raise WrongUsage(f"{config} has no stack {name!r}; name the right file with --config")
    return stacks[name]


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the trial as Ctrl-C does, so that it is removed."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {one: signal.signal(one, interrupt) for one in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


class _Trial:
    """One throw-away project."""

    def __init__(self, project: str, service: str, folder: Path, stack: StackToml) -> None:
        self._project, self._service, self._folder, self._stack = project, service, folder, stack
        self._copy = folder / "stack"
        self._file = folder / "compose.json"

    def prepare(self, patch: SuggestedPatch) -> None:
        """Copy the files, apply the patch to the copy, and write the project's one compose file."""
        _copy_tree(self._stack.directory, self._copy)
        moved = {str(self._stack.directory): str(self._copy)}
        source = Path(patch["directory"]).resolve()
        target = self._copy
        if source != self._stack.directory:
            target = self._folder / "patched"
            _copy_tree(source, target)
            moved = {str(source): str(target)} | moved
        _apply(target, patch["diff"])
        raw = json.loads(self._compose(*self._original(), "config", "--format", "json"))
        if self._service not in raw.get("services", {}):
            raise TrialFailed(f"the compose files have no service {self._service!r}")
        self._file.write_text(json.dumps(_isolate(raw, self._project, str(self._folder), moved), indent=1))

    def _original(self) -> list[str]:
        files = [word for name in self._stack.files for word in ("-f", str(self._copy / name))]
        envs = [word for name in self._stack.env_files for word in ("--env-file", str(self._copy / name))]
        profiles = [word for name in self._stack.profiles for word in ("--profile", name)]
        return ["--project-directory", str(self._copy), *files, *envs, *profiles]

    def run(self, cause: str, *, once: bool) -> TrialResult:
        """Build and start the service with what it depends on, and judge it.

        `once`: it may end with 0, which is what the patch of power.toml says.
        """
        file = ["-f", str(self._file)]
        config = json.loads(self._file.read_text())["services"]
        if built := [name for name, one in config.items() if one.get("build")]:
            self._compose(*file, "build", "--", *built, seconds=BUILD_WITHIN)
        try:
            self._compose(*file, "up", "-d", "--pull", "never", "--", self._service, seconds=READY_WITHIN)
        except TrialFailed as failed:
            return TrialResult(False, str(failed))
        result = self._judge(once=once)
        return self._stopped_in_time() if result.cured and cause == "signal-ignored" else result

    def _judge(self, *, once: bool) -> TrialResult:
        end, steady_since = time.monotonic() + READY_WITHIN, None
        container: Mapping[str, Any] = {}
        while time.monotonic() < end:
            container = self._container()
            state, health = str(container.get("State", "")), str(container.get("Health") or "")
            if state == "exited":
                code = container.get("ExitCode")
                return TrialResult(code == 0 and once, f"it ended with exit code {code}{self._last_line()}")
            if health == "unhealthy":
                return TrialResult(False, f"its healthcheck says unhealthy{self._last_line()}")
            if health == "healthy":
                return TrialResult(True, "its healthcheck says healthy")
            if state == "running" and not health:
                steady_since = steady_since or time.monotonic()
                if time.monotonic() - steady_since >= _STEADY and not once:
                    return TrialResult(True, f"it has run for {_STEADY:g} s")
            time.sleep(_PAUSE)
        return TrialResult(
            False, f"it was not ready within {READY_WITHIN:g} s ({container.get('State', 'no container')})"
        )

    def _stopped_in_time(self) -> TrialResult:
        began = time.monotonic()
        self._compose("-f", str(self._file), "stop", "--", self._service, seconds=READY_WITHIN)
        code, took = self._container().get("ExitCode"), time.monotonic() - began
        if code == 137:
            return TrialResult(False, f"it was killed again, after {took:.1f} s")
        return TrialResult(True, f"it ended on the stop signal after {took:.1f} s, with exit code {code}")

    def _container(self) -> Mapping[str, Any]:
        lines = self._compose("-f", str(self._file), "ps", "-a", "--format", "json", "--", self._service)
        containers = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
        return containers[0] if containers else {}

    def _last_line(self) -> str:
        words = ("logs", "--no-color", "--no-log-prefix", "--tail", "1", "--", self._service)
        with contextlib.suppress(TrialFailed):
            if line := self._compose("-f", str(self._file), *words).strip():
                return f": {line}"
        return ""

    def _compose(self, *words: str, seconds: float = 60.0) -> str:
        return _run_compose("-p", self._project, *words, seconds=seconds)

    def remove(self) -> None:
        """Remove containers, networks, volumes and built images of the project."""
        _remove(self._project)


def _remove(project: str) -> None:
    """By labels: this works also where the compose file is gone."""
    with contextlib.suppress(TrialFailed):
        _run_compose("-p", project, "down", "-v", "--remove-orphans", "-t", "1", seconds=90.0)
    for image in _docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{project}-*").split():
        _docker("image", "rm", "-f", image)


def _remove_leftovers() -> None:
    """Remove projects of trials whose process was killed."""
    with contextlib.suppress(TrialFailed, ValueError):
        for one in json.loads(_run_compose("ls", "-a", "--format", "json") or "[]"):
            name = str(one.get("Name", ""))
            pid = name.removeprefix(PREFIX).partition("-")[0]
            if name.startswith(PREFIX) and pid.isdigit() and not Path("/proc", pid).exists():
                _remove(name)


def _copy_tree(source: Path, target: Path) -> None:
    """Copy plain files and links; raises TrialFailed for more than LARGEST_COPY bytes."""
    size = 0
    for folder, names, files in os.walk(source):
        names[:] = [name for name in names if name != ".git"]
        inside = target / Path(folder).relative_to(source)
        inside.mkdir(parents=True, exist_ok=True)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink() and not path.is_file():
                continue
            size += path.lstat().st_size
            if size > LARGEST_COPY:
                raise TrialFailed(f"{source} has more than {LARGEST_COPY // 2**20} MiB, which are not copied")
            shutil.copy2(path, inside / name, follow_symlinks=False)


def _apply(folder: Path, diff: str) -> None:
    command = ("git", "apply", "--unsafe-paths", f"--directory={folder}", "-")
    environ = {**os.environ, "GIT_DIR": os.devnull}
    answer = subprocess.run(
        command, input=diff, capture_output=True, text=True, timeout=30, check=False, cwd="/", env=environ
    )
    if answer.returncode:
        raise TrialFailed(f"the patch does not apply to the files as they are now: {answer.stderr.strip()}")


def _isolate(raw: dict[str, Any], project: str, folder: str, moved: Mapping[str, str]) -> dict[str, Any]:
    """The rendered project, with nothing in it that belongs to the real one."""
    text = json.dumps(raw)
    for before, after in moved.items():
        if not before.startswith(folder):
            text = text.replace(json.dumps(before)[1:-1], json.dumps(after)[1:-1])
    config: dict[str, Any] = json.loads(text)
    config["name"] = project
    for key in ("networks", "volumes"):
        config[key] = {name: _own(one) for name, one in (config.get(key) or {}).items()}
    for name, service in config["services"].items():
        _isolate_service(project, folder, name, service)
    return config


def _own(defined: Any) -> dict[str, Any]:
    settings = dict(defined or {})
    for key in ("name", "external", "ipam"):
        settings.pop(key, None)
    return settings


def _isolate_service(project: str, folder: str, name: str, service: dict[str, Any]) -> None:
    mode = str(service.get("network_mode", ""))
    if mode == "host" or mode.startswith("container:"):
        raise TrialFailed(f"{name} uses network_mode {mode}, which a throw-away project cannot have")
    for key in ("ports", "container_name", "profiles", "deploy_labels"):
        service.pop(key, None)
    service["restart"] = "no"
    if service.get("build"):
        service["image"] = f"{project}-{name}"
    for mount in service.get("volumes") or []:
        if mount.get("type") == "bind" and not str(mount.get("source", "")).startswith(folder):
            mount["read_only"] = True


def _run_compose(*words: str, seconds: float = 60.0) -> str:
    usable = compose_binaries.first_usable(os.environ, Path(sys.executable), _compose_version)
    if usable is None:
        raise TrialFailed("neither docker compose nor docker-compose runs here; `power doctor` says more")
    answer = _ask((*usable[0], "--ansi", "never", "--progress", "plain", *words), seconds)
    if answer is None:
        raise TrialFailed(f"docker compose {' '.join(words[-3:])}: no answer within {seconds:g} s")
    if answer.returncode:
        last = (answer.stderr.strip() or answer.stdout.strip()).splitlines()[-3:]
        raise TrialFailed(f"docker compose {words[-1]}: {' '.join(last)}")
    return answer.stdout


def _docker(*words: str) -> str:
    answer = _ask(("docker", *words), 60.0)
    return answer.stdout if answer and answer.returncode == 0 else ""


def _compose_version(argv: tuple[str, ...]) -> str | None:
    answer = _ask((*argv, "version", "--short"), 10.0)
    return answer.stdout if answer and answer.returncode == 0 else None


def _ask(command: tuple[str, ...], seconds: float) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
            env=engine_endpoint.current().environment(os.environ),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
