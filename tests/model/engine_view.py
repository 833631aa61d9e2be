"""The Engine API of the simulated host, as a worker reads it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from docker.errors import DockerException

from app.domain.readiness import Container
from tests.model.world import World


class EngineView:
    """Stands in for `workers.engine.client.Engine`."""

    fault = ""
    heard_since = None

    def __init__(self, world: World) -> None:
        self._world = world

    def _reachable_world(self) -> World:
        self._world.point()
        if self._world.away:
            raise DockerException("away")
        return self._world

    def id(self) -> str:
        return "engine"

    def containers(self, project: str, services: Iterable[str] | None = None) -> list[Container]:
        world, only = self._reachable_world(), None if services is None else set(services)
        world.advance(0)
        every = [one for (owner, _name), one in sorted(world.containers.items()) if owner == project]
        selected = [one for one in every if only is None or one.service in only]
        world.point()
        return selected

    def now(self) -> datetime:
        return self._world.tick()

    def services_with(self, project: str, label: str) -> set[str]:
        return set()

    def ran_on_since(self, moment: datetime) -> bool:
        return not self._world.away

    def image(self, name: str) -> str:
        self._reachable_world()
        return f"sha256:{name}"

    def networks(self) -> set[str]:
        return set(self._reachable_world().networks)

    def network_ids(self) -> set[str]:
        return set(self._reachable_world().networks)

    def volumes(self) -> set[str]:
        return set()

    def log(self, container: str, lines: int = 5) -> str:
        return ""

    def events(self) -> Iterable[Any]:
        return ()
