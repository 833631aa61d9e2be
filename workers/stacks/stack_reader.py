"""Reading stacks: what power.toml and the compose files say together, checked before anything is served.

All faults of a stack are found in one go, one line each, naming the file, the key
and the service.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.domain import healthchecks, planning
from app.domain.enums import CallStatus, Condition, Role
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.scenarios import Scenario
from app.domain.stack_id import StackId, named_for, section_of
from app.settings import PowerToml, StackToml
from workers.engine import compose, stack_secrets
from workers.engine.compose import Command, ComposeFiles
from workers.stacks import (
    accepted_files,
    file_versions,
    intent_reader,
    self_protection,
    service_files,
    unsupported_features,
)
from workers.stacks.service_durations import (
    STOP_MARGIN,
    grace_of,
    healthcheck_of,
    overlong_durations,
    short_stop_timeouts,
)
from workers.stacks.service_resources import cpu_limit, memory_limit, published_ports

READING = 30.0
"""Seconds that `docker compose config` may take."""


@dataclass(frozen=True, slots=True)
class Served:
    """A stack this worker serves. Without a place it can only be turned off."""

    spec: StackSpec
    place: ComposeFiles | None = None
    networks: Mapping[str, str] = field(default_factory=dict)
    """The networks that the project makes: their names in the compose files, and the engine's for them."""
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Its volumes likewise."""
    outdated: set[str] = field(default_factory=set, compare=False)
    """Networks that exist with another definition, to be recreated when no container runs on them."""
    intent_checks: Mapping[str, Scenario] = field(default_factory=dict)
    """The checks of its intents, whole, by the intent's name."""


class Rejected(Exception):
    """A stack cannot be served; `faults` has one line for each reason, `spec` as much as is known.

    `unanswered` says that compose gave no answer in time, so nothing is known of the files.
    """

    def __init__(self, spec: StackSpec, faults: list[str], *, unanswered: bool = False) -> None:
        super().__init__("\n".join(faults))
        self.spec = spec
        self.faults = faults
        self.unanswered = unanswered

    @property
    def digest(self) -> str:
        """The parts of a rejected stack that Compose could read."""
        return self.spec.digest


def read(path: Path, toml: PowerToml, name: StackId, *, keep: Path | None = None) -> Served:
    """Read and check one stack; raises Rejected.

    With a directory for copies, starts use a copy of this reading. A later change of the files has no
    effect until it has been checked, too.
    """
    stack = toml.stacks[name]
    key = f"{path}: {section_of(name)}"
    empty = StackSpec(name, stack.project, stack.node, {})
    files, profiles, env_files = (tuple(one) for one in (stack.files, stack.profiles, stack.env_files))
    place = ComposeFiles(stack.project, stack.directory, files, profiles, env_files)
    if faults := [*_shared_project(key, toml, name), *_missing(key, place)]:
        raise Rejected(empty, faults)
    stack_secrets.note(stack.project, stack_secrets.of_files(_variable_files(place)))
    config = json.loads(_output(compose.config(place), key, empty))
    stack_secrets.note(stack.project, stack_secrets.of_config(config))
    intents = toml.intents_of(name)
    empty = replace(empty, digest=_digest(stack, config, intent_reader.identity(intents)))
    hashes = _hashes(_output(compose.hashes(place), key, empty))
    if faults := list(_unknown(key, stack, config["services"])):
        raise Rejected(empty, faults)
    if faults := list(
        self_protection.faults(key, stack.project, stack.allow, config, self_protection.surroundings())
    ):
        raise Rejected(empty, faults)
    spec = replace(
        _spec(name, stack, config, hashes),
        digest=empty.digest,
        intents={name: one.intent for name, one in intents.items()},
    )
    too_long = overlong_durations(key, spec, config["services"])
    unable = unsupported_features.faults(key, spec, stack, config["services"])
    if faults := [
        *_out_of_reach(key, spec),
        *unable,
        *too_long,
        *short_stop_timeouts(key, stack, config["services"]),
        *intent_reader.faults(path, spec, intents, config["services"]),
    ]:
        raise Rejected(empty, faults)
    if keep is not None:
        spec, place = _keep_rendered(key, spec, place, config, keep)
    checks = {name: one.scenario for name, one in intents.items()}
    networks, volumes = _own(config.get("networks")), _own(config.get("volumes"))
    return Served(spec, place, networks, volumes, intent_checks=checks)


