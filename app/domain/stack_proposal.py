"""Which services of a compose file are to be core, and which a window may power: a proposal with reasons.

A service is core by its name or image (gateways, caches, brokers), or since several services need it.
Everything that a core service needs is core too, except what a gateway only names in `depends_on`: a gateway
names every site behind it. All other services are allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.domain import compose_services, known_images, names
from app.domain.compose_services import ComposeService
from app.domain.enums import Role

ServiceConfigs = Mapping[str, ComposeService]


class NothingToPower(Exception):
    """No service of the compose files can be powered; `reasons` says why, by service."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("no service can be powered through windows")
        self.reasons = reasons


@dataclass(frozen=True)
class Proposal:
    """A role and a reason for each service, and the profiles that have to be on."""

    roles: Mapping[str, Role]
    reasons: Mapping[str, str]
    profiles: tuple[str, ...] = ()

    def names_of(self, role: Role) -> list[str]:
        """The services with this role, in the order of the compose files."""
        return [name for name, one in self.roles.items() if one is role]


@dataclass
class _Draft:
    """Roles and reasons while they are decided."""

    roles: dict[str, Role] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def give(self, name: str, role: Role, reason: str) -> None:
        self.roles[name], self.reasons[name] = role, reason


def propose(
    services: ServiceConfigs, profiles: Iterable[str] = (), left_out: Mapping[str, str] | None = None
) -> Proposal:
    """Propose roles for services; `left_out` cannot be powered, and has the reasons.

    `profiles` are on; one that an allowed service needs is added. Raises NothingToPower.
    """
    draft = _Draft()
    reasons = _unusable(services, left_out or {})
    usable = {name: service for name, service in services.items() if name not in reasons}
    for name, why in _core_reasons(usable).items():
        draft.give(name, Role.CORE, why)
    _add_needs_of_core(usable, draft)
    _keep_one_allowed(usable, draft)
    return _finish(services, draft, reasons, profiles)


def apply_choices(
    services: ServiceConfigs, chosen: Mapping[str, Role], before: Proposal, profiles: Iterable[str] = ()
) -> Proposal:
    """The proposal with a person's choices, and with what their allowed services need.

    Raises NothingToPower where no service is allowed.
    """
    draft = _Draft()
    for name, role in chosen.items():
        draft.give(name, role, before.reasons[name] if before.roles[name] is role else "your choice")
    reasons = {name: draft.reasons[name] for name, role in chosen.items() if role is Role.NONE}
    for name in compose_services.requirements(services, _names_of(draft, Role.ALLOWED)):
        if draft.roles[name] is Role.NONE and name in reasons:
            del reasons[name], draft.roles[name]
    return _finish(services, draft, reasons, profiles)


def _finish(
    services: ServiceConfigs, draft: _Draft, reasons: Mapping[str, str], profiles: Iterable[str]
) -> Proposal:
    for name in services:
        if name in reasons:
            draft.give(name, Role.NONE, reasons[name])
        elif name not in draft.roles:
            draft.give(name, Role.ALLOWED, _why_allowed(services, name))
    allowed = _names_of(draft, Role.ALLOWED)
    if not allowed:
        raise NothingToPower({name: draft.reasons[name] for name in services})
    return Proposal(
        {name: draft.roles[name] for name in services},
        {name: draft.reasons[name] for name in services},
        _needed_profiles(services, draft.roles, tuple(profiles)),
    )


def _unusable(services: ServiceConfigs, left_out: Mapping[str, str]) -> dict[str, str]:
    """The services that cannot be powered, and those that need one of them."""
    reasons = dict(left_out)
    for name in services:
        try:
            names.require_service(name)
        except ValueError as error:
            reasons.setdefault(name, str(error))
    for name in services:
        for needed in sorted(compose_services.requirements(services, [name]) - {name}):
            if needed in reasons:
                reasons.setdefault(name, f"needs {needed}, which cannot be powered")
    return reasons


def _core_reasons(services: ServiceConfigs) -> dict[str, str]:
    """The services that are core by themselves, with the reason."""
    return {name: why for name in services if (why := _why_core(services, services[name]))}


def _why_core(services: ServiceConfigs, service: ComposeService) -> str:
    if service.has_gpu or service.name in compose_services.one_shots(services.values()):
        return ""
    if known_images.is_gateway(service.name, service.image):
        return "a gateway, by its name or image"
    if known_images.is_shared(service.name, service.image):
        return "others count on it, by its name or image"
    users = _users(services, service.name)
    if len(users) > 1:
        return f"{len(users)} services need it: {', '.join(users)}"
    restarts_alone = service.restart and not all(one.restart for one in services.values())
    return f"{users[0]} needs it, and it has restart: {service.restart}" if users and restarts_alone else ""


def _users(services: ServiceConfigs, name: str) -> list[str]:
    """The services that need this one; a gateway names sites, and needs none of them."""
    return [
        other.name
        for other in services.values()
        if name in other.requires and not known_images.is_gateway(other.name, other.image)
    ]


def _add_needs_of_core(services: ServiceConfigs, draft: _Draft) -> None:
    pending = list(draft.roles)
    while pending:
        one = services[pending.pop()]
        gateway = known_images.is_gateway(one.name, one.image)
        needed = {one.network_of} - {""} if gateway else one.requires
        for name in sorted(needed & services.keys() - draft.roles.keys()):
            draft.give(name, Role.CORE, f"{one.name} is core and needs it")
            pending.append(name)


def _keep_one_allowed(services: ServiceConfigs, draft: _Draft) -> None:
    """Where everything came out as core, let windows power what no other service needs, else everything."""
    if not services or services.keys() - draft.roles.keys():
        return
    ends = [name for name in services if not any(name in other.requires for other in services.values())]
    for name in ends if len(ends) < len(services) else list(services):
        del draft.roles[name], draft.reasons[name]


def _why_allowed(services: ServiceConfigs, name: str) -> str:
    if services[name].has_gpu:
        return "uses a GPU"
    if name in compose_services.one_shots(services.values()):
        return "a one-shot: does its work and ends"
    users = _users(services, name)
    return f"{', '.join(users)} {'need' if len(users) > 1 else 'needs'} it" if users else ""


def _names_of(draft: _Draft, role: Role) -> list[str]:
    return [name for name, one in draft.roles.items() if one is role]


def _needed_profiles(
    services: ServiceConfigs, roles: Mapping[str, Role], profiles: tuple[str, ...]
) -> tuple[str, ...]:
    """The profiles that are on, and those without which something that an allowed service needs is off."""
    needed = dict.fromkeys(profiles)
    for name in (name for name, role in roles.items() if role is Role.ALLOWED):
        for other in sorted(services[name].requires & services.keys()):
            behind = services[other].profiles
            on = {*needed, *services[name].profiles}
            if behind and not on.intersection(behind) and "*" not in on:
                needed[behind[0]] = None
    return tuple(needed)
