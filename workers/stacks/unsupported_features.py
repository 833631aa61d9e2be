"""What a compose file may say that cannot be powered through windows: one line for each fault.

Refused when a stack is loaded, by the name of the service, since an opening could only
wait in vain or leave something on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.domain import planning
from app.domain.enums import Role
from app.domain.planning import StackSpec
from app.settings import StackToml

Services = Mapping[str, Mapping[str, Any]]


def faults(key: str, spec: StackSpec, stack: StackToml, services: Services) -> Iterator[str]:
    """Why allowed services of these files, or what they need, cannot be powered."""
    for name in spec.allowed:
        for needed in sorted(planning.closure(spec, [name])):
            if spec.services[needed].role is Role.ALLOWED and needed != name:
                continue  # It has a line of its own.
            yield from _service(key, needed, services[needed])
        yield from _behind_profiles(key, spec, stack, name, services)


def _service(key: str, name: str, raw: Mapping[str, Any]) -> Iterator[str]:
    if provider := raw.get("provider"):
        kind = provider.get("type", "") if isinstance(provider, Mapping) else provider
        yield (
            f"{key}.allow: {name} is a provider service ({kind}): it has no container, and the program that "
            f"it runs is never told to stop; take it out"
        )
    replicas = (raw.get("deploy") or {}).get("replicas", raw.get("scale"))
    if replicas is not None and int(replicas) == 0:
        yield f"{key}.allow: {name} has 0 replicas, so there is nothing to power; give it one or take it out"


def _behind_profiles(
    key: str, spec: StackSpec, stack: StackToml, name: str, services: Services
) -> Iterator[str]:
    """Compose starts a named service in spite of its profiles, but not the dependencies of that service."""
    on = {*stack.profiles, *(services[name].get("profiles") or [])}
    for needed in sorted(planning.requirements(spec, name)):
        profiles = services[needed].get("profiles") or []
        if profiles and not on.intersection(profiles) and "*" not in on:
            yield (
                f"{key}.profiles: {name} needs {needed}, which is behind a profile that is not on: "
                f"add {' or '.join(profiles)}"
            )
