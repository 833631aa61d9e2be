"""Compose command lines as data, and the one function that runs them.

Every command names its services after `--`. So no command acts on all services, and no name can be an
option. A stop finds containers by their labels alone, so a broken or missing compose file cannot block
it. Only `pre_stop` reads the files, and a plain stop follows it.
"""

from __future__ import annotations

import json
import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE

from app.domain.calls import CallOutcome
from app.domain.durations import LONGEST_CALL
from app.domain.enums import Action, CallStatus
from workers.engine import child_processes, compose_program, stack_secrets
from workers.engine.child_output import ChildOutput, PrintText

log = logging.getLogger(__name__)

SHARED_SERVICE = "power-windows-shared"
"""A service of no containers: creating it creates the networks it joins, and nothing else."""
_NOT_ON_DEMAND = ("--no-deps", "--no-build", "--pull", "never")


@dataclass(frozen=True, slots=True)
class ComposeFiles:
    """Where a stack's compose files are and how they are read."""

    project: str
    directory: Path
    files: tuple[str, ...]
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    """The files as people write them, where `files` names a rendered copy."""
    accepted: Path | None = None
    """The rendered file that `files` names, where starts use a copy of the accepted files."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What secrets and configs take from the environment; it is in no file and on no command line."""

    def paths(self) -> list[Path]:
        """The paths of all compose files and env files."""
        return [self.directory / file for file in (*self.files, *self.env_files)]


@dataclass(frozen=True, slots=True)
class Command:
    """One compose command, whole; `directory` is where it runs."""

    action: Action
    argv: tuple[str, ...]
    directory: Path
    variables: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Added to the environment of the process."""

    def __str__(self) -> str:
        return " ".join(self.argv)


def up(place: ComposeFiles, service: str, *, keep_running: bool = False, recreate: bool = False) -> Command:
    """Start one service alone. `keep_running` keeps its running containers; `recreate` recreates all."""
    how = ("--no-recreate",) if keep_running else ("--force-recreate",) if recreate else ()
    return _from_files(place, Action.UP, "up", "-d", *_NOT_ON_DEMAND, *how, "--", service)


def share(place: ComposeFiles, extra: Path, *, trial: bool = False) -> Command:
    """Create networks of the project, or only say what that would do; `extra` is a `shared_file`."""
    words = ("create", "--no-build", "--pull", "never", "--", SHARED_SERVICE)
    return _from_files(place, Action.SHARE, *(("--dry-run",) if trial else ()), *words, extra=(str(extra),))


def stop(project: str, service: str) -> Command:
    """Stop one service by its containers' labels, without the compose files."""
    return _from_labels(project, Action.STOP, "stop", "--", service)


def pre_stop(place: ComposeFiles, service: str) -> Command:
    """Stop one service by the files, which name the hooks to run in its containers before that."""
    return _from_files(place, Action.PRE_STOP, "stop", "--", service)


def kill(project: str, service: str) -> Command:
    """Kill one service by its containers' labels, without the compose files."""
    return _from_labels(project, Action.KILL, "kill", "--", service)


def remove(project: str, service: str) -> Command:
    """Remove the stopped containers of one service with their anonymous volumes."""
    return _from_labels(project, Action.REMOVE, "rm", "-f", "-v", "--", service)


def build(place: ComposeFiles, service: str) -> Command:
    """Build the image of one service; nothing is started and nothing is pulled that is here already."""
    return _from_files(place, Action.BUILD, "build", "--", service)


def config(place: ComposeFiles) -> Command:
    """Everything the files say, services of every profile included, as JSON."""
    return _from_files(place, Action.NONE, "config", "--format", "json", every_profile=True)


def config_as_yaml(place: ComposeFiles) -> Command:
    """The same as YAML, which keeps what the JSON lacks."""
    return _from_files(place, Action.NONE, "config", every_profile=True)


