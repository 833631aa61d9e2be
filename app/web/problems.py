"""Every refusal and error as RFC 9457 problem details, in one table.

A refusal of the domain has a reason; this module adds its status and stable type. Every other exception
becomes one of API_PROBLEMS, so that no response has status 500.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask, Response
from gunicorn.http.errors import ParseException
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from app.domain import errors, intent_errors, namespace_errors, notice_errors, run_errors
from app.domain.errors import Refusal
from app.store.database import DatabaseUnusable
from app.web.viewing import current_viewer

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
DATABASE_ERRORS = (OperationalError, InterfaceError, PoolTimeout)
"""The exceptions of the store while the database does not answer."""
RETRY_AFTER = "2"
NODE_RETRY_AFTER = "30"
"""Seconds after which a request for a node that is away may be sent again."""
NAME = 120
"""Characters of a name, at most."""
BODY = 64 * 1024
"""Bytes of a body, at most."""
UNPARSED = "the chunks of the body cannot be read"


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table. `name` is the end of the type's URI and never changes."""

    status: int
    name: str
    title: str

    @property
    def uri(self) -> str:
        """The `type` of the problem."""
        return f"/problems/{self.name}"


UNREADABLE = Kind(400, "unreadable", "The request cannot be read")
BAD_TOKEN = Kind(401, "bad-token", "No token, or one that is not known here")
OUT_OF_SCOPE = Kind(403, "out-of-scope", "This token is for another purpose")
NOT_ALLOWED = Kind(403, "not-allowed", "This service may not be powered")
UNKNOWN_WINDOW = Kind(404, "unknown-window", "There is no such window")
NO_SUCH_STACK = Kind(404, "no-such-stack", "There is no such stack")
NO_SUCH_SERVICE = Kind(404, "no-such-service", "The stack has no such service")
NAMESPACES_OFF = Kind(409, "namespaces-off", "Namespaces are off")
INTENTS_OFF = Kind(409, "intents-off", "Intents are off")
NO_SUCH_ROUTE = Kind(404, "no-such-route", "There is nothing at this address")
NO_SUCH_METHOD = Kind(405, "no-such-method", "This address does not accept that method")
CONFLICT = Kind(409, "conflict", "The window's state does not permit it")
TOO_LARGE = Kind(413, "too-large", "The body is too large")
INVALID = Kind(422, "invalid", "Well-formed, but invalid")
TOO_MANY = Kind(429, "too-many", "Too many requests at the same time")
BAD_TOKENS = Kind(429, "too-many-bad-tokens", "Too many unknown tokens came from this address")
DATABASE_AWAY = Kind(503, "database-away", "The database does not answer")
LOGS_UNREAD = Kind(503, "logs-unread", "The worker of the window's node did not answer")
STARTING = Kind(503, "starting", "The service is starting")
NOT_STARTED = Kind(503, "not-started", "The service could not be started")
FAULT = Kind(503, "fault", "The server failed")

