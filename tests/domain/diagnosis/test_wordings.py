"""Wordings of common runtimes and servers, each with its cause; and ends that no rule may claim to know."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.domain.diagnosis.conditions import Facts
from app.domain.diagnosis.evidence import from_fields
from app.domain.diagnosis.rules import diagnose
from app.settings.diagnosis_rules import read_rules
from tests.domain.diagnosis.configuration_wordings import CONFIGURATION_WORDINGS
from tests.domain.diagnosis.server_wordings import SERVER_WORDINGS
from tests.domain.diagnosis.system_wordings import SYSTEM_WORDINGS
from tests.domain.diagnosis.unexplained_wordings import UNEXPLAINED_WORDINGS

RULES = read_rules().rules
ENDED = {"container.state": "exited", "container.exit_code": 1}

WORDINGS = [*SYSTEM_WORDINGS, *CONFIGURATION_WORDINGS, *SERVER_WORDINGS, *UNEXPLAINED_WORDINGS]

OF_THE_APPLICATION = (
    "ConflictError: version mismatch for order 7",
    "route /api/v2/orders does not exist",
    "OSError: [Errno 22] Invalid argument",
    "KeyError: 'ORDER_ID'",
    "invalid value in line 7 of the report",
)


@pytest.mark.parametrize("log", OF_THE_APPLICATION)
def test_words_of_the_application_are_no_cause(log: str) -> None:
    assert not diagnose(Facts.of(from_fields(ENDED | {"log": log})), RULES)[0].is_known


@pytest.mark.parametrize(("cause", "log", "fields"), WORDINGS)
def test_a_wording_has_its_cause(cause: str, log: str, fields: dict[str, Any]) -> None:
    best = diagnose(Facts.of(from_fields(ENDED | fields | {"log": log})), RULES)[0]

    assert best.cause == cause, best


PROGRAMS = [
    case
    for name in ("failing_programs.toml", "quoted_errors.toml")
    for case in tomllib.loads(Path(__file__).with_name(name).read_text())["case"]
]


@pytest.mark.parametrize("case", PROGRAMS, ids=[one["name"] for one in PROGRAMS])
def test_a_failing_program_has_its_cause_and_no_false_one(case: dict[str, Any]) -> None:
    fields = {name: value for name, value in case.items() if name not in {"name", "cause"}}
    best = diagnose(Facts.of(from_fields(ENDED | fields)), RULES)[0]

    assert best.cause in case["cause"], best
