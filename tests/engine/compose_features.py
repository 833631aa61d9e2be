"""A small stack for each row of docs/compose.md, by the row's name."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.enums import Power
from app.store import log_reads as rows
from app.usecases import logs
from tests.engine.stacks import Definition, Stack, checked, docker, exits, needs, python, running
from workers.reconcile import logs as reading

Check = Callable[[Stack, str], object]
"""What else holds while the window is open; gets the window's id."""


def _nothing(_stack: Stack, _window: str) -> None:
    """There is nothing else to be seen."""


@dataclass(frozen=True)
class Feature:
    """A stack that uses one feature, and what opening a window on it comes to."""

    services: Mapping[str, Definition]
    opens: Sequence[str] = ("web",)
    more: Mapping[str, Any] = field(default_factory=dict)
    """Other top-level elements of the compose file."""
    core: Sequence[str] = ()
    allow: Sequence[str] | None = None
    tuned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    toml: Mapping[str, Any] = field(default_factory=dict)
    check: Check = _nothing
    fails: str = ""
    """Words of the reason for which the window fails; empty where it opens."""


FEATURES: dict[str, Callable[[Stack], Feature]] = {}
Make = Callable[[Stack], Feature]


def row(name: str) -> Callable[[Make], Make]:
    """Register the case of the row with this name."""

    def register(make: Make) -> Make:
        assert name not in FEATURES, name
        FEATURES[name] = make
        return make

    return register


def simple(name: str, *, check: Check = _nothing, **more: Any) -> None:
    """A row whose case is one service with these keys."""
    row(name)(lambda _stack: Feature({"web": running(**more)}, check=check))


def inspected(template: str, wanted: str) -> Check:
    """A container of `web` shows this in `docker inspect`."""

    def check(stack: Stack, _window: str) -> None:
        found = docker("inspect", stack.ids("web")[0], "--format", template)
        assert wanted in found, found

    return check


def inside(code: str) -> Check:
    """These lines of Python run in the container of `web` without an error."""

    def check(stack: Stack, _window: str) -> None:
        subprocess.run(["docker", "exec", stack.ids("web")[0], "python3", "-c", code], check=True)

    return check


def written(stack: Stack, name: str, text: str) -> str:
    """A file in the stack's directory."""
    (stack.directory / name).write_text(text)
    return name


def hook(code: str) -> list[dict[str, Any]]:
    return [{"command": ["python3", "-I", "-S", "-c", code]}]


# Images.

simple("`image`")


@row("`build`")
def _(stack: Stack) -> Feature:
    return Feature({"web": running(build={"context": str(stack.directory)})})


@row("an image that is missing")
def _(_stack: Stack) -> Feature:
    missing = "power-windows.invalid/nowhere:1"
    return Feature({"web": running(image=missing)}, fails="is not on this machine: docker compose -p")


simple("`pull_policy`", pull_policy="always")


@row("`platform`")
def _(_stack: Stack) -> Feature:
    ours = docker("version", "--format", "{{.Server.Os}}/{{.Server.Arch}}").strip()
    return Feature({"web": running(platform=ours)})


# Order and readiness.


@row("`depends_on`, short and `service_started`")
def _(_stack: Stack) -> Feature:
    return Feature(
        {
            "db": running(),
            "mq": running(),
            "web": running(**needs(db="started")),
            "api": running(depends_on=["mq", "web"]),
        },
        ("api",),
    )


@row("`depends_on`: `service_healthy`")
def _(_stack: Stack) -> Feature:
    return Feature({"db": checked(1.0), "web": running(**needs(db="healthy"))})


@row("`depends_on`: `service_completed_successfully`")
def _(_stack: Stack) -> Feature:
    def done(stack: Stack, window: str) -> None:
        assert stack.lease(window, "init").power == Power.DONE

    return Feature({"init": exits(0), "web": running(**needs(init="completed"))}, check=done)


@row("`depends_on`: `required: false`")
def _(_stack: Stack) -> Feature:
    optional = {"depends_on": {"db": {"condition": "service_started", "required": False}}}
    return Feature({"db": running(), "web": running(**optional)}, allow=["web"])


