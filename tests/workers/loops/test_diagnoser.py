"""The diagnosing loop: a service that cannot be read stops no other, and what is known is not given up."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from app.domain.diagnosis.evidence import Evidence, from_fields
from app.domain.enums import Loop
from app.domain.stack_id import StackId
from app.settings import diagnosis_rules
from app.store import diagnoses
from tests.deadline import until
from tests.system import System
from workers.engine.client import Engine
from workers.engine.negotiation import EngineRefused
from workers.loops import diagnoser
from workers.loops.diagnoser import Diagnoser, RuleFiles
from workers.reconcile import evidence
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext
from workers.state.diagnosis_queue import DiagnosisRequest
from workers.state.identity import Identity

MODULE = {
    "container.state": "exited",
    "container.exit_code": 1,
    "log": "ModuleNotFoundError: No module named 'x'",
}


@dataclass
class Collected:
    """What is collected, by service: a mapping of fields, or an error that is raised."""

    by_service: dict[str, dict[str, Any] | Exception] = field(default_factory=dict)

    def __call__(self, _context: WorkerContext, _served: Served, request: DiagnosisRequest) -> Evidence:
        fields = self.by_service[request.service]
        if isinstance(fields, Exception):
            raise fields
        return from_fields({"stack": request.stack, "service": request.service, **fields})


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Collected:
    collected = Collected()
    monkeypatch.setattr(evidence, "collect_evidence", collected)
    monkeypatch.setattr(diagnoser, "_LATER", 0.0)
    return collected


@pytest.fixture
def context(system: System, tmp_path: Path) -> WorkerContext:
    me = Identity(tmp_path / "locks", "local")
    worker_context = WorkerContext(system.database, cast(Engine, None), me, "local", tmp_path / "locks")
    worker_context.stacks[StackId("studio")] = Served(system.spec)
    return worker_context


def causes(system: System, service: str) -> list[str]:
    with system.database.read() as session:
        row = diagnoses.newest(session, StackId("studio"), [service]).get(service)
        return [one["cause"] for one in row.causes] if row else []


def test_a_service_that_cannot_be_read_stops_no_other(
    context: WorkerContext, collected: Collected, system: System, tmp_path: Path
) -> None:
    collected.by_service = {
        "forge": AttributeError("no such thing"),
        "mill": MODULE,
        "press": EngineRefused("no"),
    }
    stopping = threading.Event()
    Diagnoser(context, tmp_path / "power.toml", stopping).start()
    for name in ("forge", "press", "mill"):
        context.diagnosing.submit(DiagnosisRequest(StackId("studio"), name))

    until(lambda: causes(system, "mill") == ["missing-module"], "mill is diagnosed")
    stopping.set()
    context.diagnosing.wake()
    assert context.guard.take_counts() == {Loop.DIAGNOSES: 1}


def test_a_stack_that_is_gone_is_not_diagnosed(
    context: WorkerContext, collected: Collected, system: System, tmp_path: Path
) -> None:
    Diagnoser(context, tmp_path / "power.toml", threading.Event()).diagnose(
        DiagnosisRequest(StackId("other"), "forge")
    )

    assert causes(system, "forge") == []


def test_what_is_known_is_not_given_up_for_an_unknown(
    context: WorkerContext, collected: Collected, system: System, tmp_path: Path
) -> None:
    loop = Diagnoser(context, tmp_path / "power.toml", threading.Event())
    for fields in (MODULE, {"container.state": "running"}):
        collected.by_service["forge"] = fields
        loop.diagnose(DiagnosisRequest(StackId("studio"), "forge"))

    assert causes(system, "forge") == ["missing-module"]


def test_a_slow_stop_is_added_to_what_is_known(
    context: WorkerContext, collected: Collected, system: System, tmp_path: Path
) -> None:
    loop = Diagnoser(context, tmp_path / "power.toml", threading.Event())
    killed = {
        "container.state": "exited",
        "container.exit_code": 137,
        "call.action": "stop",
        "call.status": "ok",
    }
    for fields, seconds in ((MODULE, None), (killed | {"call.whole_grace": True}, 2.0)):
        collected.by_service["forge"] = fields
        loop.diagnose(DiagnosisRequest(StackId("studio"), "forge", stopped_in=seconds))

    assert causes(system, "forge") == ["missing-module", "signal-ignored"]


def test_a_slow_stop_is_no_cause_of_the_failure_before_it(
    context: WorkerContext, collected: Collected, system: System, tmp_path: Path
) -> None:
    loop = Diagnoser(context, tmp_path / "power.toml", threading.Event())
    unhealthy = {"container.state": "running", "health.status": "unhealthy"}
    killed = {"container.state": "exited", "container.exit_code": 137, "call.action": "stop"}
    for fields, seconds in ((unhealthy, None), (killed | {"call.whole_grace": True}, 2.0)):
        collected.by_service["forge"] = fields
        loop.diagnose(DiagnosisRequest(StackId("studio"), "forge", stopped_in=seconds))

    assert causes(system, "forge") == ["unknown", "signal-ignored"]


def test_a_service_that_is_well_has_no_diagnosis(
    context: WorkerContext, collected: Collected, system: System, tmp_path: Path
) -> None:
    collected.by_service["forge"] = {"container.state": "running", "health.status": "healthy"}
    loop = Diagnoser(context, tmp_path / "power.toml", threading.Event())
    loop.diagnose(DiagnosisRequest(StackId("studio"), "forge"))

    assert causes(system, "forge") == []


def test_rules_are_read_again_when_their_files_change(tmp_path: Path) -> None:
    files = RuleFiles(tmp_path / "power.toml")
    shipped = len(files.current().rules)
    folder = tmp_path / diagnosis_rules.USER_FOLDER
    folder.mkdir()
    rule = 'name = "own"\ncause = "own"\ntitle = "t"\nconfidence = 1\nsuggestion = "s"\n'
    (folder / "a.toml").write_text(f'[[rule]]\n{rule}when = [{{ field = "log", matches = "x" }}]\n')

    assert len(files.current().rules) == shipped + 1
    (folder / "a.toml").write_text("[[rule]]\n")
    assert len(files.current().rules) == shipped
    assert len(files.current().faults) == 1


def test_a_healthy_service_is_not_diagnosed(
    context: WorkerContext, collected: Collected, system: System, tmp_path: Path
) -> None:
    loop = Diagnoser(context, tmp_path / "power.toml", threading.Event())
    log = "FATAL: could not open /etc/x.conf: No such file or directory\n" * 4
    well = {"container.state": "running", "health.status": "healthy", "log": log}
    collected.by_service["forge"] = well
    loop.diagnose(DiagnosisRequest(StackId("studio"), "forge"))
    assert causes(system, "forge") == []

    late = {"health.recovered_sec": 8.0, "health.allowed_sec": 3.0}
    collected.by_service["forge"] = {**well, **late}
    loop.diagnose(DiagnosisRequest(StackId("studio"), "forge"))
    assert "start-period-too-short" in causes(system, "forge")
