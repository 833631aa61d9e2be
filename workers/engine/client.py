"""What runs, and what has just changed, through the Engine API. Reads only.

How the engine is asked, and what its refusals and its silence are, is in `negotiation`.
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
"""Characters of an engine's id, at most."""
_ONE_SHOT = "1.41"
"""The first API version that tells what a container uses without measuring for a second or two."""
_GONE = 404


class Engine:
    """One engine. Its address is fixed; whether it answers, and in which API version, is asked at first use.

    Every question raises EngineRefused where the engine says no, and one of Away where it does not answer.
    """

    def __init__(self, endpoint: Endpoint | None = None, timeout: int = 10) -> None:
        """`endpoint`: this process's own, if None. Raises BadEndpoint."""
        self.endpoint = endpoint or endpoints.current()
        self._clock = EngineClock(self._system_time, away=Unable)
        self.negotiation = Negotiation(self.endpoint, timeout)
        self.ask = self.negotiation.ask
        self.heard_since: datetime | None = None
        """Since when every event has been heard, by the engine's clock; None while the stream is not read."""

    @property
    def fault(self) -> str:
        """Why what answers there cannot be served, in one line; empty where it can, or nothing answered."""
        return self.negotiation.fault

    def agreement(self) -> Agreement:
        """What the engine says it is, and the API version that is spoken with it."""
        return self.negotiation.agreement()

    def id(self) -> str:
        """What tells this engine from every other: its own id, its host's name and where its data is.

        The id alone does not: two engines on one host may share the key that it is made from,
        and so may hosts that were cloned.
        """
        info = self._info()
        where = f"{info.get('Name', '')}:{info.get('DockerRootDir', '')}"
        own = str(info.get("ID", ""))
        name = f"{own}@{where}"
        return name if len(name) <= _ID else f"{own}@{hashlib.sha256(where.encode()).hexdigest()}"[:_ID]

    def now(self) -> datetime:
        """The time by which the engine tells its times, without the steps of its clock; ours may be another.

        An engine that has never told its time has told no others yet, and any clock will do.
        """
        try:
            return self._clock.now()
        except Unable:
            return datetime.now(UTC)

    def own_time(self, moment: datetime) -> datetime:
        """What the engine's own clock showed at a moment that `now` told, before it was set."""
        return self._clock.own_time(moment)

    def _system_time(self) -> datetime:
        given = self._info().get("SystemTime")
        if (clock_time := moment(given)) is None:
            raise EngineRefused(f"it tells its time as {given!r}")
        return clock_time

    def _info(self) -> Mapping[str, Any]:
        info: Mapping[str, Any] = self.ask(lambda client: client.info())
        return info

    def close(self) -> None:
        """Close the connections to the engine."""
        self.negotiation.close()

    def containers(self, project: str, services: Iterable[str] | None = None) -> list[Container]:
        """A project's containers, perhaps only those of some services.

        One that the engine will not describe is told by its line in the list, with the reason.
        """
        only = None if services is None else set(services)
        lines = [one for one in self._project_containers(project) if only is None or _service(one) in only]
        containers = []
        late = False
        for line in lines:
            try:
                one = self._container(line)
            except requests.ReadTimeout:
                # One may hang in the engine by itself; a second one says that the engine hangs.
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
        """One container of the list, as it is now; None where it has gone since."""
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
        """One container of whatever project, or of none; None where it is gone."""
        try:
            return self._clock.to_host_time(container_from_inspection(self._inspect(container)))
        except EngineRefused as refused:
            if refused.status == _GONE:
                return None
            raise

    def labels(self, container: str) -> Mapping[str, str]:
        """What a container is labelled with; nothing where this engine has no such container."""
        try:
            return labels_of(self._inspect(container).get("Config") or {})
        except EngineRefused as refused:
            if refused.status == _GONE:
                return {}
            raise

    def services_with(self, project: str, label: str) -> set[str]:
        """The services of a project whose containers carry a label."""
        wanted = {"label": [f"{PROJECT}={project}", label]}
        lines = self.ask(lambda client: client.containers(all=True, filters=wanted))
        return {_service(one) for one in lines}

    def image(self, name: str) -> str:
        """The digest of a local image, or nothing where there is none of that name."""
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
        """The names of all networks there are."""
        return {str(one.get("Name")) for one in self.ask(lambda client: client.networks())}

    def network_ids(self) -> set[str]:
        """The ids of all networks there are."""
        return {str(one.get("Id")) for one in self.ask(lambda client: client.networks())}

    def volumes(self) -> set[str]:
        """The names of all volumes there are."""
        answer = self.ask(lambda client: client.volumes())
        return {str(one.get("Name")) for one in answer.get("Volumes") or []}

    def running_on(self, network: str) -> bool:
        """Does any container run that is attached to this network?"""
        return bool(self.ask(lambda client: client.containers(filters={"network": network})))

    def users_of(self, kind: str, name: str, project: str) -> set[str]:
        """The services of a project with a container, running or not, on this `network` or `volume`."""
        wanted = {kind: name, "label": [f"{PROJECT}={project}", f"{ONEOFF}=False"]}
        lines = self.ask(lambda client: client.containers(all=True, filters=wanted))
        return {_service(one) for one in lines}

    def service_by_id(self, project: str, services: Iterable[str]) -> dict[str, str]:
        """The services of a project's containers, by the containers' ids."""
        only = set(services)
        services = {one["Id"]: _service(one) for one in self._project_containers(project)}
        return {container: service for container, service in services.items() if service in only}

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
        """The logging driver a container was made with; nothing where the engine does not say."""
        try:
            host = self._inspect(container).get("HostConfig") or {}
            return str((host.get("LogConfig") or {}).get("Type") or "")
        except EngineRefused:
            return ""

    def usage(self, container: str) -> Usage | None:
        """What a container has used and uses; None where it does not run, or the engine does not say."""
        quick = {"one_shot": True} if version_gte(self.agreement().api, _ONE_SHOT) else {}
        try:
            stats = self.ask(lambda client: client.stats(container, stream=False, **quick))
            return usage.parse(stats)
        except EngineUnsupported:
            raise
        except (EngineRefused, requests.ReadTimeout, KeyError, TypeError, AttributeError):
            return None

    def log(self, container: str, since: datetime | None = None, lines: int = 5) -> str:
        """The last lines a container wrote, on either stream; nothing where they cannot be had."""
        limits: dict[str, Any] = {"tail": lines}
        if since is not None:
            limits["since"] = self.own_time(since).timestamp()
        try:
            raw: bytes = self.ask(lambda client: client.logs(container, stdout=True, stderr=True, **limits))
        except Unable:
            return ""
        return raw.decode(errors="replace").strip()

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Events of containers and networks as they happen; ends or raises when the engine goes away.

        Those of every container: one without a project may have the namespace that a service uses, and
        what is told of a network has no labels.
        """
        wanted = {"type": ["container", "network"]}
        stream = self.ask(lambda client: client.events(decode=True, filters=wanted))
        self.heard_since = self.now()
        try:
            yield from stream
        finally:
            self.heard_since = None
            # What answers next may be another release.
            self.negotiation.forget()
            _let_go(stream)

    def ran_on_since(self, moment: datetime) -> bool:
        """Is it certain that this engine has not been started anew since then?

        It is where something on it has been running for longer, since an engine that starts
        ends what it finds running (unless it is told to keep it alive), and where it remembers
        an event from before: its memory, some hundred events, does not outlive it. Where it
        refuses to tell, nothing is certain.
        """
        try:
            return self._has_kept_running(moment) or self._remembers(moment)
        except EngineRefused:
            return False

    def _has_kept_running(self, moment: datetime) -> bool:
        if self._info().get("LiveRestoreEnabled"):
            return False
        containers = (self._container(one) for one in self.ask(lambda client: client.containers()))
        return any(one.alive and one.started_at and one.started_at < moment for one in containers if one)

    def _remembers(self, moment: datetime) -> bool:
        until = int(self.own_time(moment).timestamp())
        stream = self.ask(lambda client: client.events(since=1, until=until, decode=True))
        try:
            return next(iter(stream), None) is not None
        finally:
            _let_go(stream)


def _service(line: Mapping[str, Any]) -> str:
    return labels_of(line).get(SERVICE, "")


def _let_go(stream: Any) -> None:
    """Close a stream that was not read to its end; its own `close` fails where the engine has gone."""
    stream._response.close()