@row("`depends_on`: `restart: true`")
def _(_stack: Stack) -> Feature:
    follows = {"depends_on": {"db": {"condition": "service_started", "restart": True}}}
    return Feature({"db": running(), "web": running(**follows)})


@row("a dependency that is core")
def _(_stack: Stack) -> Feature:
    return Feature({"db": running(), "web": running(**needs(db="started"))}, core=["db"])


@row("a dependency that is not listed")
def _(_stack: Stack) -> Feature:
    return Feature({"db": running(), "web": running(**needs(db="started"))}, allow=["web"])


@row("`healthcheck`")
def _(_stack: Stack) -> Feature:
    return Feature({"web": checked(1.0)})


simple("`healthcheck`: `disable: true`", healthcheck={"disable": True})


@row("one-shots")
def _(_stack: Stack) -> Feature:
    return Feature({"web": exits(0)}, tuned={"web": {"oneshot": True}})


@row("`post_start`")
def _(_stack: Stack) -> Feature:
    web = running(post_start=hook("open('/tmp/made', 'w')"))
    return Feature({"web": web}, check=inside("open('/tmp/made')"))


@row("`pre_stop`")
def _(_stack: Stack) -> Feature:
    return Feature({"web": running(pre_stop=hook("pass"))})


# Which services there are.

simple("`profiles`", profiles=["extra"])


@row("a dependency behind a profile that is off")
def _(_stack: Stack) -> Feature:
    return Feature({"db": running(profiles=["data"]), "web": running(**needs(db="started"))})


def _two(stack: Stack, _window: str) -> None:
    assert len(stack.ids("web")) == 2


simple("`scale`, `deploy.replicas`", scale=2, check=_two)


@row("0 replicas")
def _(_stack: Stack) -> Feature:
    return Feature({"web": running(scale=0)})


@row("`provider`")
def _(_stack: Stack) -> Feature:
    return Feature({"db": {"provider": {"type": "awesomecloud"}}, "web": running()})


@row("`models`")
def _(_stack: Stack) -> Feature:
    both = {"web": running(), "chat": running(models={"llm": {}})}
    return Feature(both, allow=["web"], more={"models": {"llm": {"model": "ai/small"}}})


@row("`include`")
def _(stack: Stack) -> Feature:
    written(stack, "more.json", json.dumps({"services": {"db": running()}}))
    return Feature(
        {"web": running(**needs(db="started"))}, allow=["web", "db"], more={"include": ["more.json"]}
    )


@row("`extends`")
def _(stack: Stack) -> Feature:
    written(stack, "base.json", json.dumps({"services": {"plain": running()}}))
    return Feature({"web": {"extends": {"file": "base.json", "service": "plain"}}})


@row("`name` at the top")
def _(_stack: Stack) -> Feature:
    return Feature({"web": running()}, more={"name": "another"})


@row("`x-…` extensions")
def _(_stack: Stack) -> Feature:
    return Feature({"web": {**running(), "x-note": {"anything": 1}}}, more={"x-more": "anything"})


@row("names with `_`, `.`, `-` and capitals")
def _(_stack: Stack) -> Feature:
    return Feature(
        {"_tools": running(), "_shared": running(), "Web.2-b": running()}, ("_tools", "_shared", "Web.2-b")
    )


@row("a service of Power Windows itself")
def _(_stack: Stack) -> Feature:
    return Feature({"web": running(labels={"power-windows.controller": "true"})})


@row("a service that the files do not have")
def _(_stack: Stack) -> Feature:
    return Feature({"web": running()}, allow=["web", "api"])


# Networks and namespaces.

simple("`network_mode: none`, `host`, `bridge`", network_mode="none")


@row("`network_mode: service:…`")
def _(_stack: Stack) -> Feature:
    return Feature({"vpn": running(), "web": running(network_mode="service:vpn")})


@row("`ipc`")
def _(_stack: Stack) -> Feature:
    return Feature({"db": running(ipc="shareable"), "web": running(ipc="service:db")})


@row("`pid`")
def _(_stack: Stack) -> Feature:
    return Feature({"db": running(), "web": running(pid="service:db")})


