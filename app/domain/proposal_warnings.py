"""What a person should know of a compose file before windows power its services: one text for each fact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.domain import compose_services, known_images
from app.domain.compose_services import ComposeService
from app.domain.enums import Condition, Role
from app.domain.stack_proposal import Proposal


@dataclass(frozen=True)
class EngineFacts:
    """What the engine says: the images that it has, and the last run of each service's container."""

    healthchecks: Mapping[str, bool]
    """By the name of each image that the engine has, whether it has a healthcheck of its own."""
    exit_codes: Mapping[str, int]
    """By service, the exit code of a container that has ended."""
    running: frozenset[str] = frozenset()
    """The services with a container that runs."""


@dataclass(frozen=True)
class ProposalFacts:
    """A proposal with the services and the project that it is for; `engine` is None where it is away."""

    project: str
    services: Mapping[str, ComposeService]
    proposal: Proposal
    engine: EngineFacts | None

    @property
    def used(self) -> list[ComposeService]:
        """The services that are core or allowed."""
        return [self.services[name] for name, role in self.proposal.roles.items() if role is not Role.NONE]

    @property
    def missing_images(self) -> dict[str, str]:
        """By service, the image that the engine lacks; none where the engine is away."""
        if self.engine is None:
            return {}
        images = {one.name: one.image_in(self.project) for one in self.used}
        return {name: image for name, image in images.items() if image not in self.engine.healthchecks}

    @property
    def possible_one_shots(self) -> list[str]:
        """Allowed services that seem to end after their work, though no other service waits for that."""
        awaited = compose_services.one_shots(self.services.values())
        ended = {name for name, code in (self.engine.exit_codes if self.engine else {}).items() if code == 0}
        return [
            one.name
            for one in self.used
            if not one.restart
            and self.proposal.roles[one.name] is Role.ALLOWED
            and one.name not in awaited
            and (known_images.may_be_one_shot(one.name) or one.name in ended)
        ]


def warnings(facts: ProposalFacts) -> Iterator[str]:
    """The warnings, each of one or more lines."""
    yield from _one_shots(facts)
    yield from _shared_networks(facts)
    yield from _gateways(facts)
    yield from _names(facts)
    yield from _restarters(facts)
    yield from _healthchecks(facts)


def _one_shots(facts: ProposalFacts) -> Iterator[str]:
    for name in sorted(compose_services.one_shots(facts.services.values())):
        if facts.proposal.roles.get(name) is Role.ALLOWED:
            yield f"{name} is a one-shot: each window runs it once, and it is done when it has exited with 0"
    for name in facts.possible_one_shots:
        yield (
            f"{name} seems to do its work and end; where that is so, set `oneshot = true` for it in the "
            "file, or its window fails when it ends"
        )


def _shared_networks(facts: ProposalFacts) -> Iterator[str]:
    for one in facts.used:
        if one.network_of:
            yield (
                f"{one.name} uses the network of {one.network_of} (network_mode: service:{one.network_of}): "
                f"it opens after {one.network_of}, and fails when that is restarted"
            )


def _gateways(facts: ProposalFacts) -> Iterator[str]:
    for one in facts.used:
        if facts.proposal.roles[one.name] is Role.CORE and (behind := _not_core(facts, one)):
            named = ", ".join(behind)
            yield f"{one.name} is core and depends on {named}: without --no-deps, Compose starts these too"


def _not_core(facts: ProposalFacts, one: ComposeService) -> list[str]:
    return sorted(name for name in one.requires if facts.proposal.roles.get(name) is not Role.CORE)


def needs_no_deps(facts: ProposalFacts) -> bool:
    """Would Compose, asked to start core, also start what is not core?"""
    return any(_not_core(facts, facts.services[name]) for name in facts.proposal.names_of(Role.CORE))


def _names(facts: ProposalFacts) -> Iterator[str]:
    if named := [f"{one.name} ({one.container_name})" for one in facts.used if one.container_name]:
        yield (
            f"container_name: {', '.join(named)}; no other project on this engine can have containers of "
            "these names, and the services cannot have replicas"
        )


def _restarters(facts: ProposalFacts) -> Iterator[str]:
    for one in facts.services.values():
        if known_images.restarts_others(one.image):
            yield (
                f"{one.name} restarts or updates containers by itself: let it leave the allowed services "
                "alone, or it works against the windows"
            )


def _healthchecks(facts: ProposalFacts) -> Iterator[str]:
    without = [one for one in facts.used if _lacks_healthcheck(facts, one)]
    unknown = [
        one.name
        for one in without
        if not known_images.healthcheck_of(one.image) and facts.proposal.roles[one.name] is Role.ALLOWED
    ]
    for one in without:
        if example := known_images.healthcheck_of(one.image):
            fact = (
                f"{one.name} ({one.image}) has no healthcheck{_waited_for(facts, one)}; in the compose file:"
            )
            lines = ("healthcheck:", f"  test: {example}", "  interval: 5s", "  start_period: 30s")
            yield "\n    ".join([fact, *lines])
    if unknown:
        yield (
            f"no healthcheck: {', '.join(unknown)}; they count as ready once they have run for 1 s. With a "
            "`healthcheck:` in the compose file a window is open when they answer"
        )


def _waited_for(facts: ProposalFacts, one: ComposeService) -> str:
    waiting = [
        other.name
        for other in facts.services.values()
        if (other.awaits or {}).get(one.name) is Condition.HEALTHY
    ]
    if waiting:
        return f", and {', '.join(waiting)} cannot start before it is healthy"
    if users := _allowed_users(facts, one):
        return f", so {', '.join(users)} may start before it answers"
    return ", so a window is open before it answers"


def _allowed_users(facts: ProposalFacts, one: ComposeService) -> list[str]:
    allowed = facts.proposal.names_of(Role.ALLOWED)
    return [name for name in allowed if one.name in facts.services[name].requires]


def _lacks_healthcheck(facts: ProposalFacts, one: ComposeService) -> bool:
    if one.has_healthcheck or one.name in compose_services.one_shots(facts.services.values()):
        return False
    if one.name in facts.possible_one_shots:
        return False
    if facts.proposal.roles[one.name] is Role.CORE and not _allowed_users(facts, one):
        return False
    return facts.engine is None or not facts.engine.healthchecks.get(one.image_in(facts.project), False)