def hashes(place: ComposeFiles) -> Command:
    """Each service's configuration hash, a line each."""
    return _from_files(place, Action.NONE, "config", "--hash", "*", every_profile=True)


def _from_files(
    place: ComposeFiles, action: Action, *words: str, extra: tuple[str, ...] = (), every_profile: bool = False
) -> Command:
    files = [str(place.directory / file) for file in place.files]
    profiles = ("*",) if every_profile else place.profiles
    options = (
        *_with_flag("-f", (*files, *extra)),
        *_with_flag("--profile", profiles),
        *_with_flag("--env-file", (str(place.directory / file) for file in place.env_files)),
    )
    where = ("--project-directory", str(place.directory))
    argv = (*_start(place.project), *where, *options, *words)
    return Command(action, argv, place.directory, place.variables)


def _from_labels(project: str, action: Action, *words: str) -> Command:
    # From the root directory, since compose would pick up a file lying in or above the one it runs in.
    return Command(action, (*_start(project), *words), Path("/"))


def _start(project: str) -> tuple[str, ...]:
    return (*compose_program.program(), "--ansi", "never", "--progress", "plain", "-p", project)


def _with_flag(flag: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (flag, value)]


def shared_file(networks: Iterable[str], volumes: Iterable[str] = ()) -> str:
    """A compose file whose one service joins these networks, has these volumes and no containers."""
    service: dict[str, object] = {"image": "scratch", "scale": 0}
    service |= {"networks": names} if (names := sorted(networks)) else {"network_mode": "none"}
    if mounts := [f"{name}:/shared/{number}" for number, name in enumerate(sorted(volumes))]:
        service["volumes"] = mounts
    return json.dumps({"services": {SHARED_SERVICE: service}})


class Cancellation:
    """A way to end one running command early, from another thread."""

    def __init__(self) -> None:
        self.reason = ""
        """Why it was cancelled; empty while it was not."""
        self._child: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def cancel(self, reason: str) -> None:
        """End the command, now or as soon as it starts; one that has ended stays as it is."""
        with self._lock:
            self.reason = self.reason or reason
            self._kill()

    def watch(self, child: subprocess.Popen[str]) -> None:
        """The command runs as this child from here on."""
        with self._lock:
            self._child = child
            if self.reason:
                self._kill()

    def _kill(self) -> None:
        if self._child is not None and self._child.returncode is None:
            child_processes.kill_family(self._child)


def project_of(argv: Sequence[str]) -> str:
    """The project that a command line names; empty where it names none."""
    after = [value for flag, value in pairwise(argv) if flag == "-p"]
    return after[0] if after else ""


def run(
    command: Command,
    timeout: float,
    *,
    lock: int | tuple[int, ...] | None = None,
    started: Callable[[int], None] | None = None,
    cancellation: Cancellation | None = None,
    print_text: PrintText | None = None,
) -> CallOutcome:
    """Run one command until it ends or for `timeout` seconds, and end all its descendants.

    The child dies with this thread (a parent-death signal). It has its own process group, which is killed
    on every way out. `lock` is one descriptor or several that the child inherits: the service stays
    locked while any process of the call lives. `started` is called with the child's process id.
    `cancellation` may end the command early; the outcome then has its status. `print_text` gets what is
    printed, as it comes and with its secrets.
    """
    began = time.monotonic()
    try:
        child = spawn(command, lock)
    except Exception as error:  # noqa: BLE001 - any error before the call is its outcome
        return spawn_failure(command, began, error)
    output = ChildOutput(child, print_text)
    outcome = _attend(command, child, output, timeout, began, started=started, cancellation=cancellation)
    return _without_secrets(command, outcome)


def _without_secrets(command: Command, outcome: CallOutcome) -> CallOutcome:
    """The outcome as it may be kept; what a reading prints is read by this worker alone, and whole."""
    clean = partial(stack_secrets.redact, project_of(command.argv))
    stdout = outcome.stdout if command.action is Action.NONE else clean(outcome.stdout)
    return replace(outcome, stdout=stdout, stderr=clean(outcome.stderr))