@row("`networks`, aliases")
def _(_stack: Stack) -> Feature:
    joined = {"front": {"aliases": ["site"]}, "back": {}}
    return Feature({"web": running(networks=joined)}, more={"networks": {"front": {}, "back": {}}})


@row("external networks")
def _(stack: Stack) -> Feature:
    name = f"{stack.project}-outside"
    docker("network", "create", "--label", f"com.docker.compose.project={stack.project}", name)
    outside = {"outside": {"external": True, "name": name}}
    return Feature({"web": running(networks=["outside"])}, more={"networks": outside})


@row("`links`")
def _(_stack: Stack) -> Feature:
    return Feature({"db": running(), "web": running(links=["db:database"])})


simple("`ports`", ports=["127.0.0.1::80"], check=inspected("{{json .NetworkSettings.Ports}}", "HostPort"))
simple(
    "`expose`, `dns`, `extra_hosts`, `hostname`",
    expose=["80"],
    dns=["127.0.0.1"],
    extra_hosts=["a:127.0.0.1"],
    hostname="inner",
)

# Files and data.


@row("`volumes`: named and anonymous")
def _(_stack: Stack) -> Feature:
    return Feature({"web": running(volumes=["data:/data", "/scratch"])}, more={"volumes": {"data": {}}})


@row("`volumes`: bind mounts")
def _(stack: Stack) -> Feature:
    return Feature({"web": running(volumes=[f"{stack.directory}:/here:ro"])})


@row("external volumes")
def _(stack: Stack) -> Feature:
    name = f"{stack.project}-outside"
    docker("volume", "create", "--label", f"com.docker.compose.project={stack.project}", name)
    outside = {"outside": {"external": True, "name": name}}
    return Feature({"web": running(volumes=["outside:/data"])}, more={"volumes": outside})


@row("`volumes_from`")
def _(_stack: Stack) -> Feature:
    return Feature({"db": running(volumes=["/scratch"]), "web": running(volumes_from=["db"])})


simple("`tmpfs`", tmpfs=["/scratch"], check=inside("open('/scratch/a', 'w')"))


@row("`secrets`: from files")
def _(stack: Stack) -> Feature:
    file = {"tok": {"file": written(stack, "tok.txt", "quiet")}}
    found = inside("assert open('/run/secrets/tok').read() == 'quiet'")
    return Feature({"web": running(secrets=["tok"])}, more={"secrets": file}, check=found)


@row("`secrets`, `configs`: from the environment")
def _(stack: Stack) -> Feature:
    written(stack, ".env", "TOK=quiet\n")
    found = inside("assert open('/run/secrets/tok').read() == 'quiet'")
    return Feature(
        {"web": running(secrets=["tok"])}, more={"secrets": {"tok": {"environment": "TOK"}}}, check=found
    )


@row("a secret whose variable is not set")
def _(_stack: Stack) -> Feature:
    unset = {"tok": {"environment": "TOK_NOT_SET"}}
    return Feature({"web": running(secrets=["tok"])}, more={"secrets": unset})


@row("`configs`: from files and inline")
def _(_stack: Stack) -> Feature:
    web = running(configs=[{"source": "cfg", "target": "/cfg"}])
    found = inside("assert open('/cfg').read() == 'plain'")
    return Feature({"web": web}, more={"configs": {"cfg": {"content": "plain"}}}, check=found)


@row("`env_file`")
def _(stack: Stack) -> Feature:
    file = written(stack, "web.env", "COLOUR=green\n")
    found = inside("import os; assert os.environ['COLOUR'] == 'green'")
    return Feature({"web": running(env_file=[file])}, check=found)


@row("`environment`, `.env`, `${…}`")
def _(stack: Stack) -> Feature:
    written(stack, ".env", "COLOUR=green\n")
    found = inside("import os; assert os.environ['PAINT'] == 'green or blue'")
    return Feature({"web": running(environment={"PAINT": "${COLOUR} or ${OTHER:-blue}"})}, check=found)


# How a container runs and ends.


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
            found = rows.answered_request(session, asked)
        assert found
        assert "the logging driver none keeps none" in found.notes["web"]

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