def _keep_rendered(
    key: str, spec: StackSpec, place: ComposeFiles, config: dict[str, Any], directory: Path
) -> tuple[StackSpec, ComposeFiles]:
    """Return the same stack from its rendered copy, in which every variable is replaced."""

    def output(command: Command) -> str:
        return _output(command, key, spec)

    try:
        variables = accepted_files.variables(place, config, directory, output)
    except accepted_files.Unset as unset:
        raise Rejected(spec, [f"{key}.files: {fault}" for fault in unset.faults]) from unset
    stack_secrets.note(place.project, stack_secrets.of_variables(variables))
    if variables:
        identity = json.dumps([spec.digest, variables], sort_keys=True)
        spec = replace(spec, digest=hashlib.sha256(identity.encode()).hexdigest())
    rendered = file_versions.store_rendered(
        directory,
        spec.name,
        spec.digest,
        json.dumps(accepted_files.complete(place, config, output), indent=1),
    )
    rendered_place = replace(
        place,
        files=(str(rendered),),
        env_files=("/dev/null",),
        written=place.files,
        accepted=rendered,
        variables=variables,
    )
    hashes = {name: one.config_hash for name, one in spec.services.items()}
    if different := accepted_files.differences(hashes, _hashes(output(compose.hashes(rendered_place)))):
        named = ", ".join(different)
        raise Rejected(
            spec,
            [f"{key}.files: what is kept of them does not read the same for {named}; report this file"],
        )
    return spec, rendered_place


def _variable_files(place: ComposeFiles) -> list[Path]:
    return [place.directory / name for name in place.env_files or (".env",)]


def _shared_project(key: str, toml: PowerToml, name: StackId) -> Iterator[str]:
    mine = toml.stacks[name]
    for other, stack in toml.stacks.items():
        if other != name and (stack.project, stack.node) == (mine.project, mine.node):
            yield f"{key}.project: {mine.project!r} is served already, as {named_for(name, other)}"


def _missing(key: str, place: ComposeFiles) -> Iterator[str]:
    if why := _no_directory(place.directory) or _unusable(place.directory, os.R_OK | os.X_OK):
        yield f"{key}.directory: {place.directory} {why}"
        return
    for setting, names in {"files": place.files, "env_files": place.env_files}.items():
        for path in (place.directory / name for name in names):
            if why := _unusable(path, os.R_OK):
                yield f"{key}.{setting}: {path} {why}"
            elif not path.is_file():
                yield f"{key}.{setting}: {path} is {'a directory' if path.is_dir() else 'missing'}"
    # Compose reads it by itself, where no other is named.
    beside = place.directory / ".env"
    if not place.env_files and (why := _unusable(beside, os.R_OK)):
        yield f"{key}.files: {beside} {why}, or name another in env_files"


def _no_directory(path: Path) -> str:
    """Why this is no directory; nothing where it is one, or where this user may not know."""
    try:
        return "" if stat.S_ISDIR(path.stat().st_mode) else "is not a directory"
    except FileNotFoundError:
        return "is missing"
    except NotADirectoryError:
        return "is missing: a part of its path is not a directory"
    except OSError:
        return ""


def _unusable(path: Path, wanted: int) -> str:
    """Return why this user cannot read a path; empty if it can, or if nothing is there."""
    try:
        path.stat()
        allowed = os.access(path, wanted)
    except PermissionError:
        allowed = False
    except OSError:
        return ""
    mend = "give it, and the directories above it, to that user or its group, or let all read them"
    return "" if allowed else f"cannot be read by the worker's user {os.geteuid()}: {mend}"


