"""What power.toml holds: its tables as Pydantic models, and the whole file as one `PowerToml` value.

`app.settings.power_toml_reader` reads the file, and `app.settings.power_toml_faults` words what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.domain.enums import WINDOW_ENDING, Event
from app.domain.features import Features
from app.domain.stack_id import StackId, namespace_of
from app.settings.intent_toml import IntentName, IntentToml, WrittenIntent
from app.settings.mqtt_settings import MqttToml
from app.settings.namespace_toml import EVERY_NAMESPACE
from app.settings.toml_values import (
    CallSeconds,
    HostName,
    ImagePattern,
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
    images: list[ImagePattern] = Field(default=[], max_length=100)
    """Patterns of the images that a run of a scenario may have it run, such as `shop/app:*`."""


class StackToml(_Strict):
    """`[stacks.NAME]`: one Compose project under control. Times are seconds."""

    project: ProjectName
    directory: Path = Path()
    files: list[str] = Field(default=["docker-compose.yml"], min_length=1)
    profiles: list[Name] = []
    env_files: list[str] = []
    node: Name = "local"
    address: HostName | None = None
    """By which name a browser reaches the stack's node."""
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


class WholeToml(_Strict):
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
    unread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The faults of namespaces of which nothing is read; EVERY_NAMESPACE stands for all of the file."""
    features: Features = field(default_factory=Features)
    intents: Mapping[str, WrittenIntent] = field(default_factory=dict)
    mqtt: MqttToml | None = None

    @property
    def secret_variables(self) -> set[str]:
        """The variables that notices are signed with, which no compose file may use."""
        return {sink.secret_env for sink in self.notices.values() if sink.secret_env}

    def namespace_faults(self, stack: StackId) -> tuple[str, ...]:
        """The faults for which nothing is read of the namespace of a stack; none for the default one."""
        namespace = namespace_of(stack)
        return self.unread.get(namespace) or self.unread.get(EVERY_NAMESPACE) or () if namespace else ()

    def sets_apart(self, stack: StackId) -> bool:
        """Is the stack not read since its section or its namespace has faults?"""
        return stack in self.rejected or bool(self.namespace_faults(stack))

    @property
    def set_apart_faults(self) -> list[str]:
        """One line for each fault of what is set apart."""
        of_stacks = (one.faults for one in self.rejected.values())
        return list(dict.fromkeys(chain(*self.unread.values(), *of_stacks)))

    @property
    def unlisted_faults(self) -> list[str]:
        """Those that no list of stacks shows, since what has them cannot have the name of a stack."""
        of_stacks = (one.faults for one in self.rejected.values() if not one.is_nameable)
        return list(dict.fromkeys(chain(*self.unread.values(), *of_stacks)))

    def on_node(self, node: str) -> dict[StackId, StackToml]:
        """The stacks of one node, by name."""
        return {name: stack for name, stack in self.stacks.items() if stack.node == node}

    def intents_of(self, stack: StackId) -> dict[str, WrittenIntent]:
        """The intents of one stack by name; none while the feature is off."""
        if not self.features.intents:
            return {}
        return {name: one for name, one in self.intents.items() if one.stack == stack}

    def differs_on(self, stack: StackId, before: PowerToml | None) -> bool:
        """Does the file define this stack differently than before?"""
        if before is None or before.stacks.get(stack) != self.stacks[stack]:
            return True
        return before.intents_of(stack) != self.intents_of(stack)
