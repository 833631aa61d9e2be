"""Features of images, of order and readiness, and of which services there are."""

from __future__ import annotations

import json

from app.domain.enums import Power
from tests.engine.compose_rows import Feature, hook, inside, row, simple, written
from tests.engine.stacks import Stack, checked, docker, exits, needs, running

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
