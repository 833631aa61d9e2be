"""The specification, for programs at `/openapi.json` and for people at `/docs`.

The page is made from the same specification and loads nothing from another server.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from html import escape
from typing import Any

from flask import Response, current_app, request

from app.web import problems, responses
from app.web.context import WebContext
from app.web.routes import Answer, Routes

routes = Routes("operation")

_STYLE = """
:root { color-scheme: light dark; --soft: #8884; --accent: #2a7de1; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.9em ui-monospace, monospace; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--soft); }
section { border: 1px solid var(--soft); border-radius: 6px; padding: 0 1rem 1rem; margin: 1rem 0; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: 0.2rem 1rem 0.2rem 0; }
td, th { border-top: 1px solid var(--soft); }
a { color: var(--accent); }
.verb { color: var(--accent); font-weight: bold; }
.soft { opacity: 0.7; }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
}


def _specification() -> dict[str, Any]:
    document: dict[str, Any] = current_app.extensions["power-windows-specification"]()
    return document


@cache
def _page() -> str:
    return "".join(_html(_specification()))


@routes.add("GET", "/openapi.json", {200: Answer("OpenAPI 3.1.")}, tokened=False)
def openapi_json(_context: WebContext) -> Response:
    """The specification, for programs."""
    return responses.json({**_specification(), "servers": [{"url": request.script_root or "/"}]})


@routes.add("GET", "/docs", {200: Answer("A page.", media="text/html")}, tokened=False)
def docs(_context: WebContext) -> Response:
    """The specification, for people."""
    return Response(_page(), headers=_POLICY, content_type="text/html; charset=utf-8")


def _html(spec: dict[str, Any]) -> Iterator[str]:
    yield "<!doctype html><html lang=en><meta charset=utf-8><title>Power Windows: the API</title>"
    yield f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
    yield "<h1>Power Windows: the API</h1>"
    for paragraph in spec["info"]["description"].split("\n\n"):
        yield f"<p>{_prose(paragraph)}"
    yield "<p>For programs: <a href=openapi.json>openapi.json</a>"
    for tag in dict.fromkeys(operation["tags"][0] for _, _, operation in _operations(spec)):
        yield f"<h2 id=tag-{escape(tag)}>{escape(tag.capitalize())}</h2>"
        for verb, path, operation in _operations(spec):
            if operation["tags"][0] == tag:
                yield from _operation(verb, path, operation)
    yield "<h2 id=problems>Problems</h2>"
    yield from _table(("type", "status", "means"), _problems())
    yield "<h2 id=schemas>Schemas</h2>"
    for name, schema in spec["components"]["schemas"].items():
        yield from _schema(name, schema)


def _operations(spec: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, verbs in spec["paths"].items():
        for verb, operation in verbs.items():
            yield verb.upper(), path, operation


def _operation(verb: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<section id={operation['operationId']}>"
    yield f"<h3><span class=verb>{verb}</span> <code>{escape(path)}</code></h3>"
    yield f"<p>{_prose(operation['summary'])}. {_prose(operation.get('description', ''))}"
    if operation.get("security") == []:
        yield "<p class=soft>Takes no token."
    if parameters := operation.get("parameters"):
        yield from _table(("parameter", "in", "type", ""), map(_parameter, parameters))
    if body := operation.get("requestBody"):
        yield f"<p>Body: {_types(body['content'])}{'' if body['required'] else ', may be left out'}"
    answers = operation["responses"].items()
    rows = [(status, _prose(one["description"]), _types(one["content"])) for status, one in answers]
    yield from _table(("answer", "", ""), rows)
    yield "</section>"


def _parameter(one: dict[str, Any]) -> tuple[str, ...]:
    return escape(one["name"]), one["in"], _type(one["schema"]), _prose(one.get("description", ""))


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"<section id=schema-{escape(name)}><h3><code>{escape(name)}</code></h3>"
    yield f"<p>{_prose(schema.get('description', ''))}"
    if "enum" in schema:
        yield f"<p>{' · '.join(f'<code>{escape(str(word))}</code>' for word in schema['enum'])}"
    required = schema.get("required", [])
    rows = [
        (
            f"<code>{escape(member)}</code>",
            _type(one) + ("" if member in required else " <span class=soft>may be left out</span>"),
            _prose(one.get("description", "")),
        )
        for member, one in schema.get("properties", {}).items()
    ]
    if rows:
        yield from _table(("member", "type", ""), rows)
    yield "</section>"


def _problems() -> Iterator[tuple[str, str, str]]:
    for kind in sorted(
        {*problems.TABLE.values(), *problems.API_PROBLEMS}, key=lambda kind: (kind.status, kind.name)
    ):
        yield f"<code>{kind.uri}</code>", str(kind.status), escape(kind.title)


def _table(heads: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield "<table><tr>" + "".join(f"<th>{head}" for head in heads)
    for row in rows:
        yield "<tr>" + "".join(f"<td>{cell}" for cell in row)
    yield "</table>"


def _types(content: dict[str, Any]) -> str:
    return "; ".join(f"<code>{escape(media)}</code> {_type(one['schema'])}" for media, one in content.items())


def _type(schema: dict[str, Any]) -> str:
    if ref := schema.get("$ref"):
        name = escape(ref.rpartition("/")[2])
        return f"<a href='#schema-{name}'>{name}</a>"
    if options := schema.get("anyOf"):
        return " or ".join(_type(option) for option in options)
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if isinstance(values := schema.get("additionalProperties"), dict):
        return f"by name: {_type(values)}"
    return escape(str(schema.get("type", "anything")))


def _prose(text: str) -> str:
    """Text as HTML, with `code` between backquotes as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(parts))
