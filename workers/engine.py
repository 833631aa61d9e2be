"""Eyes: what runs, and what has just changed, through the Engine API. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import docker
import requests
from docker.errors import DockerException, NotFound
from docker.utils import kwargs_from_env

from app.domain.readiness import Container

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
_ONEOFF = "com.docker.compose.oneoff"
_NUMBER = "com.docker.compose.container-number"
_HASH = "com.docker.compose.config-hash"

Away = (DockerException, requests.RequestException, OSError)
"""What reading raises while the engine does not answer."""


class Engine:
    """One engine, found as the docker client finds it (DOCKER_HOST and the rest of its environment)."""

    def __init__(self, timeout: int = 10) -> None:
        # A version that is fixed saves asking; 1.41 is Debian 12's, and newer engines answer it.
        self._client = docker.APIClient(version="1.41", timeout=timeout, num_pools=16, **kwargs_from_env())

    def id(self) -> str:
        return str(self._client.info()["ID"])

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

    def log(self, container: str, lines: int = 5) -> str:
        """The last lines a container wrote, on either stream."""
        try:
            raw: bytes = self._client.logs(container, stdout=True, stderr=True, tail=lines)
        except DockerException:
            return ""
        return raw.decode(errors="replace").strip()

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Container events as they happen; ends or raises when the engine goes away."""
        yield from self._client.events(decode=True, filters={"type": "container", "label": [PROJECT]})


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
    )


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


def host_now() -> datetime:
    """The clock of the engine's host, by which the engine tells its times."""
    return datetime.now(UTC)
