"""The wake routes, for proxies that authorize each request.

`GET /wake/STACK/SERVICE` opens a window, or joins and extends the one of its token. Only a token that is
bound to the route may call it, and such a token is valid for nothing else. A request that may not pass is
answered with a problem, which `app.web.wake.waiting_page` turns into a page for browsers.
"""

from __future__ import annotations

from flask import Response, request

from app.domain import durations
from app.domain.enums import State
from app.domain.errors import NodeAway, Refusal, UnknownServices, UnknownStack
from app.domain.passive_requests import is_passive
from app.domain.wake import Step, WakeVerdict
from app.store import tokens
from app.usecases import wake as wake_usecase
from app.usecases.wake import WakeBinding
from app.web import problems, responses, schemas
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.problems import ApiError
from app.web.routes import Answer, Header, Routes

routes = Routes("wake", "/wake")

_STATES = {Step.OPEN: "asleep", Step.WAIT: "starting", Step.PASS: "on", Step.FAILED: "failing"}

_PROBLEMS = {
    401: "No token, or an unknown one; with `as=nginx` also: show the waiting page.",
    403: "Another token than the one that is bound here, or a service that may not be powered.",
    404: "The stack or the service no longer exists.",
    409: "The stack's worker rejected its files.",
    429: "Too many unknown tokens came from this address.",
    503: "The service is starting or could not be started; `Retry-After` says when to retry.",
}
_PAGE = {"text/html": "For browsers: a page that reloads itself."}
_NO = {
    status: Answer(says, schemas.Problem, problems.PROBLEM_JSON, also=_PAGE)
    for status, says in _PROBLEMS.items()
}
_YES = Answer(
    "The service is ready: let the request pass.",
    media="text/plain",
    headers={"X-Power-Window": "The window.", "X-Power-Time-Left": "Seconds, without further requests."},
)
_HEADERS = (
    Header("X-Forwarded-Method", "The visitor's method; `HEAD` opens nothing."),
    Header(
        "X-Forwarded-Uri",
        "The visitor's path; `/favicon.ico`, `/robots.txt` and the like, or the paths that the token "
        "was created with, open nothing.",
    ),
    Header(
        "User-Agent",
        "The visitor's; crawlers and monitors, or those that the token was created with, open nothing.",
    ),
    Header("Sec-Purpose", "`prefetch` opens nothing; the older header `Purpose` too."),
)


@routes.add(
    "GET",
    "/<stack>/<service>",
    {200: _YES} | _NO,
    headers=_HEADERS,
    scope=tokens.WAKE,
)
def wake(context: WebContext, caller: Caller, *, stack: str, service: str) -> Response:
    """Wake a service for a visitor, and tell whether the request may pass.

    For Traefik's ForwardAuth, Caddy's `forward_auth` and nginx's `auth_request`, with the token that is
    bound to this route. It opens a window or joins the token's own; each request extends it, up to the
    stack's `max_ttl`. With `?as=nginx` it answers 401 instead of statuses that `auth_request` does not
    know; the rest of the query is ignored, since proxies send the visitor's.
    """
    binding, verdict = _read_binding(context, caller, stack, service)
    if not _is_passive(binding) and (verdict.step is Step.OPEN or verdict.renew is not None):
        binding, verdict = _renew_or_open(context, caller)
    if verdict.step is Step.PASS and binding.hold:
        left = max(0.0, (binding.hold.deadline - context.database.now()).total_seconds())
        headers = {
            "X-Power-Window": binding.hold.window,
            "X-Power-Time-Left": f"{left:.0f}",
            "Cache-Control": "no-store",
        }
        return Response("ready\n", 200, headers, content_type="text/plain; charset=utf-8")
    raise _not_now(binding, verdict)


@routes.add("GET", "/<stack>/<service>/waiting", _NO, scope=tokens.WAKE)
def waiting_page(context: WebContext, caller: Caller, *, stack: str, service: str) -> Response:
    """Show the waiting page of a service, and change nothing.

    For nginx, which cannot show the answer of an `auth_request` itself.
    """
    raise _not_now(*_read_binding(context, caller, stack, service))


