"""The waiting page, for proxies that ask before they let a request through.

The one GET that acts: it opens a window, or joins and lengthens the one its token has.
Only a token that is bound to the route opens anything, and that one is good for nothing
else. Whatever is not a yes is a problem; `app.web.wake.waiting_page` makes it a page for browsers.
"""

from __future__ import annotations

from flask import Response, request

from app.domain import durations
from app.domain.enums import State
from app.domain.errors import NodeAway, Refusal, UnknownServices, UnknownStack
from app.domain.passive_requests import only_looks
from app.domain.wake import Step, WakeVerdict
from app.store import tokens
from app.usecases import wake as waking
from app.usecases.wake import WakeBinding
from app.web import problems, responses, schemas
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.problems import ApiError
from app.web.routes import Answer, Header, Routes

routes = Routes("wake", "/wake")

_STATES = {Step.OPEN: "asleep", Step.WAIT: "starting", Step.PASS: "on", Step.FAILED: "failing"}

_PROBLEMS = {
    401: "No token, or an unknown one; with `as=nginx` also: not now, show the waiting page.",
    403: "Another token than the one that is bound here, or a service that may not be powered.",
    404: "The stack or the service is not there any more.",
    409: "The stack was turned down by its worker.",
    429: "Too many unknown tokens came from this address.",
    503: "It is starting or could not be started; `Retry-After` says when to ask again.",
}
_PAGE = {"text/html": "For browsers: a page that asks again by itself."}
_NO = {
    status: Answer(says, schemas.Problem, problems.PROBLEM_JSON, also=_PAGE)
    for status, says in _PROBLEMS.items()
}
_YES = Answer(
    "The service is ready: let the request pass.",
    media="text/plain",
    headers={"X-Power-Window": "The window.", "X-Power-Time-Left": "Seconds, if nobody else comes."},
)
_HEADERS = (
    Header("X-Forwarded-Method", "The visitor's method; `HEAD` looks and opens nothing."),
    Header(
        "X-Forwarded-Uri",
        "What the visitor asked for; `/favicon.ico`, `/robots.txt` and the like, or what the token "
        "was made with, open nothing.",
    ),
    Header(
        "User-Agent", "The visitor's; crawlers and monitors, or what the token was made with, open nothing."
    ),
    Header("Sec-Purpose", "`prefetch` looks and opens nothing; the older `Purpose` too."),
)


@routes.add(
    "GET",
    "/<stack>/<service>",
    {200: _YES} | _NO,
    headers=_HEADERS,
    scope=tokens.WAKE,
)
def wake(front: WebContext, caller: Caller, *, stack: str, service: str) -> Response:
    """Wake a service for a visitor, and say whether the request may pass.

    For Traefik's ForwardAuth, Caddy's `forward_auth` and nginx's `auth_request`, with the token that is
    bound to this route. Opens a window or joins the token's own; as long as requests come it lasts, up to
    the stack's `max_ttl`. With `?as=nginx` a 401 stands for whatever `auth_request` does not know; nothing
    else in the query is looked at, since proxies put the visitor's there.
    """
    bell, verdict = _read_binding(front, caller, stack, service)
    if not _is_passive(bell) and (verdict.step is Step.OPEN or verdict.renew is not None):
        bell, verdict = _renew_or_open(front, caller)
    if verdict.step is Step.PASS and bell.hold:
        left = max(0.0, (bell.hold.deadline - front.database.now()).total_seconds())
        headers = {
            "X-Power-Window": bell.hold.window,
            "X-Power-Time-Left": f"{left:.0f}",
            "Cache-Control": "no-store",
        }
        return Response("ready\n", 200, headers, content_type="text/plain; charset=utf-8")
    raise _not_now(bell, verdict)


@routes.add("GET", "/<stack>/<service>/waiting", _NO, scope=tokens.WAKE)
def waiting_page(front: WebContext, caller: Caller, *, stack: str, service: str) -> Response:
    """Show how far a service is, and act on nothing.

    For nginx, which cannot show the answer of an `auth_request` itself.
    """
    raise _not_now(*_read_binding(front, caller, stack, service))


