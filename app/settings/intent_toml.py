"""`[intents.NAME]` of power.toml: what it may have, and what it means for its stack.

Its checks are the steps of a scenario and are read by the same code. What only the compose files tell,
such as whether a service can be built, is checked by the stack's worker.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.domain import durations, scenarios
from app.domain.intents import BUILD_TIMEOUT, Approval, Intent
from app.domain.scenarios import Scenario
from app.domain.stack_id import StackId
from app.domain.untrusted_text import require_storable
from app.settings.errors import ConfigError
from app.settings.scenario_tables import StepName
from app.settings.scenario_toml import inline_certificates, parse_scenario
from app.settings.toml_values import CallSeconds, QualifiedName, Seconds, ServiceName

if TYPE_CHECKING:
    from app.settings.power_toml import PowerToml, StackToml

IntentName = StepName


def _require_approval(value: Any) -> Any:
    if not isinstance(value, bool) and value != Approval.OTHER:
        raise ValueError(f'{value!r} is none of true, false and "other"')
    return value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IntentToml(_Strict):
    """`[intents.NAME]`. Times are seconds."""

    description: Annotated[str, Field(max_length=300), AfterValidator(require_storable)] = ""
    stack: QualifiedName | None = None
    services: list[ServiceName] = Field(min_length=1, max_length=500)
    ttl: Seconds | None = None
    reason: Annotated[str, Field(max_length=500), AfterValidator(require_storable)] | None = None
    checks: dict[str, Any] = {}
    build: list[ServiceName] = Field(default=[], max_length=100)
    build_timeout: CallSeconds = BUILD_TIMEOUT
    approval: Annotated[bool | Literal["other"], BeforeValidator(_require_approval)] = False

    @property
    def approver(self) -> Approval:
        """Who has to approve a request."""
        if isinstance(self.approval, bool):
            return Approval.PERSON if self.approval else Approval.NONE
        return Approval.OTHER


@dataclass(frozen=True, slots=True)
class WrittenIntent:
    """An intent as power.toml has it, with its checks whole: these may hold secrets and leave no worker."""

    stack: StackId
    intent: Intent
    scenario: Scenario


def read_intents(
    path: Path, tables: Mapping[str, IntentToml], toml: PowerToml
) -> tuple[dict[str, WrittenIntent], list[str]]:
    """The intents by name, and one line for each fault. Intents of what is set apart are left out.

    Of `toml` the stacks are read, and what is set apart.
    """
    intents, faults, stacks = dict[str, WrittenIntent](), list[str](), toml.stacks
    for name, table in tables.items():
        key = f"{path}: intents.{name}"
        stack = _stack_of(table, {*stacks, *toml.rejected})
        if stack is not None and toml.sets_apart(stack):
            continue
        if stack is None or stack not in stacks:
            faults.append(f"{key}.stack: {_stack_fault(stack, stacks)}")
            continue
        try:
            scenario = _read_checks(path, name, table)
        except ConfigError as error:
            faults += error.faults
            continue
        faults += [f"{key}.{fault}" for fault in _faults(table, stack, stacks[stack])]
        intents[name] = WrittenIntent(stack, _intent(name, table, scenario), scenario)
    return intents, faults


def _stack_of(table: IntentToml, known: Collection[StackId]) -> StackId | None:
    """The stack that an intent names, or the only one that there is."""
    if table.stack is not None:
        return StackId(table.stack)
    return next(iter(known)) if len(known) == 1 else None


def _stack_fault(stack: StackId | None, stacks: Collection[StackId]) -> str:
    if stack is None:
        return f"is missing; there is {', '.join(sorted(stacks))}"
    return f"{stack!r} is no stack of this file{scenarios.suggestion(stack, stacks)}"


def _faults(table: IntentToml, name: str, stack: StackToml) -> Iterator[str]:
    for key, services in {"services": table.services, "build": table.build}.items():
        for service in services:
            if service in stack.core:
                yield f"{key}: {service!r} is core of stack {name}, which is never powered"
            elif service not in stack.allow:
                guess = scenarios.suggestion(service, stack.allow)
                yield f"{key}: {service!r} is not in `allow` of stack {name}{guess}"
    if table.ttl is not None and table.ttl > stack.max_ttl:
        longest = durations.show(stack.max_ttl)
        yield f"ttl: {durations.show(table.ttl)} is over max_ttl of stack {name}, {longest}"


def _read_checks(path: Path, name: str, table: IntentToml) -> Scenario:
    """The checks as a scenario; raises ConfigError, whose lines name the intent."""
    checks = {key: _copy(value) for key, value in table.checks.items()}
    document = {"name": name, "services": table.services, "steps": checks}
    try:
        inline_certificates(path, document)
        return parse_scenario(document, str(path))
    except ConfigError as error:
        steps, ours = f"{path}: steps.", f"{path}: intents.{name}.checks."
        raise ConfigError([line.replace(steps, ours, 1) for line in error.faults]) from error


def _copy(value: Any) -> Any:
    return {key: _copy(one) for key, one in value.items()} if isinstance(value, dict) else value


def _intent(name: str, table: IntentToml, scenario: Scenario) -> Intent:
    checks = tuple(
        {
            "name": step.name,
            "kind": str(step.kind),
            "check": scenarios.describe_check(step.check)[:300],
            "depends_on": list(step.depends_on),
        }
        for step in scenario.steps.values()
    )
    return Intent(
        name,
        tuple(dict.fromkeys(table.services)),
        table.description,
        table.ttl,
        table.reason,
        checks,
        tuple(dict.fromkeys(table.build)),
        table.build_timeout,
        table.approver,
    )
