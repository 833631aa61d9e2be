"""The specification, made from the declared routes, so it has exactly the routes that are served."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from app.web import problems, schemas
from app.web.routes import JSON, Answer, ApiRoute, Header

_REF = "#/components/schemas/{model}"
_PATH = re.compile(r"<(?:\w+:)?(\w+)>")
_DESCRIPTION = """Timed leases, with an owner, on Docker Compose services: off until needed,
off again afterwards.

Every route takes a token, as `Authorization: Bearer TOKEN` or `X-VX11-Token: TOKEN`, except those of
*operation* and this page; those of *wake* take a token that is bound to them. Times are ISO 8601 in UTC
with milliseconds. Lists answer with `items` and `next`; send `next` as `cursor` (of the trail:
`after`) to get the next page. Errors are problem details (RFC 9457): test their `type`."""

_REFUSAL_DESCRIPTIONS = {
    400: "It cannot be read.",
    401: "No token, or an unknown one.",
    403: "A service that may not be powered, or a token for another purpose.",
    404: "There is no such thing.",
    409: "In conflict with the window's state.",
    413: f"The body is over {problems.BODY} bytes.",
    422: "Well-formed, but invalid; the field and the valid values are named.",
    429: "Too many requests at the same time, or too many unknown tokens; `Retry-After` says when to retry.",
    503: "The database or a stack's node is away; `Retry-After` says when to retry.",
}


def specification(routes: Iterable[ApiRoute]) -> dict[str, Any]:
    """OpenAPI 3.1, as plain values."""
    routes = list(routes)
    schemes, components = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(path_template(route.path), {})[route.method.lower()] = _operation(route, schemes)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Power Windows", "version": "1", "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "token": {"type": "apiKey", "in": "header", "name": "X-VX11-Token"},
            },
        },
        "security": [{"bearer": []}, {"token": []}],
    }


def path_template(path: str) -> str:
    """A route's path as the specification writes it: `/windows/{window}`."""
    return _PATH.sub(r"{\1}", path)


_Schemes = Mapping[type[BaseModel], dict[str, Any]]


def _schemas(routes: list[ApiRoute]) -> tuple[_Schemes, dict[str, Any]]:
    request_models = {model for route in routes for model in (route.body, route.query) if model}
    response_models = {answer.model for route in routes for answer in route.answers.values() if answer.model}
    json_schemas = _json_schemas(request_models, "validation") | _json_schemas(
        {*response_models, schemas.Problem}, "serialization"
    )
    shared: dict[str, Any] = {}
    for schema in json_schemas.values():
        shared |= schema.pop("$defs", {})
    # A query's members are listed one by one among the parameters; other models are referred to.
    shared |= {
        model.__name__: schema
        for model, schema in json_schemas.items()
        if not issubclass(model, schemas.Query)
    }
    places = {
        model: schema if issubclass(model, schemas.Query) else {"$ref": _REF.format(model=model.__name__)}
        for model, schema in json_schemas.items()
    }
    return places, dict(sorted(shared.items()))


def _json_schemas(
    models: set[type[BaseModel]], mode: JsonSchemaMode
) -> dict[type[BaseModel], dict[str, Any]]:
    return {model: model.model_json_schema(ref_template=_REF, mode=mode) for model in models}


def _operation(route: ApiRoute, schemes: _Schemes) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": route.name, "tags": [route.tag], "summary": route.summary}
    if route.description:
        operation["description"] = route.description
    if parameters := _parameters(route, schemes):
        operation["parameters"] = parameters
    if route.body:
        required = any(field.is_required() for field in route.body.model_fields.values())
        operation["requestBody"] = {
            "required": required,
            "content": {JSON: {"schema": schemes[route.body]}},
        }
    if not route.tokened:
        operation["security"] = []
    operation["responses"] = _responses(route, schemes)
    return operation


def _parameters(route: ApiRoute, schemes: _Schemes) -> list[dict[str, Any]]:
    path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PATH.findall(route.path)
    ]
    return path + _query(route, schemes) + [_header(header) for header in route.headers]


def _query(route: ApiRoute, schemes: _Schemes) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    return [
        {"name": name, "in": "query", "description": schema.get("description", ""), "schema": schema}
        for name, schema in schemes[route.query]["properties"].items()
    ]


def _header(header: Header) -> dict[str, Any]:
    return {"name": header.name, "in": "header", "description": header.says, "schema": {"type": "string"}}


def _responses(route: ApiRoute, schemes: _Schemes) -> dict[str, Any]:
    good = {str(status): _response(answer, schemes) for status, answer in route.answers.items()}
    problem = {problems.PROBLEM_JSON: {"schema": schemes[schemas.Problem]}}
    bad = {
        str(status): {"description": _REFUSAL_DESCRIPTIONS[status], "content": problem}
        for status in _refusal_statuses(route)
    }
    return dict(sorted({**bad, **good}.items()))


def _refusal_statuses(route: ApiRoute) -> set[int]:
    of_body = {400, 413, 422} if route.body else set()
    of_query = {422} if route.query or route.headers else set()
    of_token = {401, 403, 429, 503} if route.tokened else set()
    return {*route.refuses} | of_body | of_query | of_token


def _response(answer: Answer, schemes: _Schemes) -> dict[str, Any]:
    schema = schemes[answer.model] if answer.model else {"type": "string"}
    content = {answer.media: {"schema": schema}}
    content |= {
        media: {"schema": {"type": "string", "description": says}} for media, says in answer.also.items()
    }
    response: dict[str, Any] = {"description": answer.says, "content": content}
    if answer.headers:
        response["headers"] = {
            name: {"description": says, "schema": {"type": "string"}} for name, says in answer.headers.items()
        }
    return response
