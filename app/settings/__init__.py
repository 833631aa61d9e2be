"""Environment and power.toml, read once by entry points and frozen.

Nothing else reads the environment or the file, so what a process runs with is one
value. Pydantic checks the file; every fault becomes one line that names the key.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from app.domain import durations, names
from app.domain.enums import WINDOW_ENDING, Event
from app.settings import service_urls, trusted_proxies
from app.settings.trusted_proxies import Network

_MOST_CALLS = 10_000
EMBEDDED = "broker.url"
"""The file in the data directory where a standalone leaves its broker's address."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; see CONTRACT's names in `load`."""

    data_dir: Path
    database_url: str
    broker_url: str
    node: str
    config: Path
    await_node: str | None = None
    """A front that was started with a worker of this node is ready only once that is up …"""
    started_at: datetime | None = None
    """… and has come up since then."""
    wait_for_node: bool = True
    """An opening on a stack whose node is away waits for it; otherwise it is refused."""
    traces: bool = False
    """Somebody wants to be sent spans …"""
    trace_timeout: bool = False
    """… and says how long one sending may take."""
    public_url: str | None = None
    """Where people reach the front: what links in notices begin with. Without it they have none."""
    opening_calls: int | None = None
    """Compose calls that start services at once on this node; None: by its cores and memory."""
    closing_calls: int | None = None
    """The same for those that stop services."""
    trusted_proxies: tuple[Network, ...] = ()
    """Whose `X-Forwarded-…` headers a front believes."""
    database_fault: str | None = None
    """Why the database must not be used, as a standalone found out at its start."""
    pulse: Path | None = None
    """A file that a worker or beat touches while it does its work, for its supervisor to look at."""

    @property
    def lock_dir(self) -> Path:
        return self.data_dir / "locks"


class ConfigError(Exception):
    """power.toml or the environment cannot be used; `faults` has one line for each reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class VariableError(ConfigError):
    """Variables that cannot be used: `by_variable` has the faults of each, a line for every one."""

    def __init__(self, by_variable: Mapping[str, list[str]]) -> None:
        super().__init__([f"{name}: {fault}" for name, faults in by_variable.items() for fault in faults])
        self.by_variable = by_variable


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read POWER_DATA_DIR, POWER_DATABASE_URL, POWER_BROKER_URL, POWER_NODE, POWER_CONFIG and POWER_AWAY.

    Of a front also POWER_TRUSTED_PROXIES; of a worker POWER_PUBLIC_URL, POWER_OPENING_CALLS and
    POWER_CLOSING_CALLS; of a supervised worker or
    beat POWER_PULSE; of a standalone's own front POWER_AWAIT_NODE and POWER_STARTED_AT; of its children
    POWER_DATABASE_FAULT, where the database cannot be used. One that is empty counts as unset. Raises
    VariableError, with every fault.
    """
    faults = {name: found for name in _CHECKS if (found := _faults(name, environ.get(name) or ""))}
    if faults:
        raise VariableError(faults)
    data_dir = Path(environ.get("POWER_DATA_DIR") or default_data_dir(environ)).expanduser().absolute()
    return Settings(
        data_dir=data_dir,
        database_url=environ.get("POWER_DATABASE_URL") or service_urls.of_file(data_dir / "power.db"),
        broker_url=environ.get("POWER_BROKER_URL") or _embedded_broker(data_dir),
        node=environ.get("POWER_NODE") or "local",
        config=Path(environ.get("POWER_CONFIG") or "power.toml").expanduser().absolute(),
        await_node=environ.get("POWER_AWAIT_NODE") or None,
        started_at=_moment(environ.get("POWER_STARTED_AT")),
        wait_for_node=environ.get("POWER_AWAY") != "refuse",
        traces=_traces(environ),
        trace_timeout="OTEL_EXPORTER_OTLP_TIMEOUT" in environ,
        public_url=(environ.get("POWER_PUBLIC_URL") or "").rstrip("/") or None,
        opening_calls=_number(environ.get("POWER_OPENING_CALLS")),
        closing_calls=_number(environ.get("POWER_CLOSING_CALLS")),
        trusted_proxies=trusted_proxies.parse(environ.get("POWER_TRUSTED_PROXIES") or ""),
        database_fault=environ.get("POWER_DATABASE_FAULT") or None,
        pulse=Path(environ["POWER_PULSE"]) if environ.get("POWER_PULSE") else None,
    )


def load_or_exit(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a process that has nobody else to tell: it ends with one line per fault."""
    try:
        return load(environ)
    except ConfigError as error:
        raise SystemExit(str(error)) from None