TABLE: Mapping[type[Refusal], Kind] = {
    errors.UnknownWindow: UNKNOWN_WINDOW,
    # An unknown stack in a body is an invalid value; only in a path it is 404.
    errors.UnknownStack: Kind(422, "unknown-stack", "There is no stack of that name"),
    namespace_errors.UnknownNamespace: Kind(422, "unknown-namespace", "There is no namespace of that name"),
    errors.StackNeeded: Kind(422, "stack-needed", "It is not clear which stack is meant"),
    errors.NoStackHasAll: Kind(422, "no-stack-has-all", "The services are on different stacks"),
    errors.NothingAsked: Kind(422, "nothing-asked", "No service was named"),
    errors.UnknownServices: Kind(422, "unknown-services", "The stack has no such service"),
    errors.ServicesOfNoStack: Kind(422, "services-of-no-stack", "No stack has such a service"),
    errors.BadTTL: Kind(422, "bad-ttl", "Not a positive number of seconds"),
    errors.TTLTooLong: Kind(422, "ttl-too-long", "Longer than the stack permits"),
    errors.NotInWindow: Kind(422, "not-in-window", "The window does not hold this service"),
    errors.KeyReused: Kind(422, "key-reused", "The Idempotency-Key was used with another body"),
    run_errors.InvalidScenario: Kind(422, "invalid-scenario", "The scenario has faults"),
    run_errors.CheckOutsideWindow: Kind(
        422, "check-outside-window", "A check of a service outside the window"
    ),
    errors.NotAllowed: NOT_ALLOWED,
    errors.TimeIsUp: Kind(409, "time-is-up", "The window has ended or is ending"),
    errors.WouldShorten: Kind(409, "would-shorten", "An extension may not shorten a window"),
    errors.StackRejected: Kind(409, "stack-rejected", "The stack's worker rejected its files"),
    errors.NodeAway: Kind(503, "node-away", "The stack's node is away"),
    run_errors.UnknownRun: Kind(404, "unknown-run", "There is no such run"),
    run_errors.ImageNotPermitted: Kind(422, "image-not-permitted", "power.toml does not permit this image"),
    run_errors.ImageOutsideWindow: Kind(
        422, "image-outside-window", "An image for a service outside the window"
    ),
    run_errors.ImageInUse: Kind(409, "image-in-use", "A run has the service run another image"),
    run_errors.HeldElsewhere: Kind(409, "held-elsewhere", "Another window holds the service"),
    run_errors.TooManyRuns: Kind(409, "too-many-runs", "The node has too many unfinished runs"),
    run_errors.NoReport: Kind(409, "no-report", "The run has no report"),
    intent_errors.UnknownIntent: Kind(404, "unknown-intent", "There is no such intent"),
    intent_errors.UnknownIntentRequest: Kind(404, "unknown-intent-request", "There is no such request"),
    intent_errors.IntentStackNeeded: Kind(422, "intent-stack-needed", "Several stacks have this intent"),
    intent_errors.UntilPassed: Kind(422, "until-passed", "That time has passed"),
    intent_errors.TwoEnds: Kind(422, "two-ends", "A length and an end were given"),
    intent_errors.OwnRequest: Kind(403, "own-request", "Another token has to approve it"),
    intent_errors.NotWaiting: Kind(409, "not-waiting", "The request waits for no approval"),
    intent_errors.TooManyRequests: Kind(
        409, "too-many-requests", "The node has too many unfinished requests"
    ),
    notice_errors.UnknownNotice: Kind(404, "unknown-notice", "There is no such notification"),
    notice_errors.NoticeDelivered: Kind(409, "notice-delivered", "The notification was delivered already"),
    errors.UnknownToken: Kind(404, "unknown-token", "There is no such token"),
    errors.NotDisplaced: Kind(409, "not-displaced", "The stack is served where it is held"),
    errors.TokenExists: Kind(409, "token-exists", "There is a token of that name already"),
    errors.LastToken: Kind(409, "last-token", "It is the last token with full access"),
    errors.WhichWindow: Kind(409, "which-window", "It is not clear which window is meant"),
}
_FALLBACK: Mapping[type[Refusal], Kind] = {
    errors.Unknown: UNKNOWN_WINDOW,
    errors.Conflict: CONFLICT,
    errors.Refusal: INVALID,
}
API_PROBLEMS = (
    UNREADABLE,
    BAD_TOKEN,
    OUT_OF_SCOPE,
    NO_SUCH_STACK,
    NO_SUCH_SERVICE,
    NAMESPACES_OFF,
    INTENTS_OFF,
    NO_SUCH_ROUTE,
    NO_SUCH_METHOD,
    TOO_LARGE,
    INVALID,
    TOO_MANY,
    BAD_TOKENS,
    DATABASE_AWAY,
    LOGS_UNREAD,
    STARTING,
    NOT_STARTED,
    FAULT,
)


class ApiError(Exception):
    """A refusal by the web server itself, not by a use case."""

    def __init__(
        self, kind: Kind, detail: str, *, headers: Mapping[str, str] | None = None, **facts: Any
    ) -> None:
        super().__init__(detail)
        self.kind, self.headers, self.facts = kind, dict(headers or {}), facts


