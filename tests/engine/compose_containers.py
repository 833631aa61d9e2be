"""Features of how a container runs and ends."""

from __future__ import annotations

from app.store import log_reads as rows
from app.usecases import logs
from tests.engine.compose_rows import Feature, inside, inspected, row, simple
from tests.engine.stacks import Stack, python, running
from workers.reconcile import logs as reading


@row("`restart`")
def _(_stack: Stack) -> Feature:
    return Feature({"web": running(restart="always")})


simple("`container_name`", container_name="pw-table-named", check=inspected("{{.Name}}", "/pw-table-named"))


@row("`stop_signal`")
def _(_stack: Stack) -> Feature:
    leaves = "signal.signal(signal.SIGUSR1, lambda *_: os._exit(0)); signal.pause()"
    return Feature({"web": python(leaves, stop_signal="SIGUSR1")})


simple("`stop_grace_period`", stop_grace_period="4s")


@row("a `stop_grace_period` over 24 h")
def _(_stack: Stack) -> Feature:
    return Feature({"web": running(stop_grace_period="25h")})


@row("`logging`")
def _(_stack: Stack) -> Feature:
    return Feature({"web": running(logging={"driver": "json-file", "options": {"max-size": "1m"}})})


@row("`logging`: `none`, and drivers without a local copy")
def _(_stack: Stack) -> Feature:
    def told(stack: Stack, window: str) -> None:
        with stack.database.write() as session:
            asked = logs.ask(session, window, None, tail=5, after={}, now=stack.database.now()).id
        reading.answer(stack.context, asked)
        with stack.database.read() as session:
            request = rows.answered_request(session, asked)
        assert request
        assert "the logging driver none keeps none" in request.notes["web"]

    return Feature({"web": running(logging={"driver": "none"})}, check=told)


simple(
    "`init`, `user`, `working_dir`, `read_only`, `tty`",
    init=True,
    user="0",
    working_dir="/tmp",
    read_only=True,
    tty=True,
)
simple(
    "`cap_add`, `cap_drop`, `security_opt`, `privileged`",
    cap_drop=["ALL"],
    security_opt=["no-new-privileges:true"],
)
simple(
    "`ulimits`, `sysctls`, `shm_size`",
    ulimits={"nofile": 1000},
    sysctls={"net.core.somaxconn": 100},
    shm_size="32m",
)
simple(
    "`deploy.resources`, `mem_limit`, `cpus`",
    deploy={"resources": {"limits": {"memory": "64M", "cpus": "0.5"}}},
)
simple(
    "`labels`, `annotations`",
    labels={"a": "b"},
    annotations={"c": "d"},
    check=inspected("{{json .Config.Labels}}", '"a":"b"'),
)
simple("`devices`", devices=["/dev/null:/dev/nothing"], check=inside("open('/dev/nothing')"))


@row("`gpus` and device reservations")
def _(_stack: Stack) -> Feature:
    asked = [{"driver": "nosuchgpu", "count": 1, "capabilities": ["gpu"]}]
    web = running(deploy={"resources": {"reservations": {"devices": asked}}})
    return Feature({"web": web}, fails="this engine has no GPU runtime")


@row("`develop`, `watch`")
def _(stack: Stack) -> Feature:
    synced = [{"path": str(stack.directory), "action": "sync", "target": "/src"}]
    return Feature({"web": running(develop={"watch": synced}, build={"context": str(stack.directory)})})