def _faults(variable: str, given: str) -> list[str]:
    if not given:
        return []
    if not given.isascii() and any("\ud800" <= sign <= "\udfff" for sign in given):
        return [f"{given.encode(errors='surrogateescape')!r} is not UTF-8"]
    return list(_CHECKS[variable](given))


def _node_faults(given: str) -> Iterator[str]:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,119}", given):
        yield f"{given!r} is no name of a node: letters, digits, `.`, `_` and `-`, first a letter or digit"


def _count_faults(given: str) -> Iterator[str]:
    if not given.isascii() or not given.isdigit() or not 0 < int(given) <= _MOST_CALLS:
        yield f"{given!r} is not a whole number from 1 to {_MOST_CALLS}"


def _away_faults(given: str) -> Iterator[str]:
    if given not in {"wait", "refuse"}:
        yield f"{given!r} is neither `wait` nor `refuse`"


def _public_faults(given: str) -> Iterator[str]:
    if not given.startswith(("http://", "https://")):
        yield f"{given!r} begins with neither http:// nor https://"


def _any(_given: str) -> Iterator[str]:
    """Any text will do."""
    yield from ()


_CHECKS: Mapping[str, Callable[[str], Iterable[str]]] = {
    "POWER_DATA_DIR": _any,
    "POWER_CONFIG": _any,
    "POWER_DATABASE_URL": service_urls.database_faults,
    "POWER_BROKER_URL": service_urls.broker_faults,
    "POWER_NODE": _node_faults,
    "POWER_AWAY": _away_faults,
    "POWER_PUBLIC_URL": _public_faults,
    "POWER_OPENING_CALLS": _count_faults,
    "POWER_CLOSING_CALLS": _count_faults,
    "POWER_TRUSTED_PROXIES": trusted_proxies.faults,
}
"""What may be wrong with a variable, one line a fault."""


def _number(given: str | None) -> int | None:
    return int(given) if given else None


def _traces(environ: Mapping[str, str]) -> bool:
    """By OpenTelemetry's own names; its exporter reads the rest of them."""
    asked = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return bool(asked) and environ.get("OTEL_SDK_DISABLED", "").lower() != "true"


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def default_data_dir(environ: Mapping[str, str]) -> Path:
    state = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".local/state")
    return Path(state) / "power-windows"


def _embedded_broker(data_dir: Path) -> str:
    try:
        kept = (data_dir / EMBEDDED).read_text().strip()
    except (OSError, ValueError):
        kept = ""
    # One that was cut short is as good as none: a standalone writes it anew when it starts.
    return kept if kept and not service_urls.broker_faults(kept) else "redis://127.0.0.1:6379/0"


