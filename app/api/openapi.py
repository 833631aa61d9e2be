"""The specification, made from the same declarations that serve the requests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.routes import JSON, Answer, Route

VERSION = "0.1.0"
_PLACE = "#/components/schemas/{model}"
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "field": {"type": "string"},
    },
    "additionalProperties": True,
}
_ALWAYS = (503,)
_TOKENED = (401,)
_WITH_BODY = (400, 413, 422)


def specification(routes: Iterable[Route]) -> dict[str, Any]:
    """OpenAPI 3.1 for these routes."""
    routes = list(routes)
    names, schemas = _schemas(routes)
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(_path(route), {})[route.method.lower()] = _operation(route, names)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Power Windows", "version": VERSION, "summary": "Timed leases on Compose services"},
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Problem": _PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "token": {"type": "apiKey", "in": "header", "name": "X-VX11-Token"},
            },
        },
    }


def _models(route: Route) -> list[type[BaseModel]]:
    answered = [answer.model for answer in route.answers.values()]
    return [model for model in (route.body, *answered) if model is not None]


def _schemas(routes: list[Route]) -> tuple[dict[type[BaseModel], dict[str, Any]], dict[str, Any]]:
    models = list(dict.fromkeys(model for route in routes for model in _models(route)))
    found, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_PLACE)
    return {model: found[model, "validation"] for model in models}, definitions.get("$defs", {})


def _path(route: Route) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)


def _operation(route: Route, names: dict[type[BaseModel], dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": route.description,
        "tags": [route.tag],
        "parameters": [*_in_path(route), *_in_query(route), *_in_headers(route)],
        "responses": _responses(route, names),
        "security": [{"bearer": []}, {"token": []}] if route.tokened else [],
    }
    if route.body:
        found["requestBody"] = {"content": {JSON: {"schema": names[route.body]}}}
    return found


def _in_path(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", _path(route))
    ]


def _in_query(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema(ref_template=_PLACE)
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": one,
            "description": one.get("description", ""),
        }
        for name, one in schema.get("properties", {}).items()
    ]


def _in_headers(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": header.name, "in": "header", "description": header.says, "schema": {"type": "string"}}
        for header in route.headers
    ]


def _responses(route: Route, names: dict[type[BaseModel], dict[str, Any]]) -> dict[str, Any]:
    found = {str(status): _answer(answer, names) for status, answer in route.answers.items()}
    refused = {
        *route.refuses,
        *_ALWAYS,
        *(_TOKENED if route.tokened else ()),
        *(_WITH_BODY if route.body else ()),
    }
    for status in sorted(refused):
        content = {"application/problem+json": {"schema": {"$ref": _PLACE.format(model="Problem")}}}
        found.setdefault(str(status), {"description": "A problem, in words and data", "content": content})
    return found


def _answer(answer: Answer, names: dict[type[BaseModel], dict[str, Any]]) -> dict[str, Any]:
    schema = names[answer.model] if answer.model else {}
    content = {answer.media: {"schema": schema}, **{media: {} for media in answer.also}}
    headers = {
        name: {"description": says, "schema": {"type": "string"}} for name, says in answer.headers.items()
    }
    return {"description": answer.says, "content": content, "headers": headers}
