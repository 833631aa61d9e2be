"""A stack for power.toml that the worker would accept, from the compose files of a folder.

The worker's own code reads each draft. A service that it rejects is left out and named with the reason, so
what is written at the end always loads.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from app.domain import compose_services, power_toml_text, proposal_warnings, stack_proposal
from app.domain.enums import Role
from app.domain.power_toml_text import ComposePlace
from app.domain.proposal_warnings import EngineFacts, ProposalFacts
from app.domain.stack_proposal import NothingToPower, Proposal
from app.standalone import compose_project, stack_probes
from app.standalone.compose_project import ComposeOptions, ComposeProject
from app.standalone.stack_probes import NoEngineAnswer
from power_windows.errors import PowerError

_ABOUT_SERVICE = re.compile(r": stacks\.[^:]*: (?:service )?([A-Za-z0-9_][A-Za-z0-9._-]*)[: ]")

_TO_DO = re.compile(r"; [^;]*take it out$")
"""What the worker asks for in a fault, and a draft has done."""


@dataclass(frozen=True)
class DraftOptions:
    """The folder whose project is read, the file to write, and the options of Compose."""

    folder: Path
    output: Path
    compose: ComposeOptions


@dataclass(frozen=True)
class StackDraft:
    """A proposal that the worker accepts, with the text of its file."""

    options: DraftOptions
    project: ComposeProject
    facts: ProposalFacts
    text: str
    engine_fault: str
    """Why the engine could not be asked; empty where it was."""
    read_otherwise: tuple[str, ...] = ()
    """Services that the worker, without the variables of this shell, reads otherwise than Compose here."""

    @property
    def proposal(self) -> Proposal:
        """The roles of the services."""
        return self.facts.proposal


def read_draft(options: DraftOptions, environ: Mapping[str, str]) -> StackDraft:
    """Read the project and propose; raises what `read_project` raises, and PowerError."""
    project = compose_project.read_project(options.folder, options.compose, environ)
    services = compose_services.read_services(project.config)
    engine, engine_fault = _ask_engine(project, services, environ)
    left_out: dict[str, str] = {}
    while True:
        try:
            proposal = stack_proposal.propose(services, project.profiles, left_out)
        except NothingToPower as nothing:
            raise _nothing(nothing) from nothing
        facts = ProposalFacts(project.name, services, proposal, engine)
        draft = StackDraft(options, project, facts, _text(options, project, facts), engine_fault)
        faults, hashes = _check(draft, environ)
        if not faults:
            changed = [name for name, one in hashes.items() if project.hashes.get(name) != one]
            return replace(draft, read_otherwise=tuple(sorted(changed)))
        rejected = {name: why for name, why in _by_service(faults, services).items() if name not in left_out}
        if not rejected:
            raise _rejection(faults)
        left_out |= rejected


def choose_roles(draft: StackDraft, chosen: Mapping[str, Role], environ: Mapping[str, str]) -> StackDraft:
    """The draft with a person's choices; raises PowerError where the worker would reject it."""
    try:
        proposal = stack_proposal.apply_choices(
            draft.facts.services, chosen, draft.proposal, draft.project.profiles
        )
    except NothingToPower as nothing:
        raise _nothing(nothing) from nothing
    facts = replace(draft.facts, proposal=proposal)
    draft = replace(draft, facts=facts, text=_text(draft.options, draft.project, facts))
    if faults := _check(draft, environ)[0]:
        raise _rejection(faults)
    return draft


def _rejection(faults: list[str]) -> PowerError:
    return PowerError("\npower: ".join(["its worker would reject the stack; nothing is written:", *faults]))


def _nothing(nothing: NothingToPower) -> PowerError:
    lines = [f"  {name}: {why}" for name, why in nothing.reasons.items() if why]
    return PowerError("\n".join([str(nothing), *lines]))


def _ask_engine(
    project: ComposeProject,
    services: Mapping[str, compose_services.ComposeService],
    environ: Mapping[str, str],
) -> tuple[EngineFacts | None, str]:
    try:
        images = stack_probes.find_images((one.image_in(project.name) for one in services.values()), environ)
    except NoEngineAnswer as error:
        return None, str(error)
    running, exit_codes = compose_project.read_containers(project, environ)
    return EngineFacts(images, exit_codes, running), ""


def _text(options: DraftOptions, project: ComposeProject, facts: ProposalFacts) -> str:
    beside = options.output.parent.resolve()
    place = ComposePlace(
        project.name,
        os.path.relpath(project.directory.resolve(), beside),
        tuple(_inside(path, project.directory) for path in project.files),
        tuple(_inside(path, project.directory) for path in project.env_files),
    )
    today = date.today().isoformat()  # noqa: DTZ011 - the day of the person who runs it
    return power_toml_text.write_text(place, facts.proposal, facts.possible_one_shots, written_on=today)


def _inside(path: Path, directory: Path) -> str:
    return os.path.relpath(path, directory)


def _check(draft: StackDraft, environ: Mapping[str, str]) -> tuple[list[str], Mapping[str, str]]:
    """What the worker says of the draft: its faults, and the configuration hash of each service."""
    output, name = draft.options.output, power_toml_text.stack_name(draft.project.name)
    with tempfile.TemporaryDirectory(prefix="power-init-") as folder:
        trial = Path(folder, output.name)
        directory = power_toml_text.quote(str(draft.project.directory.resolve()))
        trial.write_text(_with_directory(draft.text, directory), encoding="utf-8")
        reading = stack_probes.read_stack(trial, name, environ)
        return [fault.replace(str(trial), str(output)) for fault in reading.faults], reading.hashes


def _with_directory(text: str, directory: str) -> str:
    """The text with an absolute directory, so that it says the same from any folder."""
    lines = [line for line in text.splitlines() if not line.startswith("directory = ")]
    at = next(number for number, line in enumerate(lines) if line.startswith("project = "))
    return "\n".join([*lines[: at + 1], f"directory = {directory}", *lines[at + 1 :], ""])


def _by_service(faults: list[str], services: Mapping[str, object]) -> dict[str, str]:
    """The faults that are about one service, by its name."""
    matches = ((_ABOUT_SERVICE.search(fault), fault) for fault in faults)
    named = ((match[1], fault[match.end(1) :]) for match, fault in matches if match)
    return {name: _TO_DO.sub("", why).strip(" :") for name, why in named if name in services}


def commands_of_missing_images(draft: StackDraft) -> dict[str, list[str]]:
    """By `build` and `pull`, the services whose image is missing and is to be had in that way."""
    missing, services = draft.facts.missing_images, draft.facts.services
    names_by_command = {
        "build": [name for name in missing if services[name].built],
        "pull": [name for name in missing if not services[name].built],
    }
    return {verb: names for verb, names in names_by_command.items() if names}


def open_example(draft: StackDraft) -> str:
    """An allowed service to open first: one with its images there, that no other service needs."""
    allowed, missing = draft.proposal.names_of(Role.ALLOWED), draft.facts.missing_images
    services = draft.facts.services
    needed = {needed for name in allowed for needed in services[name].requires}

    def rank(name: str) -> tuple[bool, bool, bool, bool]:
        lacks = bool(compose_services.requirements(services, [name]) & missing.keys())
        ends = name in draft.facts.possible_one_shots
        return lacks, ends, name in needed, bool(services[name].profiles)

    return min(allowed, key=rank)


def lines_of_warnings(draft: StackDraft) -> list[str]:
    """What Compose and the compose files give reason to say."""
    return [*draft.project.warnings, *proposal_warnings.warnings(draft.facts)]
