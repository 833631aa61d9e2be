"""What the engine says of a container, its image and its host, as parts of the evidence."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from docker.errors import NullResource

from app.domain.diagnosis.evidence import ContainerEvidence, HealthEvidence, HostEvidence, ImageEvidence
from app.domain.readiness import Container
from workers.engine.client import Engine
from workers.engine.containers import Raw, moment, parse_integer
from workers.engine.negotiation import EngineRefused

_NANO = 1e9
_INTERVAL, _TIMEOUT, _RETRIES = 30.0, 30.0, 3
"""What the engine takes where a healthcheck does not say."""
_GRACE = 10.0
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i386": "386", "i686": "386"}
_PORTS = (
    re.compile(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]|\b::1)[\"']?\s*[:,/ ]\s*(\d{2,5})\b"),
    re.compile(r"\bnc\b[^|;&]*?\s(\d{2,5})\b"),
    re.compile(r"/dev/tcp/[^/]+/(\d{2,5})"),
    re.compile(r"(?:^|\s)(?:-p|--port)[ =]?(\d{2,5})\b"),
    re.compile(r"https?://[\w.-]+:(\d{2,5})\b"),
)
_DEFAULTS = (
    (re.compile(r"http://(?:localhost|127\.0\.0\.1)(?:/|\s|$|['\"])"), "80"),
    (re.compile(r"https://(?:localhost|127\.0\.0\.1)(?:/|\s|$|['\"])"), "443"),
    (re.compile(r"\bpg_isready\b"), "5432"),
    (re.compile(r"\b(?:redis|valkey)-cli\b"), "6379"),
    (re.compile(r"\bmysqladmin\b"), "3306"),
)


@dataclass(frozen=True, slots=True)
class InspectedContainer:
    """One container as the engine describes it, whole."""

    raw: Raw

    @property
    def id(self) -> str:
        """The engine's id of it."""
        return str(self.raw.get("Id") or "")

    @property
    def pid(self) -> int:
        """The process id of its first process on the engine's host; 0 while it does not run."""
        return parse_integer(self._part("State").get("Pid"), 0)

    @property
    def argv(self) -> tuple[str, ...]:
        """The command line of its first process."""
        return (str(self.raw.get("Path") or ""), *(str(one) for one in self.raw.get("Args") or ()))

    @property
    def environment(self) -> dict[str, str]:
        """Its variables with their values, which leave this process in no form."""
        pairs = (str(one).partition("=") for one in self._part("Config").get("Env") or ())
        return {name: value for name, _, value in pairs}

    @property
    def working_dir(self) -> str:
        """The directory in which its first process begins."""
        return str(self._part("Config").get("WorkingDir") or "/")

    @property
    def user(self) -> str:
        """The user as configured; empty for root."""
        return str(self._part("Config").get("User") or "")

    @property
    def mounts(self) -> list[Raw]:
        """Its volumes and bind mounts."""
        return [one for one in self.raw.get("Mounts") or () if isinstance(one, Mapping)]

    @property
    def image(self) -> str:
        """The id of the image it was made from."""
        return str(self.raw.get("Image") or "")

    def as_evidence(self, now: datetime) -> ContainerEvidence:
        """Its configuration and state; `now` by the engine's clock."""
        state, host, config = self._part("State"), self._part("HostConfig"), self._part("Config")
        variables = self.environment
        return ContainerEvidence(
            state=str(state.get("Status") or ""),
            exit_code=parse_integer(state.get("ExitCode"), 0),
            oom_killed=bool(state.get("OOMKilled")),
            error=tuple(str(state.get("Error") or "").splitlines()),
            restarts=parse_integer(self.raw.get("RestartCount"), 0),
            ran_sec=_ran(state, now),
            grace_sec=float(parse_integer(config.get("StopTimeout"), int(_GRACE))),
            command=self.argv,
            first_word=self.argv[0],
            working_dir=self.working_dir,
            user=self.user,
            root=self.user.partition(":")[0] in {"", "0", "root"},
            variables=tuple(sorted(variables)),
            empty_variables=tuple(sorted(name for name, value in variables.items() if not value)),
            mounts=tuple(str(one.get("Destination")) for one in self.mounts),
            read_only_mounts=tuple(
                str(one.get("Destination")) for one in self.mounts if not one.get("RW", True)
            ),
            read_only=bool(host.get("ReadonlyRootfs")),
            memory_limit=parse_integer(host.get("Memory"), 0) or None,
            network_mode=str(host.get("NetworkMode") or ""),
            init=bool(host.get("Init")),
            gpu=bool(host.get("DeviceRequests")) or str(host.get("Runtime")) == "nvidia",
        )

    def health(self) -> HealthEvidence:
        """Its healthcheck and the last results; empty without one."""
        check, health = self._part("Config").get("Healthcheck"), self._part("State").get("Health")
        if not isinstance(check, Mapping) or not isinstance(health, Mapping):
            return HealthEvidence()
        test = [str(one) for one in check.get("Test") or ()]
        if not test or test[0] == "NONE":
            return HealthEvidence()
        results = [one for one in health.get("Log") or () if isinstance(one, Mapping)]
        failed = next((one for one in reversed(results) if one.get("ExitCode") != 0), None)
        text = test[1] if test[0] == "CMD-SHELL" and len(test) > 1 else shlex.join(test[1:])
        timeout, start = _seconds(check, "Timeout", _TIMEOUT), _seconds(check, "StartPeriod", 0.0)
        retries = parse_integer(check.get("Retries"), 0) or _RETRIES
        allowed = round(start + retries * _seconds(check, "Interval", _INTERVAL), 2)
        recovered = self._recovery_time(results) if health.get("Status") == "healthy" else None
        return HealthEvidence(
            status=str(health.get("Status") or ""),
            test=text,
            shell=test[0] == "CMD-SHELL",
            exit_code=parse_integer(failed.get("ExitCode"), 0) if failed else None,
            output=tuple(str(failed.get("Output") or "").splitlines()) if failed else (),
            start_period=start,
            allowed_sec=allowed,
            timeout=timeout,
            port=_asked_port(text),
            # A check that fails within the allowed time does not make the container unhealthy.
            recovered_sec=recovered if recovered is not None and recovered > allowed else None,
        )

    def _recovery_time(self, results: list[Raw]) -> float | None:
        """Seconds from its start to its first good result; None where no bad one is known before that."""
        started = moment(self._part("State").get("StartedAt"))
        place = next((at for at, one in enumerate(results) if one.get("ExitCode") == 0), 0)
        ended = moment(results[place].get("End")) if place else None
        return round((ended - started).total_seconds(), 1) if started and ended else None

    def _part(self, name: str) -> Raw:
        part = self.raw.get(name)
        return part if isinstance(part, Mapping) else {}