def _attend(
    command: Command,
    child: subprocess.Popen[str],
    output: ChildOutput,
    timeout: float,
    began: float,
    *,
    started: Callable[[int], None] | None,
    cancellation: Cancellation | None,
) -> CallOutcome:
    """Wait until a child process ends, and end all its descendants."""
    try:
        if started:
            _tell(started, command, child.pid)
        if cancellation:
            cancellation.watch(child)
        return _as_cancelled(_wait(child, output, min(timeout, LONGEST_CALL), began), cancellation)
    except Exception as error:  # noqa: BLE001 - the call is recorded as begun, and needs a recorded end
        child_processes.discard(child)
        return spawn_failure(command, began, error)
    finally:
        child_processes.kill_family(child)
        output.close()


def _as_cancelled(outcome: CallOutcome, cancellation: Cancellation | None) -> CallOutcome:
    """The outcome, marked as cancelled where the command did not end by itself before that."""
    if cancellation is None or not cancellation.reason or outcome.status is CallStatus.OK:
        return outcome
    stderr = f"{outcome.stderr.rstrip()}\ncut short: {cancellation.reason}".lstrip()
    return replace(outcome, status=CallStatus.CANCELLED, returncode=None, stderr=stderr)


def _tell(started: Callable[[int], None], command: Command, pid: int) -> None:
    """Record the process that has begun.

    A start that could not be ended later is not made; a stop is made in any case.
    """
    try:
        started(pid)
    except OSError as error:
        if command.action not in {Action.STOP, Action.KILL}:
            raise
        log.warning("%s: goes on, though its process could not be written down: %s", command, error)


def spawn_failure(command: Command, began: float, error: Exception) -> CallOutcome:
    """The outcome of a command that could not be run. `began` is a reading of the monotonic clock."""
    return CallOutcome(CallStatus.FAIL, None, elapsed_ms(began), stderr=_reason(command, error))


def _reason(command: Command, error: Exception) -> str:
    """Why it could not be run, with what that is about: a program, or the directory it runs in."""
    if not isinstance(error, OSError) or not error.strerror:
        return f"{command.argv[0]}: {type(error).__name__}: {error}".rstrip(": ")
    if error.filename is not None and str(error.filename) == str(command.directory):
        return f"the directory {command.directory} cannot be entered: {error.strerror}"
    return f"{error.filename or command.argv[0]}: {error.strerror}"


def spawn(command: Command, lock: int | tuple[int, ...] | None, stderr: int = PIPE) -> subprocess.Popen[str]:
    """Start a command, which holds the lock files and dies with this process; `stderr` as for Popen."""
    lock_files = (lock,) if isinstance(lock, int) else lock or ()
    return subprocess.Popen(
        (*child_processes.dying_with_us(), *command.argv),
        stdin=subprocess.DEVNULL,
        stdout=PIPE,
        stderr=stderr,
        text=True,
        errors="replace",
        cwd=command.directory,
        env={**command.variables, **compose_program.environment()},
        start_new_session=True,
        pass_fds=lock_files,
    )


def _wait(child: subprocess.Popen[str], output: ChildOutput, timeout: float, began: float) -> CallOutcome:
    try:
        output.read_to_end(time.monotonic() + timeout)
    except subprocess.TimeoutExpired:
        child_processes.kill_family(child)
        output.read_last_words()
        return CallOutcome(CallStatus.TIMEOUT, None, elapsed_ms(began), *output.texts)
    status = CallStatus.OK if child.returncode == 0 else CallStatus.FAIL
    return CallOutcome(status, child.returncode, elapsed_ms(began), *output.texts)


def elapsed_ms(began: float) -> int:
    """Milliseconds since a reading of the monotonic clock."""
    return round((time.monotonic() - began) * 1000)
