"""The two stacks of a run, one on each engine, and the image that their services run.

Every way of being a service is there: with a healthcheck, deaf to TERM, done once,
crashing, depending on others, always on, and listed nowhere.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import docker

from examples.vx11 import image

IMAGE = "power-windows/chaos:local"
STACKS = ("alpha", "beta")
NODES = {"alpha": "a", "beta": "b"}

CORE = "gate"
UNLISTED = "unlisted"
GRACE = 2.0
"""Seconds of every service's stop_grace_period."""

_STAYS = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"
_DEAF = "while :; do sleep 1000; done"
_WELL = f"trap 'exit 0' TERM; (sleep 0.4; : > /tmp/well) & {_STAYS}"
_CHECK = {"test": ["CMD", "sh", "-c", "test -f /tmp/well"], "interval": "400ms", "retries": 1000}

NEEDS = {
    "store": {},
    "forge": {"store": "service_healthy"},
    "press": {"store": "service_healthy", CORE: "service_started"},
    "deaf": {},
    "once": {},
    "books": {"once": "service_completed_successfully"},
    "crash": {},
    "plain": {},
}
ALLOWED = tuple(NEEDS)
CHECKED = frozenset({"store"})
ONE_SHOTS = frozenset({"once"})
LEAVE_BY_THEMSELVES = frozenset({"once", "crash"})

_RUNS = {
    "store": _WELL,
    "deaf": _DEAF,
    "once": "sleep 0.3; exit 0",
    "crash": "sleep 0.2; exit 3",
}


def closure(services: tuple[str, ...]) -> set[str]:
    """What a window on these holds: they themselves and the allowed services they need."""
    names = set(services)
    while more := {need for name in names for need in NEEDS[name] if need != CORE} - names:
        names |= more
    return names


def definition() -> dict[str, Any]:
    services = {name: _service(_RUNS.get(name, _STAYS)) for name in (*ALLOWED, CORE, UNLISTED)}
    for name, needs in NEEDS.items():
        if needs:
            services[name]["depends_on"] = {other: {"condition": how} for other, how in needs.items()}
    services["store"]["healthcheck"] = _CHECK
    services["crash"]["restart"] = "on-failure"
    services[CORE]["restart"] = "always"
    # Nothing speaks over it, but a first start has it to create.
    return {"services": services, "networks": {"default": {"internal": True}}}


def _service(script: str) -> dict[str, Any]:
    entrypoint = ["sh", "-c", script.replace("$", "$$")]
    return {"image": IMAGE, "entrypoint": entrypoint, "command": [], "stop_grace_period": f"{GRACE:g}s"}


def power_toml(stack: str) -> str:
    lines = [
        f"[stacks.{stack}]",
        f'project = "{project(stack)}"',
        'directory = "."',
        f'node = "{NODES[stack]}"',
        f"core = {json.dumps([CORE])}",
        f"allow = {json.dumps(list(ALLOWED))}",
        'default_ttl = "1m"',
        'max_ttl = "2m"',
    ]
    return "\n".join(lines) + "\n"


def project(stack: str) -> str:
    return f"chaos-{stack}"


def of_project(project: str) -> str:
    return project.removeprefix("chaos-")


def write(directory: Path, stack: str) -> Path:
    """Write one stack's compose file and power.toml; the path of the latter."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "docker-compose.yml").write_text(json.dumps(definition(), indent=1))
    toml = directory / "power.toml"
    toml.write_text(power_toml(stack))
    return toml


def load_image(engine: docker.APIClient) -> None:
    """Give an engine the image: this machine's shell and sleep, with the libraries both need."""
    binaries = {f"bin/{name}": Path("/bin", name).resolve() for name in ("sh", "sleep")}
    tar = io.BytesIO()
    image.write(binaries | image.libraries(list(binaries.values())), tar)
    name, _, tag = IMAGE.partition(":")
    changes = ["ENV PATH=/bin LD_LIBRARY_PATH=/lib"]
    engine.import_image_from_data(tar.getvalue(), repository=name, tag=tag, changes=changes)
