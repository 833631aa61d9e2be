"""For who runs it: alive, ready, and figures. None takes a token, and none says whose windows there are."""

from __future__ import annotations

from flask import Response

from app.web import metrics as gauges
from app.web import problems, responses, schemas
from app.web.context import WebContext
from app.web.problems import DATABASE_ERRORS, RETRY_AFTER
from app.web.routes import Answer, Routes

routes = Routes("operation")


@routes.add("GET", "/healthz", {200: Answer("This process answers.", schemas.Alive)}, tokened=False)
def healthz(_front: WebContext) -> Response:
    """Say that this process is alive."""
    return responses.json({"status": "ok"})


@routes.add(
    "GET",
    "/readyz",
    {
        200: Answer("Ready; what is degraded is named.", schemas.Readiness),
        503: Answer("Not ready.", schemas.Readiness),
    },
    tokened=False,
)
def readyz(front: WebContext) -> Response:
    """Say whether the service is ready.

    It is while the database answers; a standalone that has just started is once its worker serves its stacks.
    """
    try:
        found = front.readiness.look()
    except DATABASE_ERRORS as error:
        found = front.readiness.away(problems.away_detail(error))
    if found["ready"]:
        return responses.json(found)
    return responses.json(found, 503, {"Retry-After": RETRY_AFTER})


@routes.add("GET", "/metrics", {200: Answer("For Prometheus.", media="text/plain")}, tokened=False)
def metrics(front: WebContext) -> Response:
    """Show the figures."""
    return Response(front.gauges.text(), content_type=gauges.MEDIA)
