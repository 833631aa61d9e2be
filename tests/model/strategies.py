"""What the model test draws: stacks, clients, requests, faults, and where a process is interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st

from app.domain.enums import Role
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.stack_id import StackId
from tests.model import interruptions
from tests.model.interruptions import KILL, WEB_FILES, WORKER_FILES, Interruption
from tests.system import studio

ACTORS = ("ada", "bob")
NAMES = ("forge", "mill", "db", "api", "job", "report")
INVALID_NAMES = ("redis", "secret", "nothing", "--all", "")


def attic() -> StackSpec:
    """Return a second stack that has a service of the same name; its drift policy is `stop`."""
    services = [ServiceSpec("redis", Role.CORE, stable_for=0.0), ServiceSpec("forge", Role.ALLOWED)]
    by_name = {one.name: one for one in services}
    return StackSpec(StackId("attic"), "attic", "local", by_name, max_ttl=3600.0, drift="stop", digest="a")


def _with(spec: StackSpec, digest: str, **roles: Role) -> StackSpec:
    changed = {name: replace(spec.services[name], role=role) for name, role in roles.items()}
    return replace(spec, digest=digest, services={**spec.services, **changed})


def _without(spec: StackSpec, name: str) -> StackSpec:
    left = {other: one for other, one in spec.services.items() if other != name}
    return replace(spec, digest=f"no {name}", services=left)


STUDIOS: tuple[StackSpec, ...] = (
    replace(studio(), digest="first"),
    _with(studio(), "mill is not listed", mill=Role.NONE),
    _with(studio(), "forge is core", forge=Role.CORE),
    _without(studio(), "mill"),
    replace(studio(), digest="shorter", max_ttl=900.0),
)

people = st.sampled_from(ACTORS)
which = st.integers(0, 7)
valid_services = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)
asked = st.one_of(
    valid_services,
    valid_services,
    valid_services,
    st.lists(st.sampled_from(NAMES + INVALID_NAMES), max_size=3),
)
ttls = st.one_of(
    st.none(), st.sampled_from((1.0, 5.0, 30.0, 120.0, 600.0)), st.sampled_from((-1.0, 0.0, 3600.5, 1e12))
)
valid_ttls = st.sampled_from((5.0, 30.0, 120.0, 600.0))
fates = st.sampled_from(("nothing", "late", "child"))
MEANWHILE = [
    "open",
    "open",
    "close",
    "force",
    "extend",
    "shorten",
    "sweep",
    "other",
    "pass",
    "deadline",
    "exit",
    "hand-start",
    "hand-stop",
    "away",
    "back",
    "db heals",
]
"""Events that may happen at any statement of another process."""

FAULTS = [
    "db unhealthy",
    "db may heal",
    "core exits",
    "core starts",
    "core starts",
    "attic",
    "reboot",
    "child ends",
    "killed",
]
"""Events that happen between two steps only."""
WORKER_STEPS = (
    "sweep",
    "message",
    "message",
    "forged open",
    "forged close",
    "tick",
    "inspect",
    "queued",
    "queued",
    "start",
)
"""What a worker can be made to do on its own."""


def _plans(files: Sequence[str], what: st.SearchStrategy[str]) -> st.SearchStrategy[list[Interruption]]:
    counted = st.one_of(st.integers(0, 40), st.integers(0, 400), st.integers(0, 2500))
    by_count = st.builds(Interruption, what, which, counted)
    # Every file has the same chance, whatever its length.
    places = st.sampled_from(files).flatmap(lambda name: st.sampled_from(interruptions.statements((name,))))
    by_place = st.builds(Interruption, what, which, st.integers(0, 2), places)
    return st.lists(st.one_of(by_place, by_count), max_size=3)


worker_plans = _plans(WORKER_FILES, st.one_of(st.just(KILL), st.sampled_from(MEANWHILE)))
web_plans = st.one_of(st.just(list[Interruption]()), _plans(WEB_FILES, st.just(KILL)))