def _seconds(value: Any) -> Any:
    """Accept `30s`, `1h30m` or a positive number of seconds."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("write a duration such as 90, 90s, 30m or 1h30m")
    return durations.parse(value if isinstance(value, str) else repr(value))


Seconds = Annotated[
    float, BeforeValidator(_seconds), AfterValidator(partial(durations.at_most, durations.LONGEST))
]
CallSeconds = Annotated[Seconds, AfterValidator(partial(durations.at_most, durations.LONGEST_CALL))]
DEFAULT_TTL = 1800.0
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=120)]
StackName = Annotated[Name, AfterValidator(names.require_free)]
ProjectName = Annotated[str, AfterValidator(names.require_project), Field(max_length=120)]
ServiceName = Annotated[str, AfterValidator(names.require_service), Field(max_length=120)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceToml(_Strict):
    """`[stacks.NAME.services.SERVICE]`: what differs from the defaults for one service. Times are seconds."""

    up_timeout: CallSeconds = 30.0
    stop_timeout: CallSeconds | None = None
    ready_timeout: CallSeconds | None = None
    stable_for: CallSeconds = 1.0
    oneshot: bool | None = None


class StackToml(_Strict):
    """`[stacks.NAME]`: one Compose project under control. Times are seconds."""

    project: ProjectName
    directory: Path = Path()
    files: list[str] = Field(default=["docker-compose.yml"], min_length=1)
    profiles: list[Name] = []
    env_files: list[str] = []
    node: Name = "local"
    core: list[ServiceName] = []
    allow: list[ServiceName] = Field(min_length=1)
    max_ttl: Seconds = 28800.0
    default_ttl: Seconds = Field(default_factory=lambda data: min(DEFAULT_TTL, data["max_ttl"]))
    drift: Literal["report", "stop"] = "report"
    grace: Seconds = 60.0
    blind: Literal["stop", "hold"] = "stop"
    blind_grace: Seconds = 30.0
    services: dict[str, ServiceToml] = {}

    @model_validator(mode="after")
    def _consistent(self) -> StackToml:
        if both := sorted(set(self.core) & set(self.allow)):
            raise ValueError(
                f"allow: {', '.join(both)} is core, which is never powered; take it out of one list"
            )
        if self.default_ttl > self.max_ttl:
            unsaid = "" if "max_ttl" in self.model_fields_set else " where it is not set; set it as well"
            over = f"{self.default_ttl:g} s is over max_ttl, {self.max_ttl:g} s"
            raise ValueError(f"default_ttl: {over}{unsaid}")
        return self

    def paths(self) -> list[Path]:
        """What a stack is read from, as far as power.toml tells; `.env` is what compose reads by itself."""
        return [self.directory / name for name in (*self.files, *self.env_files, ".env")]

    def tuned(self, service: str) -> ServiceToml:
        return self.services.get(service, ServiceToml())


class NoticeToml(_Strict):
    """`[notices.NAME]`: who is told of what. Times are seconds."""

    url: str | None = Field(default=None, repr=False)
    apprise: str | None = Field(default=None, repr=False)
    secret: str | None = Field(default=None, repr=False)
    secret_env: str | None = None
    events: list[str] = ["window.ending", "window.stuck", "service.failing", "drift.found"]
    stacks: list[Name] = []
    before: Seconds = 600.0

    @model_validator(mode="after")
    def _consistent(self) -> NoticeToml:
        if (self.url is None) == (self.apprise is None):
            raise ValueError("name one of url (a webhook) and apprise (an Apprise address)")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError("url: begins with neither http:// nor https://")
        if self.url is not None and (self.secret is None) == (self.secret_env is None):
            raise ValueError("a webhook is signed: give one of secret and secret_env (a variable's name)")
        known = {WINDOW_ENDING, *Event}
        if strange := sorted(set(self.events) - known):
            raise ValueError(f"events: {', '.join(strange)} is none of {', '.join(sorted(known))}")
        return self


@dataclass(frozen=True, slots=True)
class RejectedToml:
    """A stack whose section has faults, with what can be told of it."""

    project: str
    node: str
    core: frozenset[str]
    faults: tuple[str, ...]
    is_nameable: bool
    """May a stack have its name?"""


class _File(_Strict):
    """The file as it is written."""

    stacks: dict[StackName, StackToml] = Field(min_length=1)
    notices: dict[Name, NoticeToml] = {}


@dataclass(frozen=True, slots=True)
class PowerToml:
    """The whole file, with directories made absolute."""

    stacks: Mapping[str, StackToml]
    notices: dict[str, NoticeToml] = field(default_factory=dict)
    rejected: Mapping[str, RejectedToml] = field(default_factory=dict)
    """Stacks whose section has faults, which keep no other from being served."""

    def on_node(self, node: str) -> dict[str, StackToml]:
        return {name: stack for name, stack in self.stacks.items() if stack.node == node}


def read_power_toml(path: Path) -> PowerToml:
    """Read and check power.toml; raises ConfigError with one line per fault.

    Stacks with faults are set apart where there is one without, and nothing else is wrong.
    A stack's `directory` is taken from where the file lies, not from where the process runs.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; name one with --config"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from error
    try:
        found, rejected = _File.model_validate(raw), dict[str, RejectedToml]()
    except ValidationError as error:
        faults = [fault for fault in error.errors() if _is_a_cause(fault)]
        rejected = _rejected(path, raw, faults)
        if not rejected:
            raise ConfigError([_line(path, fault) for fault in faults]) from error
        good = {name: one for name, one in raw["stacks"].items() if name not in rejected}
        found = _File.model_validate({**raw, "stacks": good})
    stacks = {name: _placed(stack, path.absolute().parent) for name, stack in found.stacks.items()}
    return PowerToml(stacks, found.notices, rejected)


