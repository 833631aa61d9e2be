"""What a line of a log weighs: the last words of a program that ended, and little of one that runs on."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.diagnosis.conditions import Facts
from app.domain.diagnosis.evidence import from_fields
from app.domain.diagnosis.rules import Diagnosis, diagnose
from app.settings.diagnosis_rules import read_rules

RULES = read_rules().rules
ENDED = {"container.state": "exited", "container.exit_code": 1}
RUNS = {"container.state": "running", "health.status": "unhealthy"}


def best(log: str, **fields: Any) -> Diagnosis:
    given = ENDED | {name.replace("__", "."): value for name, value in fields.items()} | {"log": log}
    return diagnose(Facts.of(from_fields(given)), RULES)[0]


NOISE = {
    "a request that was refused": "GET /admin 403 open /srv/admin: permission denied\nlistening on 8080",
    "a warning that was survived": "WARNING open /etc/extra.conf: no such file, using defaults\nServing",
    "a connection that was retried": "connect ECONNREFUSED 10.0.0.1:1, will retry\nready",
    "words of the application": "user ada: permission denied for report 7\nGET /reports 403",
    "information": "INFO open /etc/app/extra.yaml: no such file or directory\nstarted",
}


@pytest.mark.parametrize("log", NOISE.values(), ids=NOISE.keys())
def test_a_service_that_runs_on_has_survived_what_it_wrote(log: str) -> None:
    diagnoses = diagnose(Facts.of(from_fields(RUNS | {"log": log})), RULES)

    assert [one.cause for one in diagnoses] == ["unknown"]


@pytest.mark.parametrize("log", NOISE.values(), ids=NOISE.keys())
def test_an_end_of_its_own_outweighs_what_was_written_before(log: str) -> None:
    trace = 'Traceback (most recent call last):\n  File "/app.py", line 1\nZeroDivisionError: by zero'

    assert best(f"{log}\n{trace}").cause == "unknown"


def test_what_was_written_long_before_the_end_weighs_less() -> None:
    lines = [
        "open /etc/app.conf: no such file or directory",
        *(f"step {number} done" for number in range(20)),
    ]

    assert best("\n".join(lines)).cause == "unknown"
    assert best(lines[0]).cause == "missing-path"


def test_a_running_service_that_says_it_over_and_over_means_it() -> None:
    log = "\n".join(["connecting", "dial tcp 10.0.0.7:5432: connect: connection refused"] * 5)

    (diagnosis,) = diagnose(Facts.of(from_fields(RUNS | {"log": log})), RULES)

    assert (diagnosis.cause, diagnosis.confidence < 0.9) == ("connection-refused", True)


def test_a_sentence_about_giving_up_hides_nothing() -> None:
    assert (
        best("dial tcp 10.0.0.7:5432: connect: connection refused\nFATAL giving up").cause
        == "connection-refused"
    )


def test_a_chain_of_exceptions_is_followed_to_its_cause() -> None:
    log = (
        "ConnectionRefusedError: [Errno 111] Connection refused\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        "Traceback (most recent call last):\n"
        '  File "/app.py", line 9, in <module>\n'
        "app.errors.StoreError: no store"
    )
    assert best(log).cause == "connection-refused"


def test_several_causes_come_most_specific_first() -> None:
    log = "/entry.sh: line 3: /data/log: Permission denied\nModuleNotFoundError: No module named 'switch'"
    diagnoses = diagnose(Facts.of(from_fields(ENDED | {"log": log})), RULES)

    assert diagnoses[0].cause == "missing-module"


def test_memory_outranks_whatever_the_log_says() -> None:
    killed = {"container__oom_killed": True, "container__exit_code": 137}

    assert best("open /etc/app.conf: no such file or directory", **killed).cause == "out-of-memory"


def test_a_variable_that_is_set_is_not_called_missing() -> None:
    log = "API_URL must be set to a https address"

    assert best(log).cause == "missing-variable"
    assert best(log, container__variables=["API_URL"]).cause != "missing-variable"


@pytest.mark.parametrize("log", ["", "boom", "Error: something went wrong", "Killed by policy 7", "exit"])
def test_what_no_rule_knows_is_unknown(log: str) -> None:
    assert best(log).cause == "unknown"


def test_a_healthy_service_has_no_cause() -> None:
    well = {"container.state": "running", "health.status": "healthy", "log": "listening on 8080"}

    assert not diagnose(Facts.of(from_fields(well)), RULES)[0].is_known
