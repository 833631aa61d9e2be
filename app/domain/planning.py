"""Stacks as values, and what opening some of their services entails.

A plan is the dependency closure of what was asked for, cut into waves: a service
stands in the first wave after everything it depends on. Core is depended upon but
never part of a plan, since nothing here ever starts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from app.domain.enums import Condition, Role
from app.domain.errors import NotAllowed, NothingAsked, UnknownServices
from app.domain.intents import Intent
from app.domain.stack_id import StackId


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One Compose service as its stack defines it. Times are seconds."""

    name: str
    role: Role = Role.NONE
    depends_on: Mapping[str, Condition] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    """Dependencies marked `required: false`: awaited where they are powered, ignored otherwise."""
    oneshot: bool = False
    replicas: int = 1
    image: str = ""
    config_hash: str = ""
    up_timeout: float = 30.0
    stop_timeout: float = 20.0
    ready_timeout: float = 60.0
    ready_timeout_derived: bool = False
    """True where it is not set: it follows from the healthcheck, which may be the image's and known later."""
    stable_for: float = 1.0
    post_start: bool = False
    """It has a hook that its start waits for."""
    shares_with: frozenset[str] = frozenset()
    """The services whose network, ipc or pid namespace it uses: when those are restarted, it loses that."""
    pre_stop: bool = False
    """It has a hook to be run before it is stopped."""
    published: tuple[str, ...] = ()
    """Where its ports are published on its host: `8080`, or `127.0.0.1:8080`."""
    memory_limit: int = 0
    """Bytes that all its containers may use; 0 without a limit."""
    cpu_limit: float = 0.0
    """Cores that all its containers may use; 0 without a limit."""
    hash_varies: bool = False
    """Compose hashes its containers with ids of others where its definition names their services, so that the
    hash never equals `config_hash`."""
    images: tuple[str, ...] = ()
    """Patterns of the images that a run of a scenario may have it run."""


@dataclass(frozen=True, slots=True)
class StackSpec:
    """One stack as the worker of its node read and checked it. Times are seconds."""

    name: StackId
    project: str
    node: str
    services: Mapping[str, ServiceSpec]
    default_ttl: float = 1800.0
    max_ttl: float = 28800.0
    drift: str = "report"
    grace: float = 60.0
    blind: str = "stop"
    """What is done at a deadline while the database is away: `stop` after `blind_grace`, or `hold`."""
    blind_grace: float = 30.0
    digest: str = ""
    address: str = ""
    """The host at which a browser reaches its published ports; empty where its file names none."""
    intents: Mapping[str, Intent] = field(default_factory=dict)
    """What a person may want of it by name; empty while the feature is off."""

    def names_of(self, role: Role) -> list[str]:
        """The names of the services of one role, in the order of the compose files."""
        return [service.name for service in self.services.values() if service.role is role]

    @property
    def allowed(self) -> list[str]:
        """The names of the services that may be powered."""
        return self.names_of(Role.ALLOWED)

    @property
    def core(self) -> list[str]:
        """The names of the services that always run."""
        return self.names_of(Role.CORE)

    def as_json(self) -> dict[str, Any]:
        """The specification as plain values, as the database stores it."""
        services = {
            name: asdict(spec) | {key: sorted(getattr(spec, key)) for key in _SETS}
            for name, spec in self.services.items()
        }
        intents = {name: intent.as_json() for name, intent in self.intents.items()}
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | {"services": services} | ({"intents": intents} if intents else {})

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> StackSpec:
        """The specification from what `as_json` returned.

        Fields that an older worker did not write keep their defaults.
        """
        services = {name: _service(spec) for name, spec in stored["services"].items()}
        # What an older worker has published may lack what was added since.
        plain = {name: stored[name] for name in _PLAIN if name in stored}
        intents = {name: Intent.from_json(one) for name, one in stored.get("intents", {}).items()}
        return cls(**plain, services=services, intents=intents)


_PLAIN = (
    "name",
    "project",
    "node",
    "default_ttl",
    "max_ttl",
    "drift",
    "grace",
    "blind",
    "blind_grace",
    "digest",
    "address",
)


_SETS = ("optional", "shares_with")


def _service(stored: Mapping[str, Any]) -> ServiceSpec:
    typed = {
        "role": Role(stored["role"]),
        "depends_on": {name: Condition(condition) for name, condition in stored["depends_on"].items()},
        **{key: frozenset(stored.get(key, ())) for key in _SETS},
        "published": tuple(stored.get("published", ())),
        "images": tuple(stored.get("images", ())),
    }
    return ServiceSpec(**{**stored, **typed})


def check_asked(stack: StackSpec, asked: Iterable[str]) -> list[str]:
    """Return the requested services in order; raises NothingAsked, UnknownServices or NotAllowed."""
    services = list(dict.fromkeys(asked))
    if not services:
        raise NothingAsked(stack.allowed)
    if unknown := [name for name in services if name not in stack.services]:
        raise UnknownServices(stack.name, unknown, stack.allowed)
    if refused := [name for name in services if stack.services[name].role is not Role.ALLOWED]:
        raise NotAllowed(stack.name, refused, stack.allowed)
    return services


def requirements(stack: StackSpec, service: str) -> list[str]:
    """What a service cannot start without, core included."""
    spec = stack.services[service]
    return [name for name in spec.depends_on if name not in spec.optional]


def closure(stack: StackSpec, asked: Iterable[str]) -> set[str]:
    """Return every service that must run for the requested ones, without core."""
    names: set[str] = set()
    todo = list(asked)
    while todo:
        name = todo.pop()
        if name not in names and stack.services[name].role is not Role.CORE:
            names.add(name)
            todo.extend(requirements(stack, name))
    return names


def waves(stack: StackSpec, services: Iterable[str]) -> list[list[str]]:
    """Services in the order they may start, those of one wave at the same time.

    Compose refuses cycles when it reads the file, so there is always a next wave.
    """
    left, order = set(services), list[list[str]]()
    while left:
        wave = sorted(name for name in left if not left & stack.services[name].depends_on.keys())
        if not wave:
            raise ValueError(f"services depend on each other in a circle: {', '.join(sorted(left))}")
        order.append(wave)
        left -= set(wave)
    return order


def unreachable(stack: StackSpec) -> dict[str, list[str]]:
    """Allowed services with dependencies that are neither core nor allowed; such a stack is rejected."""
    missing_by_service = {
        name: sorted(dep for dep in closure(stack, [name]) if stack.services[dep].role is Role.NONE)
        for name in stack.allowed
    }
    return {name: missing for name, missing in missing_by_service.items() if missing}
