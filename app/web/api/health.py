"""Liveness, readiness and metrics for operators. They take no token and show no window's owner."""

from __future__ import annotations

from flask import Response, request

from app.domain.viewer import OPERATOR
from app.web import problems, responses, schemas
from app.web.context import WebContext
from app.web.metrics import MEDIA
from app.web.problems import DATABASE_ERRORS, RETRY_AFTER
from app.web.routes import Answer, Routes

routes = Routes("operation")


@routes.add("GET", "/healthz", {200: Answer("This process answers.", schemas.Alive)}, tokened=False)
def healthz(_context: WebContext) -> Response:
    """Tell that this process answers."""
    return responses.json({"status": "ok"})


@routes.add(
    "GET",
    "/readyz",
    {
        200: Answer("Ready; degraded parts are named.", schemas.Readiness),
        503: Answer("Not ready.", schemas.Readiness),
    },
    tokened=False,
)
def readyz(context: WebContext) -> Response:
    """Tell whether the service is ready.

    It is ready while the database answers; a standalone is ready once its worker serves its stacks.
    """
    try:
        report = context.readiness.read_report()
    except DATABASE_ERRORS as error:
        report = context.readiness.away(problems.away_detail(error))
    if report["ready"]:
        return responses.json(report)
    return responses.json(report, 503, {"Retry-After": RETRY_AFTER})


@routes.add("GET", "/metrics", {200: Answer("For Prometheus.", media="text/plain")}, tokened=False)
def metrics(context: WebContext) -> Response:
    """Return the metrics.

    With the feature `namespaces` a token is needed: one of the default namespace reads all metrics, another
    one those of its namespace's stacks.
    """
    viewer = OPERATOR
    if context.settings.features.namespaces:
        viewer = context.authenticator.caller(request).viewer
    return Response(context.metrics.text(viewer), content_type=MEDIA)
