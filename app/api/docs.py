"""The specification for programs, and the same for people: one page, nothing fetched from elsewhere."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, current_app, render_template

from app.api.front import Front
from app.api.openapi import specification
from app.api.routes import JSON, Answer, Routes

routes = Routes("docs")


@routes.add("GET", "/openapi.json", {200: Answer("The specification, OpenAPI 3.1")}, tokened=False)
def openapi(_front: Front) -> Response:
    """What this interface takes and answers, for programs."""
    return Response(json.dumps(_specification(), default=str), content_type=JSON)


@routes.add("GET", "/docs", {200: Answer("The page", media="text/html")}, tokened=False)
def docs(_front: Front) -> Response:
    """What this interface takes and answers, for people."""
    return Response(
        render_template("docs.html", spec=_specification()), content_type="text/html; charset=utf-8"
    )


def _specification() -> dict[str, Any]:
    return specification(current_app.extensions["power-windows-routes"])