@routes.add(
    "GET",
    "/<stack>/<service>/state",
    {200: Answer("The state of the service.", schemas.Wakefulness)} | _NO,
    scope=tokens.WAKE,
)
def wake_state(context: WebContext, caller: Caller, *, stack: str, service: str) -> Response:
    """Tell whether a service is `asleep`, `starting`, `on` or `failing`, and change nothing."""
    binding, verdict = _read_binding(context, caller, stack, service)
    state = {
        "stack": stack,
        "service": service,
        "state": _STATES[verdict.step],
        "window": binding.hold.window if binding.hold and verdict.step is not Step.OPEN else None,
        "detail": _detail(binding, verdict),
    }
    return responses.json(state)


def _is_passive(binding: WakeBinding) -> bool:
    headers = request.headers
    method = "HEAD" if request.method == "HEAD" else headers.get("X-Forwarded-Method", request.method)
    purpose = f"{headers.get('Sec-Purpose', '')} {headers.get('Purpose', '')}"
    agent, address = headers.get("User-Agent", ""), headers.get("X-Forwarded-Uri", "")
    return is_passive(method, purpose, agent, address, binding.lookers)


def _read_binding(
    context: WebContext, caller: Caller, stack: str, service: str
) -> tuple[WakeBinding, WakeVerdict]:
    def read() -> WakeBinding:
        with context.database.read() as session:
            binding = wake_usecase.read_binding(session, caller.name)
        if binding is None:
            raise ApiError(problems.OUT_OF_SCOPE, "this token is no longer bound to a route")
        return binding

    try:
        binding = context.wake_cache.bindings.of(caller.name, read)
    except UnknownStack as refusal:
        raise _refusal_error(refusal) from refusal
    if (binding.stack, binding.service) != (caller.stack_id(stack), service):
        raise ApiError(
            problems.OUT_OF_SCOPE,
            f"this token is bound to {binding.stack}/{binding.service} and is valid for nothing else",
        )
    return binding, binding.verdict(context.database.now())


def _renew_or_open(context: WebContext, caller: Caller) -> tuple[WakeBinding, WakeVerdict]:
    database = context.database
    try:
        with database.write() as session:
            binding, new = wake_usecase.open_or_extend(
                session, caller.name, database.now, wait_for_node=context.settings.wait_for_node
            )
    except Refusal as refusal:
        context.refusals.record(refusal, actor=caller.name, what="wake")
        raise _refusal_error(refusal) from refusal
    if binding is None:
        raise ApiError(problems.OUT_OF_SCOPE, "this token is no longer bound to a route")
    if new is not None and new.state == State.OPENING:
        context.count_unsent(context.dispatch.opening(new.id, new.node))
    return binding, binding.verdict(database.now())


def _refusal_error(refusal: Refusal) -> Exception:
    """A refusal as an error of the route; an unknown name in a path is 404."""
    if isinstance(refusal, UnknownStack):
        return ApiError(problems.NO_SUCH_STACK, str(refusal))
    if isinstance(refusal, UnknownServices):
        return ApiError(problems.NO_SUCH_SERVICE, str(refusal))
    if isinstance(refusal, NodeAway):
        return ApiError(
            problems.kind_of(refusal), str(refusal), headers={"Retry-After": problems.NODE_RETRY_AFTER}
        )
    return refusal


def _not_now(binding: WakeBinding, verdict: WakeVerdict) -> ApiError:
    """The problem with the state of the service; it has no output of containers: visitors see it."""
    hold, failed = binding.hold, verdict.step is Step.FAILED
    ready, of = hold.count if hold else (0, 0)
    return ApiError(
        problems.NOT_STARTED if failed else problems.STARTING,
        _detail(binding, verdict),
        headers={"Retry-After": f"{verdict.again:.0f}"},
        stack=binding.stack,
        service=binding.service,
        window=hold.window if hold else None,
        ready=ready if of else None,
        of=of or None,
    )


def _detail(binding: WakeBinding, verdict: WakeVerdict) -> str:
    name, hold = binding.service, binding.hold
    if verdict.step is Step.FAILED:
        pause = durations.show_spaced(verdict.again)
        return f"{name} could not be started; it will be tried again in {pause} at the earliest"
    if verdict.step is Step.OPEN or hold is None:
        return f"{name} is asleep, and starts at the next visit"
    if verdict.step is Step.PASS:
        return f"{name} is ready"
    if hold.state is State.WAITING:
        return f"{name} waits for its host, which does not answer"
    if hold.state is State.OPEN:
        return f"{name} was ready and is recovering"
    ready, of = hold.count
    return f"{name} is starting" + (f": {ready} of {of} services are ready" if of > 1 else "")
