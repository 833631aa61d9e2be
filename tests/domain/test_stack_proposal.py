"""A proposal of core and allowed services: its reasons, and that a worker could serve it."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from app.domain import compose_services, planning, stack_proposal
from app.domain.compose_services import ComposeService
from app.domain.enums import Condition, Role
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.stack_id import StackId
from app.domain.stack_proposal import NothingToPower, Proposal

Raw = Mapping[str, object]


def services_of(**raw: Raw) -> dict[str, ComposeService]:
    """Services as Compose renders them; `needs` lists what one depends on."""
    return compose_services.read_services({"services": {name: _rendered(one) for name, one in raw.items()}})


def _rendered(raw: Raw) -> dict[str, object]:
    needs = raw.get("needs", {})
    conditions = dict.fromkeys(needs, "service_started") if isinstance(needs, list) else dict(needs)  # type: ignore[call-overload]
    return {**raw, "depends_on": {name: {"condition": how} for name, how in conditions.items()}}


def proposed(**raw: Raw) -> Proposal:
    return stack_proposal.propose(services_of(**raw))


@pytest.mark.parametrize(
    ("raw", "core"),
    [
        ({"traefik": {"image": "traefik:v3"}, "site": {}}, ["traefik"]),
        ({"edge": {"image": "docker.io/library/caddy:2"}, "site": {}}, ["edge"]),
        ({"shop-redis": {}, "shop": {"needs": ["shop-redis"]}}, ["shop-redis"]),
        ({"db": {}, "one": {"needs": ["db"]}, "two": {"needs": ["db"]}}, ["db"]),
        ({"db": {"restart": "always"}, "one": {"needs": ["db"]}}, ["db"]),
        ({"db": {"restart": "always"}, "one": {"needs": ["db"], "restart": "always"}}, []),
        ({"db": {}, "one": {"needs": ["db"]}}, []),
        ({"redis": {"needs": ["disk"]}, "disk": {}, "site": {}}, ["redis", "disk"]),
        ({"proxy": {"needs": ["site", "blog"]}, "site": {}, "blog": {}}, ["proxy"]),
        (
            {"proxy": {"network_mode": "service:vpn", "needs": ["vpn"]}, "vpn": {}, "site": {}},
            ["proxy", "vpn"],
        ),
        ({"llm-gateway": {"gpus": [{"count": 1}]}, "site": {}}, []),
    ],
)
def test_core_is_what_others_count_on(raw: Mapping[str, Raw], core: list[str]) -> None:
    assert proposed(**raw).names_of(Role.CORE) == core


@pytest.mark.parametrize(
    "raw", [{"redis": {}}, {"proxy": {}, "redis": {}}, {"redis": {"needs": ["db"]}, "db": {}}]
)
def test_something_is_always_allowed(raw: Mapping[str, Raw]) -> None:
    assert proposed(**raw).names_of(Role.ALLOWED)


def test_what_needs_a_service_that_cannot_be_powered_is_left_out_with_it() -> None:
    services = services_of(cloud={}, web={"needs": ["cloud"]}, other={})

    proposal = stack_proposal.propose(services, left_out={"cloud": "has 0 replicas"})

    assert proposal.names_of(Role.NONE) == ["cloud", "web"]
    assert proposal.reasons["web"] == "needs cloud, which cannot be powered"
    with pytest.raises(NothingToPower) as nothing:
        stack_proposal.propose(services, left_out=dict.fromkeys(services, "has 0 replicas"))
    assert nothing.value.reasons["cloud"] == "has 0 replicas"


def test_a_profile_that_an_allowed_service_needs_is_on() -> None:
    services = services_of(web={"needs": ["db"]}, db={"profiles": ["data", "all"]}, tool={"profiles": ["x"]})

    assert stack_proposal.propose(services).profiles == ("data",)
    assert stack_proposal.propose(services, ["all"]).profiles == ("all",)


def test_a_choice_keeps_what_an_allowed_service_needs() -> None:
    services = services_of(web={"needs": ["db"]}, db={}, tool={})
    before = stack_proposal.propose(services)
    chosen = {"web": Role.ALLOWED, "db": Role.NONE, "tool": Role.NONE}

    after = stack_proposal.apply_choices(services, chosen, before)

    assert after.roles == {"web": Role.ALLOWED, "db": Role.ALLOWED, "tool": Role.NONE}
    assert (after.reasons["db"], after.reasons["tool"]) == ("web needs it", "your choice")


def test_no_proposal_leaves_an_allowed_service_without_what_it_needs() -> None:
    chance = random.Random(14)
    for _ in range(500):
        services = _at_random(chance)
        left_out = {name: "why not" for name in services if chance.random() < 0.1}
        try:
            proposal = stack_proposal.propose(services, left_out=left_out)
            choices = {name: chance.choice([*Role]) for name in services}
            chosen = stack_proposal.apply_choices(services, choices, proposal)
        except NothingToPower:
            continue
        assert planning.unreachable(_spec(services, proposal)) == {}
        assert planning.unreachable(_spec(services, chosen)) == {}
        assert not left_out.keys() & {*proposal.names_of(Role.CORE), *proposal.names_of(Role.ALLOWED)}


def _at_random(chance: random.Random) -> dict[str, ComposeService]:
    names = chance.sample(
        ["proxy", "redis", "db", "web", "api", "migrate", "mail", "vpn"], chance.randint(1, 8)
    )
    raw = {}
    for number, name in enumerate(names):
        needs = {other: chance.choice(list(Condition)) for other in names[:number] if chance.random() < 0.4}
        raw[name] = {"needs": needs, "restart": chance.choice(["", "always"])}
    return services_of(**raw)


def _spec(services: Mapping[str, ComposeService], proposal: Proposal) -> StackSpec:
    specs = {
        name: ServiceSpec(name, proposal.roles[name], one.awaits or {}) for name, one in services.items()
    }
    return StackSpec(StackId("studio"), "studio", "local", specs)
