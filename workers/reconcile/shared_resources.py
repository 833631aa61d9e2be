"""Networks and volumes that the services of a project share.

A network is created before the first service that joins it starts, under a lock, since
the engine takes two first creations for two networks of one name. What exists is named
as external in every start: where a definition has changed, Compose would otherwise remake
the network under everything that is attached to it, or ask whether to delete a volume.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.domain.enums import CallStatus, Role
from app.store import locks
from workers.engine import compose, negotiation
from workers.engine.client import Engine
from workers.engine.compose import ComposeFiles
from workers.stacks import service_files
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)
CREATE_TIMEOUT = 30.0
"""Seconds that one creation of networks may take, and one trial of it."""
_REMADE = re.compile(r"Network (\S+) Removing")
_OTHERWISE = re.compile(r'Volume "([^"]+)" exists but doesn\'t match')


def prepare(context: WorkerContext, served: Served, service: str) -> ComposeFiles:
    """Create what a service shares and the engine lacks; return what the service is started from."""
    assert served.place
    try:
        if _missing(context, served, service):
            _create_missing(context, served, service)
        external = _existing(context.engine, served)
    except negotiation.Unable:
        external = frozenset[str]()
    return service_files.place_of(served.place, service, external)


def _create_missing(context: WorkerContext, served: Served, service: str) -> None:
    """The holder of a network's lock creates it; the others wait for that and find it done."""
    assert served.place
    names = _missing(context, served, service)
    with ExitStack() as stack:
        held = [
            stack.enter_context(locks.hold_lock(context.lock_dir, served.spec.project, name, wait=True))
            for name in sorted(f"{locks.SHARED_LOCK}.{network}" for network in names)
        ]
        if missing := _missing(context, served, service):
            _create(context, served, missing, tuple(lock for lock in held if lock is not None))


def _create(context: WorkerContext, served: Served, networks: set[str], held: tuple[int, ...]) -> None:
    assert served.place
    with _extra_file(context.lock_dir, served.spec.project, networks) as file:
        outcome = compose.run(compose.share(served.place, file), CREATE_TIMEOUT, lock=held)
    if outcome.status is CallStatus.OK:
        served.outdated.difference_update(networks)
        return
    # The service's own start fails with the same fault, which is recorded there.
    named = ", ".join(sorted(networks))
    log.warning("%s: networks %s: %s: %s", served.spec.project, named, outcome.status, outcome.stderr)


@contextmanager
def _extra_file(
    directory: Path, project: str, networks: Collection[str], volumes: Collection[str] = ()
) -> Iterator[Path]:
    file = directory / f"{project}.{secrets.token_hex(8)}.shared.json"
    try:
        file.write_text(compose.shared_file(networks, volumes))
        yield file
    finally:
        file.unlink(missing_ok=True)


def _missing(context: WorkerContext, served: Served, service: str) -> set[str]:
    """Return the networks that a service joins and that have to be created, by their names in the files.

    A network with a changed definition is included once nothing runs on it: it is then recreated.
    """
    assert served.place
    joined = service_files.networks_of(served.place, service)
    wanted = {name: real for name, real in served.networks.items() if joined is None or name in joined}
    if not wanted:
        return set()
    there = context.engine.networks()
    outdated = {
        name for name in wanted.keys() & served.outdated if not context.engine.running_on(wanted[name])
    }
    return {name for name, real in wanted.items() if real not in there} | outdated


def _existing(engine: Engine, served: Served) -> frozenset[str]:
    """What exists of the project's networks and volumes, as `networks.NAME` and `volumes.NAME`."""
    networks = engine.networks() if served.networks else set()
    volumes = engine.volumes() if served.volumes else set()
    return frozenset(
        {f"networks.{name}" for name, real in served.networks.items() if real in networks}
        | {f"volumes.{name}" for name, real in served.volumes.items() if real in volumes}
    )


def changed_resources(engine: Engine, served: Served, directory: Path) -> tuple[set[str], set[str]]:
    """Networks and volumes that exist with another definition than the files have now, by their file names.

    Compose is asked what it would do, and does nothing. Raises what the engine raises.
    """
    there = _existing(engine, served)
    networks = {name for name in served.networks if f"networks.{name}" in there}
    volumes = {name for name in served.volumes if f"volumes.{name}" in there}
    if served.place is None or not networks | volumes:
        return set(), set()
    with _extra_file(directory, served.spec.project, networks, volumes) as file:
        outcome = compose.run(compose.share(served.place, file, trial=True), CREATE_TIMEOUT)
    output = f"{outcome.stdout}\n{outcome.stderr}"
    remade, otherwise = set(_REMADE.findall(output)), set(_OTHERWISE.findall(output))
    return (
        {name for name in networks if served.networks[name] in remade},
        {name for name in volumes if served.volumes[name] in otherwise},
    )


def faults(engine: Engine, served: Served, key: str, directory: Path) -> list[str]:
    """Return why a changed network or volume cannot be replaced now: core has a container on it.

    Notes on `served` which networks are to be recreated, and logs which volumes stay as they are.
    """
    networks, volumes = changed_resources(engine, served, directory)
    served.outdated.update(networks)
    core = set(served.spec.names_of(Role.CORE))
    refusals = []
    for kind, name, real in [
        *(("network", name, served.networks[name]) for name in sorted(networks)),
        *(("volume", name, served.volumes[name]) for name in sorted(volumes)),
    ]:
        users = sorted(engine.users_of(kind, real, served.spec.project) & core)
        if users:
            refusals.append(_refusal(key, served, kind, name, users))
        elif kind == "volume":
            log.warning(
                "%s: volume %s exists with another definition and stays as it is: its data would be lost",
                served.spec.name,
                real,
            )
    return refusals


def _refusal(key: str, served: Served, kind: str, name: str, users: list[str]) -> str:
    if kind == "network":
        how = f"apply it by hand: docker compose -p {served.spec.project} up -d {' '.join(users)}"
    else:
        how = "leave its definition as it was: making it anew loses its data"
    why = f"is defined otherwise than it exists, and core has containers on it ({', '.join(users)})"
    return f"{key}.files: {kind} {name} {why}; {how}"
