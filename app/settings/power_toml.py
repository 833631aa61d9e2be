"""power.toml, checked by Pydantic and frozen into one `PowerToml` value.

Every fault becomes one line that names the file and the key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.domain import names, scenarios
from app.domain.enums import WINDOW_ENDING, Event
from app.domain.features import FEATURE_NAMES, Features
from app.domain.stack_id import StackId
from app.settings import namespace_toml
from app.settings.errors import ConfigError
from app.settings.intent_toml import IntentName, IntentToml, WrittenIntent, read_intents
from app.settings.mqtt_settings import MqttToml
from app.settings.toml_values import (
    CallSeconds,
    Name,
    ProjectName,
    QualifiedName,
    Seconds,
    ServiceName,
    StackName,
    Switch,
)

DEFAULT_TTL = 1800.0


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
        """The files of a stack, as far as power.toml names them; Compose itself reads `.env`."""
        return [self.directory / name for name in (*self.files, *self.env_files, ".env")]

    def section_of(self, service: str) -> ServiceToml:
        """The section of one service, or its defaults."""
        return self.services.get(service, ServiceToml())


class NoticeToml(_Strict):
    """`[notices.NAME]`: a sink and the events that it gets. Times are seconds."""

    url: str | None = Field(default=None, repr=False)
    apprise: str | None = Field(default=None, repr=False)
    secret: str | None = Field(default=None, repr=False)
    secret_env: str | None = None
    events: list[str] = ["window.ending", "window.stuck", "service.failing", "drift.found"]
    stacks: list[QualifiedName] = []
    before: Seconds = 600.0

    @model_validator(mode="after")
    def _consistent(self) -> NoticeToml:
        if (self.url is None) == (self.apprise is None):
            raise ValueError("name one of url (a webhook) and apprise (an Apprise address)")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError("url: begins with neither http:// nor https://")
        if self.url is not None and (self.secret is None) == (self.secret_env is None):
            raise ValueError("a webhook is signed: give one of secret and secret_env (a variable's name)")
        valid = {WINDOW_ENDING, *Event}
        if strange := sorted(set(self.events) - valid):
            raise ValueError(f"events: {', '.join(strange)} is none of {', '.join(sorted(valid))}")
        return self


@dataclass(frozen=True, slots=True)
class RejectedToml:
    """A stack whose section has faults, with the valid parts of that section."""

    project: str
    node: str
    core: frozenset[str]
    faults: tuple[str, ...]
    is_nameable: bool
    """May a stack have its name?"""


class FeaturesToml(_Strict):
    """`[features]`: what is off unless it is switched on here."""

    namespaces: Switch = False
    intents: Switch = False

    def switches(self) -> Features:
        """The same as the value that the rest of the program reads."""
        return Features(**self.model_dump())


class _File(_Strict):
    """The file as it is written."""

    stacks: dict[StackName, StackToml] = Field(min_length=1)
    notices: dict[QualifiedName, NoticeToml] = {}
    features: FeaturesToml = FeaturesToml()
    intents: dict[IntentName, IntentToml] = {}
    mqtt: MqttToml | None = None


@dataclass(frozen=True, slots=True)
class PowerToml:
    """The whole file, with directories made absolute."""

    stacks: Mapping[StackId, StackToml]
    notices: dict[str, NoticeToml] = field(default_factory=dict)
    rejected: Mapping[StackId, RejectedToml] = field(default_factory=dict)
    """Stacks whose section has faults, which keep no other from being served."""
    features: Features = field(default_factory=Features)
    intents: Mapping[str, WrittenIntent] = field(default_factory=dict)
    mqtt: MqttToml | None = None

    @property
    def secret_variables(self) -> set[str]:
        """The variables that notices are signed with, which no compose file may use."""
        return {sink.secret_env for sink in self.notices.values() if sink.secret_env}

    def on_node(self, node: str) -> dict[StackId, StackToml]:
        """The stacks of one node, by name."""
        return {name: stack for name, stack in self.stacks.items() if stack.node == node}

    def intents_of(self, stack: StackId) -> dict[str, WrittenIntent]:
        """The intents of one stack by name; none while the feature is off."""
        if not self.features.intents:
            return {}
        return {name: one for name, one in self.intents.items() if one.stack == stack}

    def differs_on(self, stack: StackId, before: PowerToml | None) -> bool:
        """Does the file say something else of this stack than it said before?"""
        if before is None or before.stacks.get(stack) != self.stacks[stack]:
            return True
        return before.intents_of(stack) != self.intents_of(stack)


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
    misplaced = namespace_toml.misplaced_stacks(raw)
    rejected = {
        StackId(name): _set_apart(name, raw["stacks"][name], [f"{path}: {fault}"], is_nameable=False)
        for name, fault in misplaced.items()
    }
    if misplaced:
        raw["stacks"] = {name: one for name, one in raw["stacks"].items() if name not in misplaced}
    if namespace_faults := list(namespace_toml.faults(raw)):
        raise ConfigError([f"{path}: {fault}" for fault in namespace_faults])
    raw = namespace_toml.flatten(raw)
    try:
        parsed = _File.model_validate(raw)
    except ValidationError as error:
        faults = [fault for fault in error.errors() if _is_a_cause(fault)]
        wrong = _rejected_stacks(path, raw, faults)
        if not wrong:
            raise ConfigError([_line(path, fault) for fault in faults]) from error
        rejected |= wrong
        good = {name: one for name, one in raw["stacks"].items() if name not in rejected}
        parsed = _File.model_validate({**raw, "stacks": good})
    beside = path.absolute().parent
    stacks = {StackId(name): _place(stack, beside) for name, stack in parsed.stacks.items()}
    intents, intent_faults = read_intents(path, parsed.intents, stacks, rejected)
    if intent_faults:
        raise ConfigError(intent_faults)
    return PowerToml(stacks, parsed.notices, rejected, parsed.features.switches(), intents, parsed.mqtt)


def _rejected_stacks(path: Path, raw: Mapping[str, Any], faults: list[Any]) -> dict[StackId, RejectedToml]:
    """The stacks that have all the faults; none where every stack has some, or something else has."""
    by_stack: dict[str, list[Any]] = {}
    for fault in faults:
        if fault["loc"][0] != "stacks" or len(fault["loc"]) == 1:
            return {}
        by_stack.setdefault(str(fault["loc"][1]), []).append(fault)
    if not raw["stacks"].keys() - by_stack.keys():
        return {}
    return {
        StackId(name): _set_apart(
            name,
            raw["stacks"][name],
            [_line(path, fault) for fault in wrong],
            is_nameable=not any("[key]" in fault["loc"] for fault in wrong),
        )
        for name, wrong in by_stack.items()
    }


def _set_apart(name: str, section: Any, faults: Iterable[str], *, is_nameable: bool) -> RejectedToml:
    table = section if isinstance(section, dict) else {}
    project, node, core = table.get("project"), table.get("node"), table.get("core")
    return RejectedToml(
        project if isinstance(project, str) else name.rpartition("/")[2],
        node if isinstance(node, str) else "local",
        frozenset(one for one in core if isinstance(one, str)) if isinstance(core, list) else frozenset(),
        tuple(faults),
        is_nameable,
    )


def _place(stack: StackToml, beside: Path) -> StackToml:
    return stack.model_copy(update={"directory": (beside / stack.directory).resolve()})


def _is_a_cause(fault: Any) -> bool:
    """Not a cause is that `default_ttl` cannot follow from a `max_ttl` that is at fault itself."""
    return bool(fault["type"] != "default_factory_not_called")


def _line(path: Path, fault: Any) -> str:
    """The key, and of a list the entry itself: its place in the list is in no file."""
    parts = [part for part in fault["loc"] if part != "[key]"]
    named = namespace_toml.key_parts(parts)
    key = ".".join(str(part) for part in named if not isinstance(part, int)) or "stacks"
    entry = f"{fault['input']!r}: " if parts and isinstance(parts[-1], int) else ""
    message = _known_wording(fault, parts) or fault["msg"].removeprefix("Value error, ")
    if message.startswith(entry.removesuffix(": ")):
        entry = ""
    return f"{path}: {key}: {entry}{message}{_proposal(fault, parts)}"


def _known_wording(fault: Any, parts: list[Any]) -> str | None:
    if fault["type"] == "extra_forbidden" and parts[0] == "features":
        return "is no feature"
    if fault["type"] == "extra_forbidden" and parts[0] == "intents":
        return "is no key of an intent"
    return _KNOWN.get(fault["type"])


_KNOWN = {"missing": "is missing", "extra_forbidden": "is not a setting"}


def _proposal(fault: Any, parts: list[Any]) -> str:
    """Return the valid value for a fault, if it is known."""
    if fault["type"] == "missing" and parts[-1] == "project":
        name = names.as_project(str(parts[-2]).replace("/", "-"))
        return f'; write project = "{name}"' if name else ""
    if fault["type"] == "extra_forbidden" and parts[0] == "features":
        return scenarios.suggestion(str(parts[-1]), FEATURE_NAMES)
    return _known_keys(fault, parts) if fault["type"] == "extra_forbidden" else ""


def _known_keys(fault: Any, parts: list[Any]) -> str:
    """The similar key, else the known keys; for a table, how a name with a dot is written."""
    proposal = scenarios.suggestion(str(parts[-1]), _keys_beside(parts))
    if isinstance(fault["input"], dict) and len(parts) > 1 and "did you mean" not in proposal:
        return f'; a name with a dot is quoted: [{parts[0]}."{".".join(str(part) for part in parts[1:])}"]'
    return proposal


def _keys_beside(parts: list[Any]) -> Collection[str]:
    """The keys of the table to which the last of these parts belongs."""
    match parts:
        case ["stacks", _, _]:
            return StackToml.model_fields
        case ["stacks", _, "services", _, _]:
            return ServiceToml.model_fields
        case ["notices", _, _]:
            return NoticeToml.model_fields
        case ["intents", _, _]:
            return IntentToml.model_fields
        case ["mqtt", _]:
            return MqttToml.model_fields
        case _:
            return _File.model_fields
