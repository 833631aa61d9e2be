"""Eyes: what runs, and what has just changed, through the Engine API. Reads only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import docker
import requests
from docker.errors import DockerException, NotFound
from docker.utils import kwargs_from_env

from app.domain.readiness import Container
from app.store.database import Clock

_ID = 120
"""Characters of an engine's id, at most."""
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
_ONEOFF = "com.docker.compose.oneoff"
_NUMBER = "com.docker.compose.container-number"
_HASH = "com.docker.compose.config-hash"

Away = (DockerException, requests.RequestException, OSError)
"""What reading raises while the engine does not answer."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of one core used since a container began, and bytes of memory in use now."""

    cpu_seconds: float
    memory: int


class Engine:
    """One engine, found as the docker client finds it (DOCKER_HOST and the rest of its environment)."""

    def __init__(self, timeout: int = 10) -> None:
        # A version that is fixed saves asking; 1.41 is Debian 12's, and newer engines answer it.
        self._clock = Clock(self._system_time, away=Away)
        self._client = docker.APIClient(version="1.41", timeout=timeout, num_pools=16, **kwargs_from_env())
        self.heard_since: datetime | None = None
        """Since when every event has been heard, by the engine's clock; None while nobody listens."""

    def id(self) -> str:
        """What tells this engine from every other: its own id, its host's name and where its data is.

        The id alone does not: two engines on one host may share the key that it is made from,
        and so may hosts that were cloned.
        """
        said = self._client.info()
        where = f"{said['Name']}:{said['DockerRootDir']}"
        found = f"{said['ID']}@{where}"
        return (
            found if len(found) <= _ID else f"{said['ID']}@{hashlib.sha256(where.encode()).hexdigest()}"[:_ID]
        )

    def now(self) -> datetime:
        """The time on the engine's own clock, by which it tells its times; the clock here may be another.

        An engine that has never answered has told no times yet, and any clock will do.
        """
        try:
            return self._clock.now()
        except Away:
            return datetime.now(UTC)

    def _system_time(self) -> datetime:
        return zoned(str(self._client.info()["SystemTime"]))

    def close(self) -> None:
        self._client.close()

    def containers(self, project: str, services: Iterable[str] | None = None) -> list[Container]:
        """A project's containers, perhaps only those of some services."""
        only = None if services is None else set(services)
        listed = self._listed(project)
        wanted = [one for one in listed if only is None or one["Labels"].get(SERVICE) in only]
        return [found for one in wanted if (found := self._inspected(one["Id"]))]

    def _listed(self, project: str) -> list[dict[str, Any]]:
        labels = [f"{PROJECT}={project}", f"{_ONEOFF}=False"]
        found: list[dict[str, Any]] = self._client.containers(all=True, filters={"label": labels})
        return found

    def _inspected(self, container: str) -> Container | None:
        try:
            return described(self._client.inspect_container(container))
        except NotFound:
            return None

    def labels(self, container: str) -> Mapping[str, str]:
        """What a container is labelled with; nothing where this engine has no such container."""
        try:
            return self._client.inspect_container(container)["Config"]["Labels"] or {}
        except NotFound:
            return {}

    def services_with(self, project: str, label: str) -> set[str]:
        """The services of a project whose containers carry a label."""
        wanted = {"label": [f"{PROJECT}={project}", label]}
        found = self._client.containers(all=True, filters=wanted)
        return {one["Labels"].get(SERVICE, "") for one in found}

    def image(self, name: str) -> str:
        """The digest of a local image, or nothing where there is none of that name."""
        try:
            found: dict[str, Any] = self._client.inspect_image(name)  # type: ignore[no-untyped-call]
        except (NotFound, docker.errors.NullResource):
            return ""
        return str(found["Id"])

    def networks(self) -> set[str]:
        """The names of all networks there are."""
        return {one["Name"] for one in self._client.networks()}

    def volumes(self) -> set[str]:
        """The names of all volumes there are."""
        return {one["Name"] for one in self._client.volumes()["Volumes"] or []}

    def named(self, project: str, services: Iterable[str]) -> dict[str, str]:
        """The services of a project's containers, by the containers' ids."""
        only = set(services)
        listed = {one["Id"]: one["Labels"].get(SERVICE, "") for one in self._listed(project)}
        return {container: service for container, service in listed.items() if service in only}

    def lines(
        self, container: str, since: datetime, until: datetime | None, tail: int
    ) -> list[tuple[str, str]]:
        """The last lines a container wrote in a time, on either stream, each with its moment in nanoseconds.

        A container that is gone wrote nothing.
        """
        limits: dict[str, Any] = {"since": since.timestamp(), "tail": tail}
        if until is not None:
            limits["until"] = until.timestamp()
        try:
            raw: bytes = self._client.logs(container, stdout=True, stderr=True, timestamps=True, **limits)
        except NotFound:
            return []
        stamped = (line.partition(" ") for line in raw.decode(errors="replace").split("\n") if line)
        return [(at, text.rstrip("\r")) for at, _, text in stamped]

    def usage(self, container: str) -> Usage | None:
        """What a container has used and uses; None where it does not run."""
        try:
            said = self._client.stats(container, stream=False, one_shot=True)
        except NotFound:
            return None
        memory = said.get("memory_stats") or {}
        if "usage" not in memory:
            return None
        details = memory.get("stats") or {}
        cached = details.get("inactive_file", details.get("total_inactive_file", 0))
        return Usage(said["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, max(0, memory["usage"] - cached))

    def log(self, container: str, lines: int = 5) -> str:
        """The last lines a container wrote, on either stream."""
        try:
            raw: bytes = self._client.logs(container, stdout=True, stderr=True, tail=lines)
        except DockerException:
            return ""
        return raw.decode(errors="replace").strip()

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Container events as they happen; ends or raises when the engine goes away."""
        stream = self._client.events(decode=True, filters={"type": "container", "label": [PROJECT]})
        self.heard_since = self.now()
        try:
            yield from stream
        finally:
            self.heard_since = None
            _let_go(stream)

    def ran_on_since(self, moment: datetime) -> bool:
        """Is it certain that this engine has not been started anew since then?

        It is where something on it has been running for longer, since an engine that starts
        ends what it finds running (unless it is told to keep it alive), and where it remembers
        an event from before: its memory, some hundred events, does not outlive it.
        """
        return self._has_kept_running(moment) or self._remembers(moment)

    def _has_kept_running(self, moment: datetime) -> bool:
        if self._client.info().get("LiveRestoreEnabled"):
            return False
        found = (self._inspected(one["Id"]) for one in self._client.containers())
        return any(one.alive and one.started_at and one.started_at < moment for one in found if one)

    def _remembers(self, moment: datetime) -> bool:
        until = int(moment.timestamp())
        stream = self._client.events(since=1, until=until, decode=True)
        try:
            return next(iter(stream), None) is not None
        finally:
            _let_go(stream)


def _let_go(stream: Any) -> None:
    """Close a stream that was not read to its end; its own `close` fails where the engine has gone."""
    stream._response.close()


def described(raw: Mapping[str, Any]) -> Container:
    """A container from what the engine says when one is inspected."""
    state, labels = raw["State"], raw["Config"]["Labels"] or {}
    return Container(
        id=raw["Id"],
        service=labels.get(SERVICE, ""),
        state=state["Status"],
        health=_health(state),
        exit_code=state["ExitCode"],
        restarts=raw["RestartCount"],
        oom_killed=state["OOMKilled"],
        created_at=moment(raw["Created"]),
        started_at=moment(state["StartedAt"]),
        finished_at=moment(state["FinishedAt"]),
        error=state.get("Error", ""),
        image=raw["Image"],
        config_hash=labels.get(_HASH, ""),
        number=int(labels.get(_NUMBER, "1")),
        policy=_policy(raw.get("HostConfig") or {}),
        grace=raw["Config"].get("StopTimeout"),
    )


def _policy(host: Mapping[str, Any]) -> str:
    said = str((host.get("RestartPolicy") or {}).get("Name", ""))
    return "" if said == "no" else said


def _health(state: Mapping[str, Any]) -> str:
    said = (state.get("Health") or {}).get("Status", "")
    return "" if said == "none" else said


def moment(text: str) -> datetime | None:
    """The engine's RFC 3339 with nanoseconds; its year 1 stands for never."""
    if not text or text.startswith("0001-"):
        return None
    whole, _, rest = text.rstrip("Z").partition(".")
    digits = "".join(character for character in rest if character.isdigit())[:6].ljust(6, "0")
    return datetime.fromisoformat(f"{whole}.{digits}").replace(tzinfo=UTC)


def zoned(text: str) -> datetime:
    """The engine's own time, which it writes in the zone of its host and with nanoseconds."""
    found = re.fullmatch(r"(.{19})(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text)
    if found is None:
        raise OSError(f"the engine tells its time as {text!r}")
    digits = (found[2] or "")[:6].ljust(6, "0")
    return datetime.fromisoformat(f"{found[1]}.{digits}{found[3].replace('Z', '+00:00')}").astimezone(UTC)
