"""Is a service ready? Judged from what the engine tells, and from nothing else.

With a healthcheck its word counts. Without one, running without a restart for
`stable_for` counts. A one-shot counts when it has exited 0. Two restarts within
`ready_timeout`, never getting healthy, or having exited is `failing`, and the
verdict says why. Ages are measured on the engine's host, so the clock passed in is
that host's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.domain.enums import Power, Role
from app.domain.planning import ServiceSpec

RECOVERED_AFTER = timedelta(seconds=10)
"""A service that was restarting is on again after this long without a restart."""

UNREADABLE_FOR = timedelta(seconds=5)
"""How long after an incomplete answer of the engine a container is inspected again."""
_ALIVE = frozenset({"running", "paused", "restarting", "removing"})


@dataclass(frozen=True, slots=True)
class Container:
    """One container as the engine describes it.

    `state` is the engine's word (`running`, `exited`, …), `health` its healthcheck's
    (`healthy`, `unhealthy`, `starting`) or empty where there is none.
    """

    id: str
    service: str
    state: str
    health: str = ""
    exit_code: int = 0
    restarts: int = 0
    oom_killed: bool = False
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str = ""
    image: str = ""
    config_hash: str = ""
    compose_version: str = ""
    """The release of Compose that made it; the configuration hashes of two releases may differ."""
    number: int = 1
    policy: str = ""
    """The engine's restart policy for this container (`always`, …); empty for none."""
    grace: float | None = None
    """The container's own stop timeout in seconds, if it was created with one."""
    restarted: tuple[datetime, ...] = ()
    """When the restarts that were seen happened, oldest first."""
    ready_within: float | None = None
    """Seconds in which its healthcheck, as the engine has it, says healthy or unhealthy; None without one."""
    networks: frozenset[str] = frozenset()
    """The ids of the networks that it is or was attached to."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """The ids of the containers whose network, ipc or pid namespace it uses, by kind of namespace."""
    unattached: str = ""
    """Why it cannot be reached over a network though it should; empty where it can."""
    window: str = ""
    """The window for whose run it has another image than its files say; mostly empty."""
    left_over: str = ""
    """Why it is not what its files say though another window holds its service; else empty."""
    severed: str = ""
    """Why it has to be recreated: a network or namespace of it no longer exists. Else empty."""
    unreadable: str = ""
    """Why the engine returned only its state; empty if it returned everything."""

    @property
    def alive(self) -> bool:
        """True while a process of the container runs or is about to run again."""
        return self.state in _ALIVE


@dataclass(frozen=True, slots=True)
class ReadinessVerdict:
    """What a service is doing, and when that may change without an event."""

    power: Power
    detail: str = ""
    look_again: datetime | None = None

    @property
    def ready(self) -> bool:
        """Is the service ready, by its power?"""
        return self.power.is_ready


def judge(
    spec: ServiceSpec, containers: Sequence[Container], *, wanted: bool, now: datetime
) -> ReadinessVerdict:
    """The power of one service: by its best containers, as many as it has replicas, worst of them first."""
    if not wanted and not any(container.alive for container in containers):
        return ReadinessVerdict(Power.OFF)
    if not containers:
        return ReadinessVerdict(Power.OFF)
    verdicts = [_container(spec, container, now) for container in containers]
    verdicts.sort(key=lambda one: _WORST.index(one.power), reverse=True)
    verdict = verdicts[: max(spec.replicas, 1)][-1]
    running = sum(one.ready for one in verdicts)
    if verdict.ready and running < spec.replicas:
        return ReadinessVerdict(
            Power.STARTING, f"{running} of {spec.replicas} replicas are ready", verdict.look_again
        )
    surplus = len(containers) - max(spec.replicas, 1)
    return _with_surplus(verdict, verdicts[-surplus:]) if surplus > 0 else verdict


def _with_surplus(verdict: ReadinessVerdict, surplus: Sequence[ReadinessVerdict]) -> ReadinessVerdict:
    """Containers that a person or a cut-off call has made beside the replicas are named, not judged."""
    powers = ", ".join(one.power for one in surplus)
    note = f"{len(surplus)} surplus container{'s' * (len(surplus) > 1)}: {powers}"
    return replace(verdict, detail=f"{verdict.detail}; {note}" if verdict.detail else note)


_WORST = (Power.FAILING, Power.UNKNOWN, Power.STOPPING, Power.OFF, Power.STARTING, Power.ON, Power.DONE)


def _container(spec: ServiceSpec, container: Container, now: datetime) -> ReadinessVerdict:
    if container.unreadable:
        return ReadinessVerdict(Power.UNKNOWN, container.unreadable, now + UNREADABLE_FOR)
    if container.state == "created":
        return (
            ReadinessVerdict(Power.FAILING, container.error)
            if container.error
            else ReadinessVerdict(Power.OFF)
        )
    if not container.alive:
        return _judge_exited(spec, container)
    if container.severed:
        return ReadinessVerdict(Power.FAILING, container.severed)
    if container.state == "paused":
        return ReadinessVerdict(Power.FAILING, "paused by hand; `docker compose unpause` lets it run on")
    return _restarting(spec, container, now) or _running(spec, container, now)


def _judge_exited(spec: ServiceSpec, container: Container) -> ReadinessVerdict:
    if container.exit_code == 0 and spec.oneshot:
        return ReadinessVerdict(Power.DONE)
    how = "was killed for using too much memory" if container.oom_killed else "exited"
    detail = f"{how} with code {container.exit_code}"
    if container.exit_code == 0 and spec.role is Role.ALLOWED and _was_brief(spec, container):
        detail += "; if its work ends there, set oneshot = true for it in power.toml"
    if container.restarts:
        detail += f" after {container.restarts} restarts"
    return ReadinessVerdict(Power.FAILING, f"{detail}: {container.error}" if container.error else detail)


def _was_brief(spec: ServiceSpec, container: Container) -> bool:
    """Did it end before it would have been ready? A service that ran for longer was stopped."""
    if not container.started_at or not container.finished_at:
        return True
    return container.finished_at - container.started_at < timedelta(seconds=_patience(spec, container))


def _restarting(spec: ServiceSpec, container: Container, now: datetime) -> ReadinessVerdict | None:
    """A crash loop, or None where it is not in one (or is over it)."""
    last = container.restarted[-1] if container.restarted else container.started_at
    recovered_at = (last or now) + RECOVERED_AFTER
    if container.state != "restarting" and now >= recovered_at:
        return None
    if _crash_loop(spec, container):
        killed = ", out of memory" if container.oom_killed else ""
        return ReadinessVerdict(
            Power.FAILING,
            f"keeps restarting: {container.restarts} restarts, exit code {container.exit_code}{killed}",
            look_again=recovered_at,
        )
    if container.state == "restarting":
        return ReadinessVerdict(
            Power.STARTING, f"restarting after exit code {container.exit_code}", recovered_at
        )
    return None


def _crash_loop(spec: ServiceSpec, container: Container) -> bool:
    if container.restarts < 2:
        return False
    if len(container.restarted) < 2:
        return True
    return container.restarted[-1] - container.restarted[-2] <= timedelta(seconds=_patience(spec, container))


def _running(spec: ServiceSpec, container: Container, now: datetime) -> ReadinessVerdict:
    started = container.started_at or now
    if not spec.oneshot and not container.health:
        return _stable(spec, started, now)
    if container.health == "healthy" and not spec.oneshot:
        return ReadinessVerdict(Power.ON)
    if container.health == "unhealthy" and not spec.oneshot:
        return ReadinessVerdict(Power.FAILING, "its healthcheck says unhealthy")
    return _not_yet(spec, container, started, now)


def _stable(spec: ServiceSpec, started: datetime, now: datetime) -> ReadinessVerdict:
    stable_at = started + timedelta(seconds=spec.stable_for)
    if now >= stable_at:
        return ReadinessVerdict(Power.ON)
    return ReadinessVerdict(Power.STARTING, f"running for less than {spec.stable_for:g} s", stable_at)


def _patience(spec: ServiceSpec, container: Container) -> float:
    """Seconds that it may run and not be ready: as was set, or as its healthcheck needs."""
    if not spec.ready_timeout_derived:
        return spec.ready_timeout
    return max(spec.ready_timeout, container.ready_within or 0.0)


def _not_yet(spec: ServiceSpec, container: Container, started: datetime, now: datetime) -> ReadinessVerdict:
    awaited = "to exit with 0" if spec.oneshot else "for its healthcheck"
    patience = _patience(spec, container)
    late_at = started + timedelta(seconds=patience)
    if now >= late_at:
        return ReadinessVerdict(Power.FAILING, f"running, but waited in vain {awaited} for {patience:g} s")
    return ReadinessVerdict(Power.STARTING, f"waiting {awaited}", late_at)


def is_outdated(spec: ServiceSpec, container: Container, compose_version: str) -> bool:
    """Does it run with another definition than the compose files have now?

    Only Compose of the same release hashes a definition in the same way, so others say nothing.
    """
    return (
        container.alive
        and not (container.window or spec.hash_varies)
        and "" not in {container.config_hash, spec.config_hash}
        and container.config_hash != spec.config_hash
        and container.compose_version == compose_version
    )