def kind_of(refusal: Refusal) -> Kind:
    """The kind of problem that a refusal is."""
    for ancestor in type(refusal).__mro__:
        if kind := TABLE.get(ancestor) or _FALLBACK.get(ancestor):
            return kind
    return INVALID


def answer(kind: Kind, detail: str, *, headers: Mapping[str, str] | None = None, **facts: Any) -> Response:
    """The problem as a response; facts that are None are left out."""
    viewer = current_viewer()
    sentence = viewer.shorten_sentence(detail)
    fixed = {"type": kind.uri, "title": kind.title, "status": kind.status, "detail": sentence}
    # A fact never replaces a standard member.
    body = viewer.shorten_facts({name: value for name, value in facts.items() if value is not None}) | fixed
    return Response(json.dumps(body, default=str), kind.status, headers, content_type=PROBLEM_JSON)


def install(app: Flask) -> None:
    """Have the application answer every refusal and error with a problem."""
    app.register_error_handler(ApiError, _answer_api_error)
    app.register_error_handler(Refusal, _answer_refusal)
    app.register_error_handler(HTTPException, answer_http_error)
    for away in DATABASE_ERRORS:
        app.register_error_handler(away, _answer_database_away)
    app.register_error_handler(RecursionError, _answer_nested_body)
    app.register_error_handler(ParseException, _answer_unparsed_body)
    app.register_error_handler(Exception, _answer_fault)


def _answer_api_error(error: ApiError) -> Response:
    return answer(error.kind, str(error), headers=error.headers, **error.facts)


def _answer_refusal(refusal: Refusal) -> Response:
    kind = kind_of(refusal)
    headers = {"Retry-After": NODE_RETRY_AFTER} if kind.status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return answer(kind, str(refusal), headers=headers, field=refusal.field, **_without_field(refusal.facts))


def _without_field(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in facts.items() if name not in {"field", "kind", "detail", "headers"}
    }


def answer_http_error(error: HTTPException) -> Response | HTTPException:
    """An error of Flask itself as a problem; a redirect stays as it is."""
    if isinstance(error, RequestEntityTooLarge):
        return answer(
            TOO_LARGE, f"the body is over {BODY} bytes", limit=BODY, headers={"Connection": "close"}
        )
    if isinstance(error, MethodNotAllowed):
        allowed = sorted(error.valid_methods or ())
        headers = {"Allow": ", ".join(allowed)}
        return answer(NO_SUCH_METHOD, f"use {' or '.join(allowed)} here", headers=headers, allowed=allowed)
    code = error.code or HTTPStatus.BAD_REQUEST
    if code < HTTPStatus.BAD_REQUEST:
        return error
    if code == HTTPStatus.NOT_FOUND:
        return answer(NO_SUCH_ROUTE, "there is nothing at this address; /docs lists what there is")
    return answer(Kind(code, "unreadable", error.name), error.description or error.name)


def _answer_database_away(error: Exception) -> Response:
    log.warning("the database does not answer: %s", str(error).partition("\n")[0])
    detail = f"{away_detail(error)}; nothing was changed"
    return answer(DATABASE_AWAY, detail, headers={"Retry-After": RETRY_AFTER})


def away_detail(error: Exception) -> str:
    """The detail of a database outage for clients, without the paths of its files."""
    if isinstance(error, DatabaseUnusable):
        return "the database cannot be used (`power doctor` on its host says how to mend it)"
    return "the database does not answer"


def _answer_nested_body(_error: RecursionError) -> Response:
    return answer(UNREADABLE, "the body is nested too deeply")


def _answer_unparsed_body(_error: ParseException) -> Response:
    """Bytes after an unreadable body cannot be parsed, so the connection is closed."""
    return answer(UNREADABLE, UNPARSED, headers={"Connection": "close"})


def _answer_fault(error: Exception) -> Response:
    """A fault of the server: its log has the cause, the client may try again."""
    log.error("a request failed", exc_info=error)
    detail = "the server failed, and the cause is in its log; please try again"
    return answer(FAULT, detail, headers={"Retry-After": RETRY_AFTER})
