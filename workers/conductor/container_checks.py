"""Checks that look into the containers of a window: commands, log lines, metrics and files."""

from __future__ import annotations

from datetime import datetime

from app.domain.scenarios import ExecCheck, FileCheck, LogCheck, Metric, MetricCheck
from workers.conductor.network_checks import Verdict, search
from workers.conductor.statistics import Measure
from workers.engine import container_access, pattern_search
from workers.engine.container_access import CommandTimeout
from workers.engine.pattern_search import SearchFailed
from workers.state.context import WorkerContext

LOG_LINES = 2000
"""Lines of each container that a log check reads, the newest ones."""
_LOG_TEXT = 1024 * 1024
"""Characters of them."""


def running_containers(context: WorkerContext, project: str, service: str) -> list[str]:
    """The ids of a service's containers that run, in the order of their numbers."""
    containers = context.engine.containers(project, [service])
    return [one.id for one in sorted(containers, key=lambda one: one.number) if one.state == "running"]


def check_exec(context: WorkerContext, project: str, check: ExecCheck, timeout: float) -> Verdict:
    """Run the command in the first running container of the service."""
    running = running_containers(context, project, check.service)
    if not running:
        return False, f"{check.service} has no running container"
    try:
        result = container_access.run_command(context.engine, running[0], check.argv, timeout)
    except CommandTimeout:
        return False, f"has not ended in {timeout:g} s"
    if result.exit_code != check.exit_code:
        return False, f"exit {result.exit_code}, expected {check.exit_code}: {result.output.strip()[-300:]}"
    if check.pattern is None:
        return True, f"exit {result.exit_code}"
    return search(check.pattern, result.output, f"exit {result.exit_code}, output")


def check_log(context: WorkerContext, project: str, check: LogCheck, since: datetime) -> Verdict:
    """Look for the pattern in what the service has written since a moment of the engine's clock."""
    text = ""
    for container in context.engine.service_by_id(project, [check.service]):
        lines = context.engine.lines(container, since, None, LOG_LINES)
        text += "".join(f"{line}\n" for _at, line in lines)
    text = text[-_LOG_TEXT:]
    try:
        match = pattern_search.find_pattern(check.pattern, text)
    except SearchFailed as error:
        return False, str(error)
    if match is None:
        return not check.seen, f"no line has {check.pattern!r}"
    return check.seen, f"a line has {match!r}"


def check_metric(check: MetricCheck, measure: Measure, start_sec: float | None) -> Verdict:
    """Compare a statistic with its bound."""
    start = check.metric is Metric.START
    value = start_sec if start else measure(check.service).metric(check.metric)
    if value is None:
        return False, f"{check.metric} of {check.service} is not known yet"
    return value <= check.at_most, f"{check.metric} is {value:g}, at most {check.at_most:g}"


def check_file(context: WorkerContext, project: str, check: FileCheck) -> Verdict:
    """Look at a file in the first running container of the service."""
    running = running_containers(context, project, check.service)
    if not running:
        return False, f"{check.service} has no running container"
    content = container_access.read_file(context.engine, running[0], check.path)
    if content is None:
        return not check.exists, f"{check.path} is not there"
    if not check.exists:
        return False, f"{check.path} is there"
    if check.pattern is None:
        return True, f"{check.path} is there, {content.size} bytes"
    return search(check.pattern, content.text, check.path)
