"""Checks of power.toml, of the compose files of each stack, and of the images that they name."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from app import settings
from app.cli import project_names, service_checks
from app.cli.findings import Finding
from app.domain.stack_id import StackId
from app.host import file_permissions
from app.settings import ConfigError, Settings, StackToml, diagnosis_rules
from app.standalone import stack_probes
from app.standalone.stack_probes import NoEngineAnswer, StackReading


def check_stacks(server_settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The findings about power.toml, and about every stack of this node as the worker would read it.

    An image that the engine lacks is a warning: the service runs, and windows on that service fail.
    """
    try:
        toml = settings.read_power_toml(server_settings.config)
    except ConfigError as error:
        verb = "correct" if server_settings.config.is_file() else "write"
        mend = f"{verb} {server_settings.config}, or name another with --config or POWER_CONFIG"
        yield from (Finding("stacks", False, fault, mend) for fault in error.faults)
        return
    mend = f"correct {server_settings.config}"
    yield from (Finding("stacks", False, fault, mend) for fault in toml.set_apart_faults)
    for fault in diagnosis_rules.read_rules(server_settings.config.parent).faults:
        yield Finding("rules", False, fault, f"correct that file in {diagnosis_rules.USER_FOLDER}")
    own_stacks = toml.on_node(server_settings.node)
    for name, stack in own_stacks.items():
        reading = stack_probes.read_stack(server_settings.config, name, environ)
        yield from _stack(server_settings, name, stack, reading)
        builders = {
            service: word for word, one in toml.intents_of(name).items() for service in one.intent.build
        }
        yield from _images(name, stack, reading, environ, builders)
    yield from _warnings_about_files(server_settings.config, own_stacks.values())
    for name in sorted(toml.stacks.keys() - own_stacks.keys()):
        yield Finding("stacks", True, f"{name} is for node {toml.stacks[name].node}, to be checked there")


def _stack(
    server_settings: Settings, name: StackId, stack: StackToml, reading: StackReading
) -> Iterator[Finding]:
    if not reading.faults:
        yield Finding("stacks", True, f"{name} ({server_settings.config})")
    elif name in service_checks.stacks_in_force(server_settings):
        refused = f"{name}: a change is refused, the earlier definition stays in force"
        yield from (
            Finding("stacks", False, f"{refused}: {fault}", "correct the file it names")
            for fault in reading.faults
        )
    else:
        yield from (
            Finding("stacks", False, f"{name} is REJECTED: {fault}", "correct the file it names")
            for fault in reading.faults
        )
    yield from _warnings(project_names.warnings(name, stack))


def _images(
    name: str,
    stack: StackToml,
    reading: StackReading,
    environ: Mapping[str, str],
    builders: Mapping[str, str],
) -> Iterator[Finding]:
    """Findings for the images that the engine lacks; none where it has all, or does not answer.

    `builders` has the intent that builds a service's image, by the service.
    """
    try:
        present = stack_probes.find_images(reading.images.values(), environ)
    except NoEngineAnswer:
        return
    missing = {service: image for service, image in reading.images.items() if image not in present}
    for service in sorted(missing.keys() & builders.keys()):
        image = missing.pop(service)
        detail = f"{name}: {image} ({service}) is not on this engine yet; built by intent {builders[service]}"
        yield Finding("images", True, detail)
    if not missing:
        return
    listed = ", ".join(f"{image} ({service})" for service, image in missing.items())
    detail = f"{name}: missing on this engine, so that windows fail: {listed}"
    yield Finding("images", True, detail, "; ".join(image_commands(stack, missing, reading.built)))


def _warnings_about_files(config: Path, stacks: Iterable[StackToml]) -> Iterator[Finding]:
    paths = [path for one in stacks for path in one.paths()]
    yield from _warnings(file_permissions.warnings([config, *paths]))


def _warnings(lines: list[str]) -> Iterator[Finding]:
    """Lines of the form `what; mend`, none of which keeps a stack from being served."""
    for line in lines:
        detail, _sign, mend = line.partition("; ")
        yield Finding("stacks", True, detail, mend)


def image_commands(stack: StackToml, services: Mapping[str, str], built: frozenset[str]) -> list[str]:
    """The command lines that build and pull the images of these services."""
    wanted = {
        "build": [service for service in services if service in built],
        "pull": [service for service in services if service not in built],
    }
    return [shlex.join([*compose_words(stack), verb, *names]) for verb, names in wanted.items() if names]


def compose_words(stack: StackToml) -> list[str]:
    """The beginning of a `docker compose` command line on this stack, as a person types it in any folder."""
    return [
        "docker", "compose", "-p", stack.project, "--project-directory", str(stack.directory),
        *_with_flag("-f", [str(stack.directory / name) for name in stack.files]),
        *_with_flag("--env-file", [str(stack.directory / name) for name in stack.env_files]),
    ]  # fmt: skip


def _with_flag(flag: str, values: list[str]) -> list[str]:
    return [word for value in values for word in (flag, value)]
