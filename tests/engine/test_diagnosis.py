"""Services that fail for a known reason, on real containers: the diagnosis names it, or says "unknown"."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from app.store.tables import Diagnosis
from tests.engine.failing_services import CASES, FailingCase
from tests.engine.stacks import Stack, docker, python, running, until


def newest(stack: Stack, service: str = "web") -> Diagnosis | None:
    with stack.database.read() as session:
        rows = session.scalars(select(Diagnosis).where(Diagnosis.service == service).order_by(Diagnosis.id))
        return next(iter(list(rows)[-1:]), None)


def causes(stack: Stack, service: str = "web") -> list[str]:
    with stack.database.read() as session:
        rows = list(
            session.scalars(select(Diagnosis).where(Diagnosis.service == service).order_by(Diagnosis.id))
        )
    return [one["cause"] for one in rows[-1].causes] if rows else []


def opened(stack: Stack, case: FailingCase) -> str:
    stack.write(case.services, tuned={"web": {"ready_timeout": "15s"}})
    stack.define(case.services, **case.more)
    if case.before:
        case.before(stack)
    stack.begin()
    return stack.open(*case.opens)


@pytest.mark.parametrize("name", CASES)
def test_the_cause_is_named(stack: Stack, name: str) -> None:
    case = CASES[name](stack)
    window = opened(stack, case)
    if case.after:
        stack.opened(window)
        case.after(stack)
    if case.closes:
        stack.opened(window)
        stack.close(window)

    until(lambda: causes(stack)[:1] == [case.cause], f"{case.cause} is found, not {causes(stack)}", 60, stack)
    row = newest(stack)
    assert row
    best = row.causes[0]
    assert case.title in best["title"]
    assert best["rule"]
    assert best["evidence"]
    assert row.window_id == window
    if case.patch:
        assert best["patch"]["file"] == case.patch


NOISE = (
    "print('open /etc/extra.conf: no such file or directory, using defaults', flush=True)\n"
    "print('GET /admin 403 PermissionError: [Errno 13] Permission denied: /srv/admin', flush=True)\n"
    "print('connect ECONNREFUSED 10.0.0.1:1, will retry', flush=True)\n"
)


def test_a_service_that_runs_is_not_diagnosed(stack: Stack) -> None:
    stack.write({"web": python(f"{NOISE}signal.pause()")}).begin()

    window = stack.open("web")
    stack.opened(window)
    stack.close(window)
    stack.closed(window)

    assert newest(stack) is None


@pytest.mark.parametrize(
    "code",
    [
        f"{NOISE}sys.exit(3)",
        f"{NOISE}raise RuntimeError('the frobnicator is not aligned')",
        "sys.exit(7)",
        "print('error: quota of the upstream is used up', flush=True); sys.exit(1)",
    ],
    ids=["noise", "own-exception", "silent", "own-words"],
)
def test_what_no_rule_knows_is_unknown(stack: Stack, code: str) -> None:
    stack.write({"web": python(code)}).begin()
    stack.closed(stack.open("web"))

    until(lambda: causes(stack), "it is diagnosed", 10, stack)
    time.sleep(1.5)
    assert causes(stack) == ["unknown"]


def test_an_unhealthy_service_that_only_wrote_alarming_words_has_no_false_cause(stack: Stack) -> None:
    check = {"test": ["CMD", "python3", "-c", "raise SystemExit(1)"], "interval": "300ms", "retries": 2}
    stack.write({"web": python(f"{NOISE}signal.pause()", healthcheck=check)}).begin()
    stack.closed(stack.open("web"))

    until(lambda: causes(stack), "it is diagnosed", 10, stack)
    assert not {"permission", "missing-path", "connection-refused"} & set(causes(stack))


def test_the_most_specific_of_several_causes_comes_first(stack: Stack) -> None:
    code = "sys.stderr.write('/entry.sh: line 3: /data/log: Permission denied\\n')\nimport switch"
    stack.write({"web": python(code)}).begin()
    stack.open("web")

    until(lambda: causes(stack)[:1] == ["missing-module"], "the module comes first", 10, stack)


def test_a_stack_whose_env_file_is_missing_is_diagnosed(stack: Stack) -> None:
    stack.write({"web": running(env_file=["web.env"])}).begin()

    until(lambda: causes(stack, "")[:1] == ["missing-file"], "the env_file is named", 10, stack)
    row = newest(stack, "")
    assert row
    assert "web.env" in row.causes[0]["title"]


def test_no_value_of_a_variable_is_stored(stack: Stack) -> None:
    secret = "correct-horse-battery"
    code = "raise RuntimeError('API_TOKEN: ' + os.environ['API_TOKEN'] + ' was refused')"
    stack.write({"web": python(code, environment={"API_TOKEN": secret, "PLAIN": "also-not-shown"})}).begin()
    stack.open("web")

    until(lambda: causes(stack), "it is diagnosed", 10, stack)
    row = newest(stack)
    assert row
    assert secret not in str(row.causes)
    assert "also-not-shown" not in str(row.causes)


def test_a_crash_loop_is_diagnosed_from_its_last_run(stack: Stack) -> None:
    stack.write({"web": python("import switch", restart="always")}).begin()
    stack.open("web")

    until(lambda: causes(stack)[:1] == ["missing-module"], "the module is named", 20, stack)


def test_a_service_that_recovers_shows_that_its_start_period_was_too_short(stack: Stack) -> None:
    check = {
        "test": ["CMD", "python3", "-c", "import os; os.stat('/tmp/well')"],
        "interval": "300ms",
        "retries": 2,
        "start_period": "0s",
    }
    slow = python("time.sleep(4); open('/tmp/well', 'w').close(); signal.pause()", healthcheck=check)
    stack.write({"web": slow, "other": running()}).begin()
    stack.open("web", "other")

    def recovered() -> bool:
        row = newest(stack)
        return bool(row and row.causes[0]["rule"] == "start-period-recovered")

    until(recovered, "the recovery is on record", 20, stack)


def test_a_rule_of_the_operator_speaks_once_its_file_is_there(stack: Stack) -> None:
    rule = (
        '[[rule]]\nname = "own-quota"\ncause = "quota"\nconfidence = 0.9\n'
        'title = "Quota {what} is used up"\n'
        'suggestion = "Buy more."\n'
        'when = [{ field = "log", matches = "quota of (?P<what>\\\\w+) is used up" }]\n'
    )
    stack.write({"web": python("print('quota of mail is used up', flush=True); sys.exit(1)")}).begin()
    stack.closed(stack.open("web"))
    until(lambda: causes(stack) == ["unknown"], "no rule knows it", 10, stack)

    (stack.directory / "diagnosis.d").mkdir()
    (stack.directory / "diagnosis.d" / "ours.toml").write_text(rule)
    (stack.directory / "diagnosis.d" / "broken.toml").write_text("[[rule]]\nname = 1\n")
    stack.open("web")

    until(lambda: causes(stack) == ["quota"], "the own rule speaks", 10, stack)


def test_a_service_that_a_person_stopped_is_said_to_be_stopped(stack: Stack) -> None:
    stack.write({"web": running(), "other": running()}).begin()
    stack.opened(stack.open("web", "other"))

    docker("stop", "-t", "5", *stack.ids("web"))

    until(lambda: causes(stack)[:1] == ["killed"], "the stop is named", 20, stack)
    row = newest(stack)
    assert row
    assert "signal 15" in row.causes[0]["title"]
    assert "exits-0" not in causes(stack)
