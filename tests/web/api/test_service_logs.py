"""The last log lines of one service over HTTP, whether or not a window holds it."""

from __future__ import annotations

import pytest

from app.domain.stack_id import StackId
from tests.system import System
from tests.web.api.log_worker import LogWorker, left_behind, line
from tests.web.caller import Caller, lines


def test_a_service_that_no_window_holds_has_its_last_lines(
    api: Caller, system: System, log_worker: LogWorker
) -> None:
    log_worker.lines = [line(1), line(2), line(3, service="mill")]
    answer = api.get("/stacks/studio/services/forge/logs?tail=1")
    assert [one["line"] for one in answer.json["items"]] == ["line 2"]
    assert (log_worker.asked[0].services, log_worker.asked[0].since) == (["forge"], None)

    log_worker.lines, log_worker.notes = [], {"forge": "it has no container"}
    answer = api.get("/stacks/studio/services/forge/logs", headers={"Accept": "application/x-ndjson"})
    assert lines(answer) == [{"service": "forge", "note": "it has no container"}]
    assert left_behind(system) == 0

    log_worker.core = {StackId("studio"): ["forge"]}
    api.get("/stacks/studio/services/forge/logs")
    assert log_worker.asked[-1].services == []


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/stacks/studio/services/redis/logs", 403, "not-allowed"),
        ("/stacks/studio/services/secret/logs", 403, "not-allowed"),
        ("/stacks/studio/services/nothing/logs", 404, "no-such-service"),
        ("/stacks/nothing/services/forge/logs", 404, "no-such-stack"),
        ("/stacks/studio/services/%00/logs", 404, "no-such-service"),
        ("/stacks/studio/services/forge/logs?tail=1001", 422, "invalid"),
        ("/stacks/studio/services/forge/logs?follow=1", 422, "invalid"),
    ],
)
def test_logs_of_what_is_not_allowed_are_refused(
    api: Caller, log_worker: LogWorker, path: str, status: int, kind: str
) -> None:
    answer = api.get(path)
    assert (answer.status_code, answer.json["type"]) == (status, f"/problems/{kind}")
    assert log_worker.asked == []