def _output(command: Command, key: str, empty: StackSpec) -> str:
    outcome = compose.run(command, READING)
    if outcome.status is CallStatus.OK:
        return outcome.stdout
    fault = " ".join(outcome.stderr.split()) or f"no answer within {READING:g} s"
    unanswered = outcome.status is CallStatus.TIMEOUT
    raise Rejected(empty, [f"{key}.files: {command}: {fault}"], unanswered=unanswered)


def _hashes(printed: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in printed.splitlines() if line.strip())


def _unknown(key: str, stack: StackToml, services: Mapping[str, Any]) -> Iterator[str]:
    defined = ", ".join(sorted(services))
    named = {"core": stack.core, "allow": stack.allow, "services": list(stack.services)}
    for setting, names in named.items():
        for name in names:
            if name not in services:
                yield f"{key}.{setting}: the compose files have no service {name!r}; they have {defined}"


def _spec(name: StackId, stack: StackToml, config: Mapping[str, Any], hashes: Mapping[str, str]) -> StackSpec:
    services = config["services"]
    awaited = {
        dependency
        for raw in services.values()
        for dependency, how in (raw.get("depends_on") or {}).items()
        if how["condition"] == Condition.COMPLETED
    }
    return StackSpec(
        name=name,
        project=stack.project,
        node=stack.node,
        services={
            service: _service(service, raw, stack, hashes.get(service, ""), oneshot=service in awaited)
            for service, raw in services.items()
        },
        default_ttl=stack.default_ttl,
        max_ttl=stack.max_ttl,
        **stack.model_dump(include={"drift", "grace", "blind", "blind_grace"}),
        address=stack.address or "",
    )


def _service(
    name: str, raw: Mapping[str, Any], stack: StackToml, config_hash: str, *, oneshot: bool
) -> ServiceSpec:
    tuned, depends_on = stack.section_of(name), raw.get("depends_on") or {}
    return ServiceSpec(
        name=name,
        role=_role(name, stack),
        depends_on={other: Condition(how["condition"]) for other, how in depends_on.items()},
        optional=frozenset(other for other, how in depends_on.items() if not how.get("required", True)),
        oneshot=oneshot if tuned.oneshot is None else tuned.oneshot,
        replicas=_replicas(raw),
        image=raw.get("image", f"{stack.project}-{name}"),
        config_hash=config_hash,
        hash_varies=service_files.names_containers(raw),
        up_timeout=tuned.up_timeout,
        stop_timeout=tuned.stop_timeout or grace_of(raw) + STOP_MARGIN,
        ready_timeout=tuned.ready_timeout or healthchecks.ready_timeout(healthcheck_of(raw)),
        ready_timeout_derived=tuned.ready_timeout is None,
        stable_for=tuned.stable_for,
        post_start=bool(raw.get("post_start")),
        shares_with=frozenset(service_files.namespace_owners(raw)),
        pre_stop=bool(raw.get("pre_stop")),
        published=published_ports(raw),
        memory_limit=memory_limit(raw) * _replicas(raw),
        cpu_limit=cpu_limit(raw) * _replicas(raw),
        images=tuple(tuned.images),
    )


def _role(name: str, stack: StackToml) -> Role:
    if name in stack.core:
        return Role.CORE
    return Role.ALLOWED if name in stack.allow else Role.NONE


def _replicas(raw: Mapping[str, Any]) -> int:
    given = (raw.get("deploy") or {}).get("replicas", raw.get("scale"))
    return 1 if given is None else int(given)


def _digest(stack: StackToml, config: Mapping[str, Any], intents: list[Any]) -> str:
    """What a stack is read from, in one word; that of a stack without intents has none in it."""
    identity = json.dumps([stack.model_dump(mode="json"), config, *intents], sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()


def _out_of_reach(key: str, spec: StackSpec) -> Iterator[str]:
    for service, missing in planning.unreachable(spec).items():
        yield f"{key}.allow: {service} needs {', '.join(missing)}, neither core nor allowed; add it to one"


def _own(section: Mapping[str, Any] | None) -> dict[str, str]:
    """What the project itself creates: name in the files to the engine's name."""
    resources = section or {}
    return {name: raw["name"] for name, raw in resources.items() if raw and not raw.get("external")}
