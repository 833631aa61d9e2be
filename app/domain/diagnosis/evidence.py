"""What is known of a failing service, as one frozen value.

A worker collects it; rules read it by field names.

No field holds the value of an environment variable. Texts are redacted and bounded before they get here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from app.domain.stack_id import StackId

FieldValue = str | int | float | bool | tuple[str, ...] | None
"""What a rule sees of one field; None where it is not known."""


@dataclass(frozen=True, slots=True)
class CallEvidence:
    """The compose call that failed, or the stop that took long; empty where no call is concerned."""

    action: str = ""
    status: str = ""
    returncode: int | None = None
    argv: tuple[str, ...] = ()
    stderr: tuple[str, ...] = ()
    """Lines of what Compose and the engine answered."""
    elapsed_sec: float | None = None
    whole_grace: bool = False
    """Did a stop take the whole grace, so that the engine killed the container?"""


@dataclass(frozen=True, slots=True)
class ContainerEvidence:
    """The service's container, as the engine describes it. `state` is empty without a container."""

    state: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    error: tuple[str, ...] = ()
    """Lines of what the engine says of the last start."""
    restarts: int = 0
    ran_sec: float | None = None
    """Seconds that its last run lasted, or has lasted so far."""
    grace_sec: float = 10.0
    """Seconds from a stop's signal to the kill."""
    command: tuple[str, ...] = ()
    """The argv of its first process: entry point and command together."""
    first_word: str = ""
    """The first of them."""
    working_dir: str = ""
    user: str = ""
    """As configured; empty for root."""
    root: bool = True
    """Does its first process run as root?"""
    variables: tuple[str, ...] = ()
    """Names of its environment variables; never their values."""
    empty_variables: tuple[str, ...] = ()
    """Names of those that are set to nothing."""
    mounts: tuple[str, ...] = ()
    """Paths in the container that are volumes or bind mounts."""
    foreign_mounts: tuple[str, ...] = ()
    """Those of them whose directory belongs to another user than the process runs as."""
    read_only_mounts: tuple[str, ...] = ()
    read_only: bool = False
    """Is its root filesystem read-only?"""
    memory_limit: int | None = None
    """Bytes; None without a limit."""
    network_mode: str = ""
    init: bool = False
    gpu: bool = False
    """Does it ask for a GPU, by a device request or a runtime?"""
    listening: tuple[str, ...] | None = None
    """`address:port` of each TCP socket on which it listens; None where that cannot be read."""
    signalled: str = ""
    """The signal that the engine was asked to send it in its last run; empty without one."""
    severed: str = ""
    """Why a network or namespace of the container no longer exists; empty if all exist."""


@dataclass(frozen=True, slots=True)
class HealthEvidence:
    """The healthcheck of the container and its last results. Times are seconds."""

    status: str = ""
    """`healthy`, `unhealthy`, `starting`; empty without a healthcheck."""
    test: str = ""
    shell: bool = False
    exit_code: int | None = None
    output: tuple[str, ...] = ()
    """Lines of the last failed check."""
    start_period: float = 0.0
    allowed_sec: float | None = None
    """From a start until `unhealthy`, at the least."""
    timeout: float = 0.0
    port: str = ""
    """The port that the check asks, where its text names one."""
    port_open: bool | None = None
    """Does a process of the container listen there? None where that is not known."""
    recovered_sec: float | None = None
    """Seconds from its start until it was healthy, where that took longer than `allowed_sec`; else None."""


@dataclass(frozen=True, slots=True)
class EntryEvidence:
    """The file that the container runs first, as it is in the container."""

    path: str = ""
    kind: str = ""
    """`script`, `elf`, `text` (neither), `directory`, `missing`; empty where it could not be read."""
    executable: bool | None = None
    crlf: bool = False
    """Does its first line end with a carriage return?"""
    interpreter: str = ""
    """Of a script, or the loader of a dynamic program."""
    interpreter_missing: bool = False
    architecture: str = ""
    """Of a program, in Docker's words (`amd64`, `arm64`)."""


@dataclass(frozen=True, slots=True)
class ImageEvidence:
    """The image of the service, as the engine has it."""

    name: str = ""
    missing: bool = False
    architecture: str = ""
    buildable: bool = False
    """Does the compose file say how to build it?"""


@dataclass(frozen=True, slots=True)
class HostEvidence:
    """Facts of the host on which the engine runs."""

    architecture: str = ""
    disk_free: int | None = None
    """Bytes free where the engine keeps its data; None where that cannot be read."""
    port: str = ""
    """The published port that a failed start names."""
    port_holder: str = ""
    """What holds that port, in words; empty where it is not known."""


