"""Small stacks to reason about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.domain.enums import Condition, Role
from app.domain.planning import ServiceSpec, StackSpec


def service(
    name: str, *needs: str, role: Role = Role.ALLOWED, optional: Iterable[str] = (), **more: object
) -> ServiceSpec:
    """A service that needs others to be healthy."""
    depends_on = dict.fromkeys((*needs, *optional), Condition.HEALTHY)
    plain = ServiceSpec(name, role, depends_on, frozenset(optional))
    return ServiceSpec(**{**{field: getattr(plain, field) for field in ServiceSpec.__slots__}, **more})


def stack(*services: ServiceSpec, **more: object) -> StackSpec:
    named: Mapping[str, ServiceSpec] = {one.name: one for one in services}
    return StackSpec(name="studio", project="studio", node="local", services=named, **more)  # type: ignore[arg-type]


STUDIO = stack(
    service("redis", role=Role.CORE),
    service("db", "redis"),
    service("api", "db", "redis"),
    service("web", "api", optional=["cache"]),
    service("cache"),
    service("secret", role=Role.NONE),
)
