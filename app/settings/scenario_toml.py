"""Scenario files, checked by Pydantic and frozen into one `Scenario` value.

The command reads a file and the web server reads the same document as JSON, so both check it here.
Every fault becomes one line that names the source, the step and the key, and says what would be right.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ValidationError,
)

from app.domain import scenarios
from app.domain.scenarios import CHECK_TYPES, Check, CheckKind, ExecCheck, Scenario, ScenarioStep
from app.settings.errors import ConfigError
from app.settings.scenario_tables import CHECK_TABLES, ScenarioToml, StepToml

LARGEST_SCENARIO = 48 * 1024
"""Bytes of a scenario file, at most; a request's body holds 64 KiB."""


def read_scenario(path: Path) -> dict[str, Any]:
    """Read and check a scenario file; return its document, with the certificates it names in their places.

    Raises ConfigError with one line per fault.
    """
    document = load_document(path)
    inline_certificates(path, document)
    parse_scenario(document, str(path))
    return document


def load_document(path: Path) -> dict[str, Any]:
    """The tables of a scenario file as they are written; raises ConfigError where it is not TOML."""
    try:
        raw = path.read_bytes()
        if len(raw) > LARGEST_SCENARIO:
            raise ConfigError([f"{path}: is over {LARGEST_SCENARIO} bytes"])
        return tomllib.loads(raw.decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from error


def inline_certificates(path: Path, document: dict[str, Any]) -> None:
    """Put the text of each `ca` file in the place of its path, which is relative to the scenario."""
    steps = document.get("steps")
    for name, step in steps.items() if isinstance(steps, dict) else ():
        http = step.get("http") if isinstance(step, dict) else None
        if not isinstance(http, dict):
            continue
        named = http.get("ca")
        if not isinstance(named, str) or "-----BEGIN" in named:
            continue
        try:
            http["ca"] = (path.absolute().parent / named).read_text()
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise ConfigError([f"{path}: steps.{name}.http.ca: cannot be read: {error}"]) from error


def parse_scenario(document: Any, source: str) -> Scenario:
    """The scenario that a document describes; raises ConfigError, with `source` before each fault."""
    try:
        read = ScenarioToml.model_validate(document)
    except ValidationError as error:
        lines = [*(_line(fault) for fault in error.errors()), *_unknown_steps(_written_needs(document))]
        raise ConfigError([f"{source}: {line}" for line in lines]) from error
    except RecursionError as error:
        raise ConfigError([f"{source}: is nested too deeply"]) from error
    faults = _faults(read)
    if faults:
        raise ConfigError([f"{source}: {one}" for one in faults])
    steps = {name: _step(name, step) for name, step in read.steps.items()}
    return Scenario(read.name, tuple(read.services), steps, read.stack, read.ttl, read.fresh, read.images)


def _faults(read: ScenarioToml) -> list[str]:
    """What no single value shows: checks, names of other steps, cycles."""
    faults = []
    for name, step in read.steps.items():
        kinds = _kinds(step)
        if len(kinds) != 1:
            has = f"has {' and '.join(kinds)}" if kinds else "has no check"
            faults.append(f"steps.{name}: {has}; write one of {', '.join(CheckKind)}")
        if step.every < scenarios.SHORTEST_PAUSE:
            faults.append(f"steps.{name}.every: is too short; at least {scenarios.SHORTEST_PAUSE:g} s")
    faults += _unknown_steps({name: step.depends_on for name, step in read.steps.items()})
    cycle = scenarios.find_cycle({name: step.depends_on for name, step in read.steps.items()})
    if cycle:
        faults.append(f"steps.{cycle[0]}.depends_on: is a cycle: {' -> '.join(cycle)}")
    return faults


def _unknown_steps(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """A fault for each step that another one, its key here, depends on and that is not there."""
    return [
        f"steps.{name}.depends_on: {other!r} is no step{scenarios.suggestion(other, needs)}"
        for name, others in needs.items()
        for other in others
        if other not in needs
    ]


def _written_needs(document: Any) -> dict[str, list[str]]:
    """The `depends_on` of each step of a document that may have any fault; what is no name is left out."""
    steps = document.get("steps") if isinstance(document, dict) else None
    needs = {
        str(name): step.get("depends_on") if isinstance(step, dict) else None
        for name, step in (steps.items() if isinstance(steps, dict) else ())
    }
    return {
        name: [other for other in others if isinstance(other, str)] if isinstance(others, list) else []
        for name, others in needs.items()
    }


def _kinds(step: StepToml) -> list[CheckKind]:
    return [kind for kind in CheckKind if getattr(step, kind) is not None]


def _step(name: str, step: StepToml) -> ScenarioStep:
    [kind] = _kinds(step)
    given = getattr(step, kind).model_dump(by_alias=True)
    if "argv" in given:
        given["argv"] = tuple(given["argv"])
    check = CHECK_TYPES[kind](**given)
    return ScenarioStep(
        name, kind, check, step.retries, step.every, step.timeout, tuple(dict.fromkeys(step.depends_on))
    )


def as_document(scenario: Scenario) -> dict[str, Any]:
    """The scenario as plain values that `parse_scenario` reads, with every default in it."""
    steps = {
        step.name: {
            str(step.kind): _plain_check(step.check),
            "retries": step.retries,
            "every": step.every,
            "timeout": step.timeout,
            "depends_on": list(step.depends_on),
        }
        for step in scenario.steps.values()
    }
    plain = {"name": scenario.name, "services": list(scenario.services), "fresh": scenario.fresh}
    plain |= {"images": dict(scenario.images)} if scenario.images else {}
    chosen = {"stack": scenario.stack, "ttl": scenario.ttl}
    return {**plain, **{name: value for name, value in chosen.items() if value is not None}, "steps": steps}


def _plain_check(check: Check) -> dict[str, Any]:
    plain = {name: value for name, value in asdict(check).items() if value is not None}
    return plain | {"argv": list(check.argv)} if isinstance(check, ExecCheck) else plain


def _line(fault: Any) -> str:
    parts = [part for part in fault["loc"] if part != "[key]"]
    where = ".".join(str(part) for part in parts if not isinstance(part, int)) or "the document"
    if fault["type"] == "extra_forbidden":
        allowed = _known_keys(parts[:-1])
        return f"{where}: is not a key here{scenarios.suggestion(str(parts[-1]), allowed)}"
    if fault["type"] == "missing":
        return f"{where}: is missing"
    entry = f"{str(fault['input'])[:80]!r}: " if parts and isinstance(parts[-1], int) else ""
    return f"{where}: {entry}{fault['msg'].removeprefix('Value error, ')}"


def _known_keys(above: list[Any]) -> set[str]:
    """The keys of the table at this place of a document."""
    if not above:
        return set(ScenarioToml.model_fields)
    model: type[BaseModel] = StepToml if len(above) == 2 else CHECK_TABLES.get(above[-1], StepToml)
    return {field.alias or name for name, field in model.model_fields.items()}