@dataclass(frozen=True, slots=True)
class DependencyEvidence:
    """The dependency that keeps the service from starting; `name` is empty where none does."""

    name: str = ""
    via: str = ""
    """The direct dependency that itself waits for `name`; empty where `name` is the direct one."""
    core: bool = False
    """Is it core, which no window starts?"""
    power: str = ""
    """`failing`, `off`, `unknown`."""
    reason: str = ""
    """Why it failed, in a sentence: the title of its own diagnosis, else its verdict; empty without both."""
    cause: str = ""
    """The cause of its own diagnosis; empty or `unknown` where that is not known."""


@dataclass(frozen=True, slots=True)
class LogEvidence:
    """The last lines the container wrote in its last run."""

    lines: tuple[str, ...] = ()
    ages: tuple[float, ...] = ()
    """Of each line: seconds before the end of the run, or before now. As many as lines, or none."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one failing service."""

    stack: StackId
    service: str
    detail: str = ""
    """The verdict's own words (`exited with code 1`)."""
    oneshot: bool = False
    call: CallEvidence = field(default_factory=CallEvidence)
    container: ContainerEvidence = field(default_factory=ContainerEvidence)
    health: HealthEvidence = field(default_factory=HealthEvidence)
    entry: EntryEvidence = field(default_factory=EntryEvidence)
    image: ImageEvidence = field(default_factory=ImageEvidence)
    host: HostEvidence = field(default_factory=HostEvidence)
    dependency: DependencyEvidence = field(default_factory=DependencyEvidence)
    log: LogEvidence = field(default_factory=LogEvidence)
    services: tuple[str, ...] = ()
    """Names of all services of the stack."""
    depends_on: tuple[str, ...] = ()
    dependencies_down: tuple[str, ...] = ()
    """Services that are not ready, of those that this one may reach."""
    secrets: tuple[str, ...] = ()
    """Paths under which secrets and configs are mounted."""
    secret_sources: tuple[str, ...] = ()
    """Files on the host from which secrets and configs are taken."""
    faults: tuple[str, ...] = ()
    """Why the stack's files were refused, a line each; then `service` is empty."""

    @property
    def ended(self) -> bool:
        """Has its last run ended by itself, or does it end again and again?"""
        return self.container.state in {"exited", "dead", "restarting"} or self.container.restarts > 1

    @property
    def running(self) -> bool:
        """Does it run, steadily as far as is known?"""
        return self.container.state == "running" and self.container.restarts < 2

    @property
    def is_well(self) -> bool:
        """Does it run, is it healthy, and has no call for it failed?"""
        return self.running and self.health.status == "healthy" and not self.call.action

    @property
    def last_line(self) -> str:
        """The last line of the log that is not blank."""
        return next((line for line in reversed(self.log.lines) if line.strip()), "")


_PARTS = ("call", "container", "health", "entry", "image", "host", "dependency")
"""The parts of the evidence whose fields a rule names as `part.field`."""
_PLAIN = (
    *("stack", "service", "detail", "oneshot", "services", "depends_on", "dependencies_down", "secrets"),
    *("secret_sources", "faults", "ended", "running", "last_line"),
)


def fields(evidence: Evidence) -> dict[str, FieldValue]:
    """Every field that a rule can name, with its value. `log` is apart: its lines have ages and an order."""
    values: dict[str, Any] = {name: getattr(evidence, name) for name in _PLAIN}
    for part in _PARTS:
        values |= {f"{part}.{name}": value for name, value in asdict(getattr(evidence, part)).items()}
    return values


FIELDS = frozenset(fields(Evidence(StackId(""), ""))) | {"log"}
"""The names of all fields."""


def from_fields(given: Mapping[str, Any]) -> Evidence:
    """Evidence from a mapping of field names to values, as an example in a rule file gives it.

    `log` may be a text. A text stands for its lines where lines are wanted. Raises KeyError for an
    unknown name.
    """
    plain: dict[str, Any] = {"stack": "example", "service": "web"}
    parts: dict[str, dict[str, Any]] = {}
    for name, value in given.items():
        if name not in FIELDS or name in {"ended", "running", "last_line"}:
            raise KeyError(name)
        part, _, key = name.rpartition(".")
        if name == "log":
            plain["log"] = LogEvidence(_lines(value))
        elif part:
            parts.setdefault(part, {})[key] = _as_type(name, value)
        else:
            plain[name] = _as_type(name, value)
    types = {
        "call": CallEvidence, "container": ContainerEvidence, "health": HealthEvidence,
        "entry": EntryEvidence, "image": ImageEvidence, "host": HostEvidence,
        "dependency": DependencyEvidence,
    }  # fmt: skip
    return Evidence(**plain, **{part: types[part](**values) for part, values in parts.items()})


_SEVERAL = frozenset(
    {name for name, value in fields(Evidence(StackId(""), "")).items() if isinstance(value, tuple)}
) | {"container.listening"}


def _as_type(name: str, value: Any) -> Any:
    return _lines(value) if name in _SEVERAL else value


def _lines(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.strip("\n").splitlines())
    return tuple(str(one) for one in value)
