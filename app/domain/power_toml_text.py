"""The text of a new power.toml, with comments that say why each service is where it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.domain import names
from app.domain.enums import Role
from app.domain.stack_proposal import Proposal


@dataclass(frozen=True)
class ComposePlace:
    """Where a Compose project lies, as power.toml names it."""

    project: str
    directory: str
    """Relative to power.toml, or absolute."""
    files: tuple[str, ...]
    """Relative to `directory`, or absolute."""
    env_files: tuple[str, ...] = ()


def stack_name(project: str) -> str:
    """The name of a project's stack: the project's, unless the product reserves that."""
    try:
        return names.require_free(project)
    except ValueError:
        return f"{project}-stack"


def write_text(place: ComposePlace, proposal: Proposal, one_shots: Iterable[str], *, written_on: str) -> str:
    """The whole file; `one_shots` may end by themselves, which the file then says as a comment."""
    return "\n".join([*_head(place, written_on), *_stack(place, proposal), *_one_shots(place, one_shots), ""])


def _head(place: ComposePlace, written_on: str) -> Iterator[str]:
    yield f"# Written by `power init` on {written_on}. After an edit: power check"
    yield "# A running service reads a saved edit by itself. Every key: docs/power-toml.md of Power Windows."
    yield ""
    yield f"[stacks.{stack_name(place.project)}]"


def _stack(place: ComposePlace, proposal: Proposal) -> Iterator[str]:
    yield f"{f'project = {quote(place.project)}':<32} # docker compose -p"
    if place.directory != ".":
        yield f"{f'directory = {quote(place.directory)}':<32} # where compose runs; from this file's folder"
    yield f"{f'files = {_list(place.files)}':<32} # docker compose -f, in this order"
    if place.env_files:
        yield f"{f'env_files = {_list(place.env_files)}':<32} # docker compose --env-file"
    if proposal.profiles:
        yield f"{f'profiles = {_list(proposal.profiles)}':<32} # docker compose --profile"
    yield from _services(proposal, Role.CORE, "core", "Always on: Power Windows never starts or stops these.")
    yield from _services(proposal, Role.ALLOWED, "allow", "Off, until a window powers them.")
    if neither := proposal.names_of(Role.NONE):
        yield from ("", "# In no list, so Power Windows leaves them as they are:")
        yield from (f"#   {_with_reason(name, proposal.reasons[name])}" for name in neither)
    yield ""
    yield from _LIMITS


_LIMITS = (
    'default_ttl = "30m"              # a window without --ttl',
    'max_ttl = "8h"                   # no window is longer',
    'drift = "report"                 # "stop": what is started by hand is stopped after `grace`',
    'grace = "60s"',
)


def _services(proposal: Proposal, role: Role, key: str, meaning: str) -> Iterator[str]:
    yield from ("", f"# {meaning}")
    names_of_role = proposal.names_of(role)
    if not names_of_role:
        yield f"{key} = []"
        return
    yield f"{key} = ["
    for name in names_of_role:
        entry, why = f"    {quote(name)},", proposal.reasons[name]
        yield f"{entry:<32} # {_one_line(why)}" if why else entry
    yield "]"


def _with_reason(name: str, why: str) -> str:
    return _one_line(f"{name}: {why}" if why else name)


def _one_shots(place: ComposePlace, one_shots: Iterable[str]) -> Iterator[str]:
    for name in one_shots:
        key = name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else quote(name)
        yield from (
            "",
            f"# {_one_line(name)} seems to do its work and end. Where that is so, take away the `#`:",
        )
        yield f"# [stacks.{stack_name(place.project)}.services.{key}]"
        yield "# oneshot = true"


def _list(entries: Iterable[str]) -> str:
    return f"[{', '.join(quote(entry) for entry in entries)}]"


def quote(text: str) -> str:
    """The text as a basic string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text)
