"""Features of networks and namespaces, and of files and data."""

from __future__ import annotations

from tests.engine.compose_rows import Feature, inside, inspected, row, simple, written
from tests.engine.stacks import Stack, docker, running

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
    check = inside("assert open('/run/secrets/tok').read() == 'quiet'")
    return Feature({"web": running(secrets=["tok"])}, more={"secrets": file}, check=check)


@row("`secrets`, `configs`: from the environment")
def _(stack: Stack) -> Feature:
    written(stack, ".env", "TOK=quiet\n")
    check = inside("assert open('/run/secrets/tok').read() == 'quiet'")
    return Feature(
        {"web": running(secrets=["tok"])}, more={"secrets": {"tok": {"environment": "TOK"}}}, check=check
    )


@row("a secret whose variable is not set")
def _(_stack: Stack) -> Feature:
    unset = {"tok": {"environment": "TOK_NOT_SET"}}
    return Feature({"web": running(secrets=["tok"])}, more={"secrets": unset})


@row("`configs`: from files and inline")
def _(_stack: Stack) -> Feature:
    web = running(configs=[{"source": "cfg", "target": "/cfg"}])
    check = inside("assert open('/cfg').read() == 'plain'")
    return Feature({"web": web}, more={"configs": {"cfg": {"content": "plain"}}}, check=check)


@row("`env_file`")
def _(stack: Stack) -> Feature:
    file = written(stack, "web.env", "COLOUR=green\n")
    check = inside("import os; assert os.environ['COLOUR'] == 'green'")
    return Feature({"web": running(env_file=[file])}, check=check)


@row("`environment`, `.env`, `${…}`")
def _(stack: Stack) -> Feature:
    written(stack, ".env", "COLOUR=green\n")
    check = inside("import os; assert os.environ['PAINT'] == 'green or blue'")
    return Feature({"web": running(environment={"PAINT": "${COLOUR} or ${OTHER:-blue}"})}, check=check)
