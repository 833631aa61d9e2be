"""Compose services as `docker compose config` renders them, with what decides how they may be powered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.enums import Condition

_GPU = "gpu"
_RESTARTING = {"always": "always", "unless-stopped": "unless-stopped", "any": "always"}


@dataclass(frozen=True, slots=True)
class ComposeService:
    """One service of a compose file. Namespace owners, links and `volumes_from` are among `requires`."""

    name: str
    image: str = ""
    """Empty for a service that is built and has no image name."""
    built: bool = False
    restart: str = ""
    """`always` or `unless-stopped`; empty for every other policy."""
    requires: frozenset[str] = frozenset()
    """The services without which it does not start."""
    awaits: Mapping[str, Condition] | None = None
    """For each service that it depends on, what it waits for."""
    profiles: tuple[str, ...] = ()
    container_name: str = ""
    network_of: str = ""
    """The service whose network this one uses; empty if it has its own."""
    has_healthcheck: bool = False
    """True where the files define one, or disable the one of the image."""
    has_gpu: bool = False

    def image_in(self, project: str) -> str:
        """The name of its image, as Compose gives it to one that is built without a name."""
        return self.image or f"{project}-{self.name}"


def read_services(config: Mapping[str, Any]) -> dict[str, ComposeService]:
    """The services of a rendered configuration, in its order."""
    return {name: _service(name, raw or {}) for name, raw in (config.get("services") or {}).items()}


def one_shots(services: Iterable[ComposeService]) -> set[str]:
    """The services whose successful end another service waits for."""
    return {
        name
        for service in services
        for name, condition in (service.awaits or {}).items()
        if condition is Condition.COMPLETED
    }


def requirements(services: Mapping[str, ComposeService], names: Iterable[str]) -> set[str]:
    """These services and everything that they cannot start without."""
    required: set[str] = set()
    pending = [name for name in names if name in services]
    while pending:
        name = pending.pop()
        if name not in required:
            required.add(name)
            pending += [one for one in services[name].requires if one in services]
    return required


def _service(name: str, raw: Mapping[str, Any]) -> ComposeService:
    depends_on = raw.get("depends_on") or {}
    kind, _, owner = str(raw.get("network_mode") or "").partition(":")
    return ComposeService(
        name=name,
        image=str(raw.get("image") or ""),
        built=bool(raw.get("build")),
        restart=_restart(raw),
        requires=frozenset(other for other, how in depends_on.items() if how.get("required", True)),
        awaits={other: Condition(how["condition"]) for other, how in depends_on.items()},
        profiles=tuple(raw.get("profiles") or ()),
        container_name=str(raw.get("container_name") or ""),
        network_of=owner if kind == "service" else "",
        has_healthcheck=bool(raw.get("healthcheck")),
        has_gpu=_has_gpu(raw),
    )


def _restart(raw: Mapping[str, Any]) -> str:
    deploy = raw.get("deploy") or {}
    policy = raw.get("restart") or (deploy.get("restart_policy") or {}).get("condition") or ""
    return _RESTARTING.get(str(policy), "")


def _has_gpu(raw: Mapping[str, Any]) -> bool:
    if raw.get("gpus") or raw.get("runtime") == "nvidia":
        return True
    resources = (raw.get("deploy") or {}).get("resources") or {}
    devices = (resources.get("reservations") or {}).get("devices") or []
    return any(_GPU in (device.get("capabilities") or []) for device in devices)
