"""Collect the evidence of one failing service.

The collection only reads, and takes no lock. Each part is collected separately: a part that the engine
refuses is left out.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from app.domain import untrusted_text
from app.domain.diagnosis import log_weight
from app.domain.diagnosis.evidence import (
    CallEvidence,
    ContainerEvidence,
    EntryEvidence,
    Evidence,
    HealthEvidence,
    HostEvidence,
    ImageEvidence,
    LogEvidence,
)
from app.domain.enums import Action, CallStatus
from app.domain.planning import ServiceSpec
from app.domain.readiness import Container
from app.domain.stack_id import namespace_of
from app.store import services
from workers.engine import containers, diagnosis_facts, host_ports, stack_secrets
from workers.engine.diagnosis_facts import InspectedContainer
from workers.engine.negotiation import Unable
from workers.reconcile import call_evidence, container_lives, file_evidence
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext
from workers.state.diagnosis_queue import DiagnosisRequest

log = logging.getLogger(__name__)

_Part = TypeVar("_Part")
_TEXT = 16 * 1024
"""Characters of one text in which secrets are looked for."""
_PORT = re.compile(
    r":(\d{1,5})(?:/\w+)?\s*(?:failed)?:? .*(?:already|in use|not available)|:(\d{1,5}): bind:"
)
_COLOUR = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
"""Escape sequences of a terminal: colours, moves of the cursor, titles and links."""
_PERMISSION = re.compile(r"permission|ownership|EACCES|EPERM|not permitted", re.IGNORECASE)
_AFTER_SIGNAL = frozenset({0, 130, 137, 143})
"""Exit codes that a program may have because it was sent a signal."""
_BEFORE = timedelta(seconds=2)


def collect_evidence(context: WorkerContext, served: Served, request: DiagnosisRequest) -> Evidence:
    """All that can be learned now of why a service fails. Raises Away where the engine does not answer."""
    name, project = request.service, served.spec.project
    spec = served.spec.services.get(name) or ServiceSpec(name)
    clean = partial(_clean_lines, project)
    seen = _failing(request.containers or container_lives.of_last_call(context, project, request))
    inspected = (
        _optional(lambda: diagnosis_facts.inspect_container(context.engine, seen.id)) if seen else None
    )
    # A container that runs may be stopped at any moment, and its sockets are gone then.
    sockets = host_ports.listening(inspected.pid, seen.id) if inspected and seen else None
    call, down = _from_database(context, served, spec, seen, clean)
    if request.stopped_in is not None:
        call = CallEvidence(str(Action.STOP), str(CallStatus.OK), 0, elapsed_sec=request.stopped_in)
    defined = _definition(served, name)
    evidence = Evidence(
        stack=served.spec.name,
        service=name,
        detail=untrusted_text.harmless(request.detail.partition("\n")[0]),
        oneshot=spec.oneshot,
        call=call,
        services=tuple(served.spec.services),
        depends_on=tuple(spec.depends_on),
        dependencies_down=down,
        secret_sources=_secret_sources(served),
        host=_optional(lambda: diagnosis_facts.host_evidence(context.engine)) or HostEvidence(),
        image=_image(context, spec, inspected, buildable="build" in defined),
    )
    if inspected is not None and seen is not None:
        evidence = _with_container(context, evidence, inspected, seen, sockets=sockets, clean=clean)
    return _with_port(context, evidence)


def collect_refusal(request: DiagnosisRequest) -> Evidence:
    """The evidence of a stack whose files were refused."""
    # A fault begins with the file, the key and the command; the reason is at its end.
    clean = tuple(untrusted_text.harmless(line)[-log_weight.LONGEST_LINE :] for line in request.faults)
    return Evidence(stack=request.stack, service="", faults=clean)


def _optional(read: Callable[[], _Part]) -> _Part | None:
    """Return one part of the evidence; None if the engine refuses it."""
    try:
        return read()
    except Unable as error:
        log.info("a part of the evidence cannot be read: %s", str(error).partition("\n")[0])
        return None


def _clean_lines(project: str, text: str) -> tuple[str, ...]:
    """Lines without colours and control characters, each bounded. A carriage return becomes a visible one.

    They are for the rules alone, and may hold a secret: `API_TOKEN: must be set` looks like one that is
    none. What the rules say is redacted before it is stored. Of a long line a half of a secret could be
    left, so that is redacted here.
    """
    plain = _COLOUR.sub("", text[-_TEXT:])
    lines = [line.rstrip("\r").replace("\r", "\\r") for line in plain.split("\n") if line.strip()]
    short = [
        line if len(line) <= log_weight.LONGEST_LINE else stack_secrets.redact(project, line)
        for line in lines
    ]
    return tuple(untrusted_text.harmless(line)[: log_weight.LONGEST_LINE] for line in short)


def _failing(seen: Iterable[Container]) -> Container | None:
    """The container that says most: the one that restarted most, ended with an error, or is the newest."""
    return max(seen, key=lambda one: (one.restarts, one.exit_code != 0, one.number), default=None)


def _from_database(
    context: WorkerContext,
    served: Served,
    spec: ServiceSpec,
    seen: Container | None,
    clean: Callable[[str], tuple[str, ...]],
) -> tuple[CallEvidence, tuple[str, ...]]:
    """Return the last call if it explains anything, and the dependencies that are not ready."""
    stack = served.spec.name
    with context.database.read() as session:
        call = services.last_calls(session, [stack]).get((stack, spec.name))
        rows = services.of(session, stack)
        down = tuple(name for name in spec.depends_on if name not in rows or not rows[name].ready)
        return call_evidence.of_call(call, seen, clean) if call else CallEvidence(), down


def _definition(served: Served, service: str) -> Mapping[str, Any]:
    """What the accepted compose files say of a service; empty where they cannot be read."""
    defined = (configuration(served).get("services") or {}).get(service)
    return defined if isinstance(defined, dict) else {}


def configuration(served: Served) -> Mapping[str, Any]:
    """The accepted compose files, rendered; empty where they cannot be read."""
    path = served.place.accepted if served.place else None
    if path is None:
        return {}
    with suppress(OSError, ValueError):
        config = json.loads(path.read_text())
        return config if isinstance(config, dict) else {}
    return {}


def _secret_sources(served: Served) -> tuple[str, ...]:
    config = configuration(served)
    defined = [one for key in ("secrets", "configs") for one in (config.get(key) or {}).values()]
    return tuple(str(one["file"]) for one in defined if isinstance(one, dict) and one.get("file"))


def _image(
    context: WorkerContext, spec: ServiceSpec, inspected: InspectedContainer | None, *, buildable: bool
) -> ImageEvidence:
    wanted = inspected.image if inspected else spec.image
    read = _optional(lambda: diagnosis_facts.image_evidence(context.engine, wanted, buildable=buildable))
    return replace(read, name=spec.image) if read else ImageEvidence(spec.image)


def _with_container(
    context: WorkerContext,
    evidence: Evidence,
    inspected: InspectedContainer,
    seen: Container,
    *,
    sockets: tuple[str, ...] | None,
    clean: Callable[[str], tuple[str, ...]],
) -> Evidence:
    container = _as_seen(inspected.as_evidence(context.engine.now()), seen, sockets, clean)
    written = _optional(lambda: _log(context, seen, container, clean)) or LogEvidence()
    mounts = container.mounts
    evidence = replace(
        evidence,
        container=container,
        health=_health(inspected, seen, sockets, container, clean),
        log=written,
        secrets=tuple(path for path in mounts if path.startswith("/run/secrets/")),
        entry=_optional(lambda: file_evidence.entry(context.engine, inspected)) or EntryEvidence(),
        call=call_evidence.judge_stop(evidence.call, container),
    )
    if container.state == "exited" and container.exit_code in _AFTER_SIGNAL and not evidence.call.action:
        sent = _optional(lambda: diagnosis_facts.signal_sent(context.engine, seen)) or ""
        container = replace(container, signalled=sent)
        evidence = replace(evidence, container=container)
    if any(_PERMISSION.search(line) for line in written.lines):
        refused = [line for line in written.lines if _PERMISSION.search(line)]
        foreign = _optional(lambda: file_evidence.foreign_mounts(context.engine, inspected, refused)) or ()
        evidence = replace(evidence, container=replace(container, foreign_mounts=foreign))
    return evidence


def _as_seen(
    container: ContainerEvidence,
    seen: Container,
    sockets: tuple[str, ...] | None,
    clean: Callable[[str], tuple[str, ...]],
) -> ContainerEvidence:
    """The container as it was when it was found failing; it may have been stopped since."""
    stopped_since = container.state != seen.state
    return replace(
        container,
        state=seen.state,
        exit_code=seen.exit_code if stopped_since else container.exit_code,
        oom_killed=seen.oom_killed or container.oom_killed,
        error=clean(seen.error or "\n".join(container.error)),
        restarts=max(seen.restarts, container.restarts),
        command=clean("\n".join(container.command)),
        listening=None if container.network_mode == "host" else sockets,
        severed=seen.severed,
    )


def _health(
    inspected: InspectedContainer,
    seen: Container,
    sockets: tuple[str, ...] | None,
    container: ContainerEvidence,
    clean: Callable[[str], tuple[str, ...]],
) -> HealthEvidence:
    health = inspected.health()
    if not health.status:
        return health
    ports = {one.rpartition(":")[2] for one in sockets} if sockets is not None else set()
    has_both = bool(health.port) and container.listening is not None
    return replace(
        health,
        status=seen.health or health.status,
        test=" ".join(clean(health.test)),
        output=clean("\n".join(health.output)),
        port_open=health.port in ports if has_both else None,
    )


def _log(
    context: WorkerContext,
    seen: Container,
    container: ContainerEvidence,
    clean: Callable[[str], tuple[str, ...]],
) -> LogEvidence:
    """The last lines of the last run; of a crash loop also those before, since a run may just have begun."""
    began = seen.created_at if seen.restarts else seen.started_at or seen.created_at
    if began is None:
        return LogEvidence()
    engine = context.engine
    # What the runtime writes where it cannot run the program comes before the start that the engine tells.
    stamped = engine.lines(seen.id, engine.own_time(began - _BEFORE), None, log_weight.MOST_LINES)
    times = [containers.moment(at) for at, _text in stamped]
    last = max((one for one in times if one), default=None)
    end = last if container.state != "running" or last is None else engine.own_time(engine.now())
    lines: list[str] = []
    ages: list[float] = []
    for at, (_stamp, text) in zip(times, stamped, strict=True):
        # A line of the engine's may hold several: what is between carriage returns stays one.
        cleaned = clean(text) or ("",)
        lines += cleaned
        ages += [_age(at, end)] * len(cleaned)
    return LogEvidence(tuple(lines), tuple(ages))


def _age(at: datetime | None, end: datetime | None) -> float:
    return max(0.0, (end - at).total_seconds()) if at and end else 0.0


def _with_port(context: WorkerContext, evidence: Evidence) -> Evidence:
    """With the port of the host that a failed start names, and what holds it."""
    for line in (*evidence.call.stderr, *evidence.container.error):
        if match := _PORT.search(line):
            port = match[1] or match[2]
            holder = _optional(lambda: host_ports.port_holder(context.engine, int(port)))  # noqa: B023
            holder = _name_holder(context, evidence, holder or "")
            return replace(evidence, host=replace(evidence.host, port=port, port_holder=holder))
    return evidence


def _name_holder(context: WorkerContext, evidence: Evidence, holder: str) -> str:
    """What holds the port; a stack of a namespace learns of containers of its own project only."""
    served = context.stacks.get(evidence.stack)
    is_own = served is not None and f"project {served.spec.project})" in holder
    return holder if is_own or not namespace_of(evidence.stack) else "what is not of this stack"
