"""Read containers, networks, volumes, logs and events through the Engine API. Nothing here writes.

`negotiation` sends the requests and defines their errors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import requests
from docker.errors import NullResource
from docker.utils import version_gte

from app.domain.readiness import Container
from app.host import engine_endpoint as endpoints
from app.host.engine_endpoint import Endpoint
from workers.engine import usage
from workers.engine.clock import EngineClock
from workers.engine.containers import (
    ONEOFF,
    PROJECT,
    SERVICE,
    container_from_inspection,
    container_from_list,
    labels_of,
    moment,
)
from workers.engine.negotiation import Agreement, EngineRefused, EngineUnsupported, Negotiation, Unable
from workers.engine.usage import Usage

_ID = 120
"""The longest id of an engine, in characters."""
_ONE_SHOT = "1.41"
"""The first API version that returns a container's usage without measuring for one or two seconds."""
_GONE = 404


class Engine:
    """One Docker engine at a fixed address. The first request connects and negotiates the API version.

    Every request raises EngineRefused where the engine answers with an error, and one of Away where it
    does not answer.
    """

    def __init__(self, endpoint: Endpoint | None = None, timeout: int = 10) -> None:
        """`endpoint`: None takes the one of this process's environment. Raises BadEndpoint."""
        self.endpoint = endpoint or endpoints.current()
        self._clock = EngineClock(self._system_time, away=Unable)
        self.negotiation = Negotiation(self.endpoint, timeout)
        self.ask = self.negotiation.ask
        self.heard_since: datetime | None = None
        """Since when every event was received, by the engine's clock; None while there is no stream."""

    @property
    def fault(self) -> str:
        """Why Power Windows does not support this engine, in one line; empty if it does."""
        return self.negotiation.fault

    def agreement(self) -> Agreement:
        """Return the engine's release and the API version in use."""
        return self.negotiation.agreement()

    def id(self) -> str:
        """Return a unique id of this engine: its own id, the name of its host and its data directory.

        The engine's own id is not unique: two engines on one host, or cloned hosts, may share the key
        that it derives from.
        """
        info = self._info()
        where = f"{info.get('Name', '')}:{info.get('DockerRootDir', '')}"
        engine_id = str(info.get("ID", ""))
        name = f"{engine_id}@{where}"
        return name if len(name) <= _ID else f"{engine_id}@{hashlib.sha256(where.encode()).hexdigest()}"[:_ID]

    def now(self) -> datetime:
        """Return the time of the engine's clock, without the steps of that clock.

        Until the engine has answered once, this is the time of this host.
        """
        try:
            return self._clock.now()
        except Unable:
            return datetime.now(UTC)

    def own_time(self, moment: datetime) -> datetime:
        """Convert a moment of `now` to what the engine's clock showed then, before its steps."""
        return self._clock.own_time(moment)

    def _system_time(self) -> datetime:
        text = self._info().get("SystemTime")
        if (clock_time := moment(text)) is None:
            raise EngineRefused(f"it tells its time as {text!r}")
        return clock_time

    def _info(self) -> Mapping[str, Any]:
        info: Mapping[str, Any] = self.ask(lambda client: client.info())
        return info

    def close(self) -> None:
        """Close the connections to the engine."""
        self.negotiation.close()

    def containers(self, project: str, services: Iterable[str] | None = None) -> list[Container]:
        """Return a project's containers; with `services`, only those of these services.

        Where the engine cannot inspect a container, the result has its line of the list and the reason.
        """
        only = None if services is None else set(services)
        lines = [one for one in self._project_containers(project) if only is None or _service(one) in only]
        containers = []
        late = False
        for line in lines:
            try:
                one = self._container(line)
            except requests.ReadTimeout:
                # One container may hang alone. After a second timeout the engine itself counts as hanging.
                if late:
                    raise
                late, one = True, container_from_list(line, "the engine gave no answer about it in time")
            containers += [one] if one else []
        return containers

    def _project_containers(self, project: str) -> list[dict[str, Any]]:
        labels = [f"{PROJECT}={project}", f"{ONEOFF}=False"]
        lines: list[dict[str, Any]] = self.ask(
            lambda client: client.containers(all=True, filters={"label": labels})
        )
        return lines

    def _container(self, line: Mapping[str, Any]) -> Container | None:
        """Inspect one container of the list; None if it was removed since."""
        try:
            return self._clock.to_host_time(container_from_inspection(self._inspect(line["Id"])))
        except EngineUnsupported:
            raise
        except EngineRefused as refused:
            return (
                None
                if refused.status == _GONE
                else container_from_list(line, f"the engine says of it: {refused}")
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return container_from_list(line, f"the engine describes it in an unknown way: {error!r}")

    def _inspect(self, container: str) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], self.ask(lambda client: client.inspect_container(container)))

    def container(self, container: str) -> Container | None:
        """Return a container of any project, or of none; None if it does not exist."""
        try:
            return self._clock.to_host_time(container_from_inspection(self._inspect(container)))
        except EngineRefused as refused:
            if refused.status == _GONE:
                return None
            raise

    def labels(self, container: str) -> Mapping[str, str]:
        """Return the labels of a container; empty if this engine has no such container."""
        try:
            return labels_of(self._inspect(container).get("Config") or {})
        except EngineRefused as refused:
            if refused.status == _GONE:
                return {}
            raise

    def services_with(self, project: str, label: str) -> set[str]:
        """Return the services of a project that have a container with this label."""
        wanted = {"label": [f"{PROJECT}={project}", label]}
        lines = self.ask(lambda client: client.containers(all=True, filters=wanted))
        return {_service(one) for one in lines}

    def image(self, name: str) -> str:
        """Return the digest of a local image; empty if there is none of that name."""
        try:
            details: Mapping[str, Any] = self.ask(
                lambda client: client.inspect_image(name)  # type: ignore[no-untyped-call]
            )
        except EngineUnsupported:
            raise
        except (EngineRefused, NullResource):
            return ""
        return str(details.get("Id") or "")

    def networks(self) -> set[str]:
        """Return the names of all networks."""
        return {str(one.get("Name")) for one in self.ask(lambda client: client.networks())}

    def network_ids(self) -> set[str]:
        """Return the ids of all networks."""
        return {str(one.get("Id")) for one in self.ask(lambda client: client.networks())}

    def volumes(self) -> set[str]:
        """Return the names of all volumes."""
        answer = self.ask(lambda client: client.volumes())
        return {str(one.get("Name")) for one in answer.get("Volumes") or []}

    def running_on(self, network: str) -> bool:
        """Is a running container attached to this network?"""
        return bool(self.ask(lambda client: client.containers(filters={"network": network})))

    def users_of(self, kind: str, name: str, project: str) -> set[str]:
        """Return the project's services with a container, running or not, on this `network` or `volume`."""
        wanted = {kind: name, "label": [f"{PROJECT}={project}", f"{ONEOFF}=False"]}
        lines = self.ask(lambda client: client.containers(all=True, filters=wanted))
        return {_service(one) for one in lines}

    def service_by_id(self, project: str, services: Iterable[str]) -> dict[str, str]:
        """Return the service of each container of a project, by container id; only these services."""
        only = set(services)
        services = {one["Id"]: _service(one) for one in self._project_containers(project)}
        return {container: service for container, service in services.items() if service in only}

    def lines(
        self, container: str, since: datetime, until: datetime | None, tail: int
    ) -> list[tuple[str, str]]:
        """Return the last `tail` lines that a container wrote from `since` to `until`, on both streams.

        Each line is a pair: its time as the engine writes it, in nanoseconds, and its text. The list is
        empty if the container does not exist.
        """
        limits: dict[str, Any] = {"since": since.timestamp(), "tail": tail}
        if until is not None:
            limits["until"] = until.timestamp()
        try:
            raw: bytes = self.ask(
                lambda client: client.logs(container, stdout=True, stderr=True, timestamps=True, **limits)
            )
        except EngineRefused as refused:
            if refused.status == _GONE:
                return []
            raise
        stamped = (line.partition(" ") for line in raw.decode(errors="replace").split("\n") if line)
        return [(at, text.rstrip("\r")) for at, _, text in stamped]

    def logging_driver(self, container: str) -> str:
        """Return the logging driver of a container; empty if the engine does not name it."""
        try:
            host = self._inspect(container).get("HostConfig") or {}
            return str((host.get("LogConfig") or {}).get("Type") or "")
        except EngineRefused:
            return ""

    def usage(self, container: str) -> Usage | None:
        """Return the resource usage of a container; None if it does not run or has no statistics."""
        quick = {"one_shot": True} if version_gte(self.agreement().api, _ONE_SHOT) else {}
        try:
            stats = self.ask(lambda client: client.stats(container, stream=False, **quick))
            return usage.parse(stats)
        except EngineUnsupported:
            raise
        except (EngineRefused, requests.ReadTimeout, KeyError, TypeError, AttributeError):
            return None

    def log(self, container: str, since: datetime | None = None, lines: int = 5) -> str:
        """Return the last lines that a container wrote, on both streams; empty if they cannot be read."""
        limits: dict[str, Any] = {"tail": lines}
        if since is not None:
            limits["since"] = self.own_time(since).timestamp()
        try:
            raw: bytes = self.ask(lambda client: client.logs(container, stdout=True, stderr=True, **limits))
        except Unable:
            return ""
        return raw.decode(errors="replace").strip()

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield events of containers and networks as they happen. Ends or raises when the engine stops.

        No filter by project: a service may use the namespace of a container outside the project, and
        events of networks have no labels.
        """
        wanted = {"type": ["container", "network"]}
        stream = self.ask(lambda client: client.events(decode=True, filters=wanted))
        self.heard_since = self.now()
        try:
            yield from stream
        finally:
            self.heard_since = None
            # The engine may come back as another release.
            self.negotiation.forget()
            _close_stream(stream)

    def ran_on_since(self, moment: datetime) -> bool:
        """Is it certain that this engine has not been restarted since `moment`?

        There are two proofs. A container has run since before: an engine that starts ends all running
        containers, unless live restore is on. Or the engine still has an event from before: it holds
        some hundred events in memory. Where the engine refuses to answer, nothing is certain.
        """
        try:
            return self._has_kept_running(moment) or self._has_event_before(moment)
        except EngineRefused:
            return False

    def _has_kept_running(self, moment: datetime) -> bool:
        if self._info().get("LiveRestoreEnabled"):
            return False
        containers = (self._container(one) for one in self.ask(lambda client: client.containers()))
        return any(one.alive and one.started_at and one.started_at < moment for one in containers if one)

    def _has_event_before(self, moment: datetime) -> bool:
        until = int(self.own_time(moment).timestamp())
        stream = self.ask(lambda client: client.events(since=1, until=until, decode=True))
        try:
            return next(iter(stream), None) is not None
        finally:
            _close_stream(stream)


def _service(line: Mapping[str, Any]) -> str:
    return labels_of(line).get(SERVICE, "")


def _close_stream(stream: Any) -> None:
    """Close a stream that was not read to its end. Its own `close` fails if the engine has stopped."""
    stream._response.close()