@routes.add(
    "GET",
    "/<stack>/<service>/state",
    {200: Answer("How it stands.", schemas.Wakefulness)} | _NO,
    scope=tokens.WAKE,
)
def wake_state(front: WebContext, caller: Caller, *, stack: str, service: str) -> Response:
    """Tell whether a service is `asleep`, `starting`, `on` or `failing`, and act on nothing."""
    bell, verdict = _read_binding(front, caller, stack, service)
    said = {
        "stack": stack,
        "service": service,
        "state": _STATES[verdict.step],
        "window": bell.hold.window if bell.hold and verdict.step is not Step.OPEN else None,
        "detail": _detail(bell, verdict),
    }
    return responses.json(said)


def _is_passive(bell: WakeBinding) -> bool:
    told = request.headers
    method = "HEAD" if request.method == "HEAD" else told.get("X-Forwarded-Method", request.method)
    purpose = f"{told.get('Sec-Purpose', '')} {told.get('Purpose', '')}"
    agent, address = told.get("User-Agent", ""), told.get("X-Forwarded-Uri", "")
    return only_looks(method, purpose, agent, address, bell.lookers)


def _read_binding(
    front: WebContext, caller: Caller, stack: str, service: str
) -> tuple[WakeBinding, WakeVerdict]:
    def read() -> WakeBinding:
        with front.database.read() as session:
            found = waking.bell(session, caller.name)
        if found is None:
            raise ApiError(problems.OUT_OF_SCOPE, "this token is not bound to any route any more")
        return found

    try:
        bell = front.wake_cache.memory.of(caller.name, read)
    except UnknownStack as refusal:
        raise _refusal_error(refusal) from refusal
    if (bell.stack, bell.service) != (stack, service):
        raise ApiError(
            problems.OUT_OF_SCOPE, f"this token is bound to {bell.stack}/{bell.service} and to nothing else"
        )
    return bell, bell.verdict(front.database.now())


def _renew_or_open(front: WebContext, caller: Caller) -> tuple[WakeBinding, WakeVerdict]:
    database = front.database
    try:
        with database.write() as session:
            bell, new = waking.ring(
                session, caller.name, database.now, wait_for_node=front.settings.wait_for_node
            )
    except Refusal as refusal:
        front.refusals.record(refusal, actor=caller.name, what="wake")
        raise _refusal_error(refusal) from refusal
    if bell is None:
        raise ApiError(problems.OUT_OF_SCOPE, "this token is not bound to any route any more")
    if new is not None and new.state == State.OPENING:
        front.count_unsent(front.dispatch.opening(new.id, new.node))
    return bell, bell.verdict(database.now())


def _refusal_error(refusal: Refusal) -> Exception:
    """In an address, a name that is not there is a thing that is not there."""
    if isinstance(refusal, UnknownStack):
        return ApiError(problems.NO_SUCH_STACK, str(refusal))
    if isinstance(refusal, UnknownServices):
        return ApiError(problems.NO_SUCH_SERVICE, str(refusal))
    if isinstance(refusal, NodeAway):
        return ApiError(
            problems.kind_of(refusal), str(refusal), headers={"Retry-After": problems.NODE_RETRY_AFTER}
        )
    return refusal


def _not_now(bell: WakeBinding, verdict: WakeVerdict) -> ApiError:
    """Where it stands, in plain words; nothing of what the containers said, since visitors are strangers."""
    hold, failed = bell.hold, verdict.step is Step.FAILED
    ready, of = hold.count if hold else (0, 0)
    return ApiError(
        problems.NOT_STARTED if failed else problems.STARTING,
        _detail(bell, verdict),
        headers={"Retry-After": f"{verdict.again:.0f}"},
        stack=bell.stack,
        service=bell.service,
        window=hold.window if hold else None,
        ready=ready if of else None,
        of=of or None,
    )


def _detail(bell: WakeBinding, verdict: WakeVerdict) -> str:
    name, hold = bell.service, bell.hold
    if verdict.step is Step.FAILED:
        pause = durations.show_spaced(verdict.again)
        return f"{name} could not be started; it will be tried again in {pause} at the earliest"
    if verdict.step is Step.OPEN or hold is None:
        return f"{name} is asleep, and starts when somebody visits"
    if verdict.step is Step.PASS:
        return f"{name} is ready"
    if hold.state is State.WAITING:
        return f"{name} waits for its host, which does not answer"
    if hold.state is State.OPEN:
        return f"{name} was ready and is recovering"
    ready, of = hold.count
    return f"{name} is starting" + (f": {ready} of {of} services are ready" if of > 1 else "")