def signal_sent(engine: Engine, container: Container) -> str:
    """The signal that the engine sent a container in its last run, by what it remembers of its events."""
    if container.started_at is None or container.finished_at is None:
        return ""
    since, until = (engine.own_time(one).timestamp() for one in (container.started_at, container.finished_at))
    wanted = {"container": container.id, "event": "kill"}
    stream = engine.ask(
        lambda client: client.events(since=int(since), until=int(until) + 1, decode=True, filters=wanted)
    )
    sent = [str(((one.get("Actor") or {}).get("Attributes") or {}).get("signal", "")) for one in stream]
    return sent[0] if sent else ""


def inspect_container(engine: Engine, container: str) -> InspectedContainer:
    """A container as the engine describes it. Raises EngineRefused or Away."""
    return InspectedContainer(engine.ask(lambda client: client.inspect_container(container)))


def image_evidence(engine: Engine, name: str, *, buildable: bool) -> ImageEvidence:
    """The image of this name or id, as the engine has it. Raises Away."""
    try:
        raw = engine.ask(lambda client: client.inspect_image(name))  # type: ignore[no-untyped-call]
    except (EngineRefused, NullResource):
        return ImageEvidence(name, missing=True, buildable=buildable)
    return ImageEvidence(name, architecture=str(raw.get("Architecture") or ""), buildable=buildable)


def host_evidence(engine: Engine) -> HostEvidence:
    """The engine's host: its architecture, and the bytes free where the engine keeps its data."""
    info = engine.ask(lambda client: client.info())
    machine, free = str(info.get("Architecture") or ""), None
    if engine.endpoint.host.startswith("unix://"):
        with suppress(OSError):
            disk = os.statvfs(str(info.get("DockerRootDir") or ""))
            free = disk.f_bavail * disk.f_frsize
    return HostEvidence(_ARCHITECTURES.get(machine, machine), free)


def _ran(state: Raw, now: datetime) -> float | None:
    began, ended = moment(state.get("StartedAt")), moment(state.get("FinishedAt"))
    if began is None:
        return None
    end = now if state.get("Status") == "running" or ended is None or ended < began else ended
    return round(max(0.0, (end - began).total_seconds()), 2)


def _seconds(raw: Raw, name: str, otherwise: float) -> float:
    return parse_integer(raw.get(name), 0) / _NANO or otherwise


def _asked_port(test: str) -> str:
    """The port that a healthcheck asks on its own container; empty where its text does not say."""
    for pattern in _PORTS:
        if match := pattern.search(test):
            return match[1]
    return next((port for pattern, port in _DEFAULTS if pattern.search(test)), "")