def _rejected(path: Path, raw: Mapping[str, Any], faults: list[Any]) -> dict[str, RejectedToml]:
    """The stacks that have all the faults; none where every stack has some, or something else has."""
    by_stack: dict[str, list[Any]] = {}
    for fault in faults:
        if fault["loc"][0] != "stacks" or len(fault["loc"]) == 1:
            return {}
        by_stack.setdefault(str(fault["loc"][1]), []).append(fault)
    if not raw["stacks"].keys() - by_stack.keys():
        return {}
    return {name: _set_apart(path, name, raw["stacks"][name], found) for name, found in by_stack.items()}


def _set_apart(path: Path, name: str, section: Any, faults: list[Any]) -> RejectedToml:
    said = section if isinstance(section, dict) else {}
    project, node, core = said.get("project"), said.get("node"), said.get("core")
    return RejectedToml(
        project if isinstance(project, str) else name,
        node if isinstance(node, str) else "local",
        frozenset(one for one in core if isinstance(one, str)) if isinstance(core, list) else frozenset(),
        tuple(_line(path, fault) for fault in faults),
        not any("[key]" in fault["loc"] for fault in faults),
    )


def _placed(stack: StackToml, beside: Path) -> StackToml:
    return stack.model_copy(update={"directory": (beside / stack.directory).resolve()})


def _is_a_cause(fault: Any) -> bool:
    """Not a cause is that `default_ttl` cannot follow from a `max_ttl` that is at fault itself."""
    return bool(fault["type"] != "default_factory_not_called")


def _line(path: Path, fault: Any) -> str:
    """The key, and of a list the entry itself: its place in the list is not what anybody wrote."""
    parts = [part for part in fault["loc"] if part != "[key]"]
    key = ".".join(str(part) for part in parts if not isinstance(part, int)) or "stacks"
    entry = f"{fault['input']!r}: " if parts and isinstance(parts[-1], int) else ""
    said = _KNOWN.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    if said.startswith(entry.removesuffix(": ")):
        entry = ""
    return f"{path}: {key}: {entry}{said}{_proposal(fault, parts)}"


_KNOWN = {"missing": "is missing", "extra_forbidden": "is not a setting; see the reference for the names"}


def _proposal(fault: Any, parts: list[Any]) -> str:
    """What would be right, where that can be told."""
    if fault["type"] == "missing" and parts[-1] == "project" and (name := names.as_project(str(parts[-2]))):
        return f'; write project = "{name}"'
    if fault["type"] == "extra_forbidden" and isinstance(fault["input"], dict):
        return f'; a name with a dot is quoted: [{parts[0]}."{".".join(str(part) for part in parts[1:])}"]'
    return ""
