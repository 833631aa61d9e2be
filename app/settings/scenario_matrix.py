"""The `[matrix]` table of a scenario file: its combinations, each a scenario document of its own.

The server knows no matrix. The command expands one here and starts one run after another. `${KEY}` in any
string value of a file that has the table is replaced by the combination's value; `$${` stands for `${`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.domain.scenarios import suggestion
from app.settings.errors import ConfigError
from app.settings.scenario_toml import inline_certificates, load_document, parse_scenario
from app.settings.toml_values import ImageReference, ServiceName

MOST_COMBINATIONS = 100
"""Combinations of one matrix, at most."""
LONGEST_MATRIX_VALUE = 200
"""Characters of one value, at most."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must have no control character")
    return text


MatrixValue = Annotated[str, Field(max_length=LONGEST_MATRIX_VALUE), AfterValidator(_printable)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=60)]
ServiceList = Annotated[list[ServiceName], Field(min_length=1)]
ImageList = Annotated[list[ImageReference], Field(min_length=1)]
ValueList = Annotated[list[MatrixValue], Field(min_length=1)]


class MatrixToml(BaseModel):
    """`[matrix]`: every list of services with every choice of images and of the variables' values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    services: list[ServiceList] | None = Field(default=None, min_length=1)
    variables: dict[VariableName, ValueList] = {}
    images: dict[ServiceName, ImageList] = {}

    @field_validator("services")
    @classmethod
    def _distinct_services(cls, lists: list[list[str]] | None) -> list[list[str]] | None:
        if lists and len({tuple(sorted(one)) for one in lists}) < len(lists):
            raise ValueError("names the same services twice")
        return lists

    @field_validator("variables", "images")
    @classmethod
    def _distinct_values(cls, variables: dict[str, list[str]]) -> dict[str, list[str]]:
        for name, values in variables.items():
            if len(set(values)) < len(values):
                raise ValueError(f"{name} has the same value twice")
        return variables


@dataclass(frozen=True, slots=True)
class Combination:
    """One combination of a matrix, and the document that the server runs for it."""

    label: str
    """`web db, KEY=a`; without a matrix the scenario's name."""
    document: Mapping[str, Any]
    services: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A scenario file with its combinations: one where it has no `[matrix]`."""

    name: str
    """Of the file, with `${KEY}` as `KEY`."""
    combinations: Sequence[Combination]
    has_matrix: bool


def read_scenario_file(path: Path) -> ScenarioFile:
    """Read a scenario file and check every combination; raises ConfigError with one line per fault."""
    document = load_document(path)
    has_matrix = "matrix" in document
    table = document.pop("matrix", {})
    inline_certificates(path, document)
    if not has_matrix:
        scenario = parse_scenario(document, str(path))
        only = Combination(scenario.name, document, scenario.services)
        return ScenarioFile(scenario.name, [only], has_matrix)
    combinations = expand_matrix(document, table, str(path))
    name = re.sub(r"\$\{(\w+)\}", r"\1", str(document["name"]))
    return ScenarioFile(name, combinations, has_matrix)


def expand_matrix(document: Mapping[str, Any], table: Any, source: str) -> list[Combination]:
    """Every combination of a `[matrix]` table, in the order of the file; raises ConfigError."""
    matrix = _parse_matrix(table, source)
    if unknown := list(_unknown_variables(document, matrix.variables, "")):
        raise ConfigError([f"{source}: {one}" for one in unknown])
    lists: list[list[str] | None] = [*matrix.services] if matrix.services else [None]
    choices = (*matrix.images.values(), *matrix.variables.values())
    count = len(lists) * math.prod(len(values) for values in choices)
    if count > MOST_COMBINATIONS:
        raise ConfigError([f"{source}: matrix: has {count} combinations; at most {MOST_COMBINATIONS}"])
    faults: list[str] = []
    combinations = []
    images = _choices(matrix.images)
    for services, images_of, chosen in itertools.product(lists, images, _choices(matrix.variables)):
        try:
            combinations.append(_combine(document, services, images_of, chosen, source))
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(faults)
    return combinations


def _parse_matrix(table: Any, source: str) -> MatrixToml:
    try:
        return MatrixToml.model_validate(table)
    except ValidationError as error:
        raise ConfigError([f"{source}: {_matrix_fault(fault)}" for fault in error.errors()]) from error


def _matrix_fault(fault: Any) -> str:
    where = ".".join(["matrix", *(str(part) for part in fault["loc"] if part != "[key]")])
    if fault["type"] == "extra_forbidden":
        return f"{where}: is not a key here{suggestion(str(fault['loc'][-1]), MatrixToml.model_fields)}"
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}"


def _choices(values: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Every choice of one value for each key, in the order of the file."""
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def _combine(
    document: Mapping[str, Any],
    services: list[str] | None,
    images: Mapping[str, str],
    variables: Mapping[str, str],
    source: str,
) -> Combination:
    chosen = _substitute(deepcopy(dict(document)), variables)
    if services is not None:
        chosen["services"] = list(services)
    if images:
        chosen["images"] = {**chosen.get("images", {}), **images}
    assigned = [f"{name}={value}" for name, value in {**images, **variables}.items()]
    label = ", ".join([*([" ".join(services)] if services else []), *assigned])
    scenario = parse_scenario(chosen, f"{source} ({label})" if label else source)
    return Combination(label or scenario.name, chosen, scenario.services, variables)


_PLACE = re.compile(r"\$\$\{|\$\{([^}]*)\}")


def _substitute(value: Any, variables: Mapping[str, str]) -> Any:
    """The same value with `${KEY}` replaced in each string; keys of tables stay."""
    if isinstance(value, str):
        return _PLACE.sub(lambda place: "${" if place[1] is None else variables[place[1]], value)
    if isinstance(value, list):
        return [_substitute(one, variables) for one in value]
    if isinstance(value, dict):
        return {name: _substitute(one, variables) for name, one in value.items()}
    return value


def _unknown_variables(value: Any, keys: Mapping[str, Any], where: str) -> Iterator[str]:
    """A line for each `${KEY}` that the matrix does not have, with its place in the document."""
    if isinstance(value, str):
        for place in _PLACE.finditer(value):
            if place[1] is not None and place[1] not in keys:
                yield f"{where}: ${{{place[1]}}} is no variable of the matrix{suggestion(place[1], keys)}"
    inside = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for name, one in inside:
        yield from _unknown_variables(one, keys, f"{where}.{name}" if where else str(name))
