"""A caller of the API that checks every answer against the specification."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from app.task_queue import Dispatch
from app.web import problems, schemas
from app.web.api import openapi

V1 = "/api/v1"


class Remembering(Dispatch):
    """A broker that is only told, and may be away."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[Any], str]] = []
        self.shown: list[str] = []
        self.away = False

    def nudge(self, name: str, args: list[Any], to: str, label: str = "") -> bool:
        if not self.away:
            self.sent.append((name, args, to))
            self.shown.append(label)
        return not self.away

    def depths(self, names: Sequence[str]) -> dict[str, int]:
        return {} if self.away else dict.fromkeys(names, len(self.sent))

    def fault(self) -> str | None:
        return "connection refused" if self.away else None


class Answer(TestResponse):
    """An answer whose JSON is taken as it comes, and whose media type is known."""

    @property
    def json(self) -> Any:
        return self.get_json()

    @property
    def media(self) -> str:
        return self.mimetype or ""


@dataclass
class Caller:
    """One token and one front. Paths are below `/api/v1` unless they begin elsewhere."""

    client: FlaskClient
    token: str
    checked: set[tuple[str, str, int]] = field(default_factory=set)
    """What has been seen of the specification: path, method, status."""

    @classmethod
    def of(cls, app: Flask, token: str) -> Caller:
        return cls(FlaskClient(app, Answer), token)

    def get(self, path: str, **rest: Any) -> Answer:
        return self.call("GET", path, **rest)

    def post(self, path: str, body: Any = None, **rest: Any) -> Answer:
        return self.call("POST", path, body, **rest)

    def patch(self, path: str, body: Any = None, **rest: Any) -> Answer:
        return self.call("PATCH", path, body, **rest)

    def call(self, method: str, path: str, body: Any = None, **rest: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"} | rest.pop("headers", {})
        if body is not None:
            rest["json"] = body
        answer = self.open(method, self.at(path), headers=headers, **rest)
        self._check(method, answer)
        return answer

    def open(self, method: str, path: str, **rest: Any) -> Answer:
        """Just what is said: no token, no prefix, and nothing checked."""
        answer = self.client.open(path, method=method, **rest)
        assert isinstance(answer, Answer)
        return answer

    def at(self, path: str) -> str:
        elsewhere = (
            "/madre",
            "/healthz",
            "/readyz",
            "/metrics",
            "/openapi.json",
            "/docs",
            "/api",
            "/wake",
            "//",
        )
        return path if path.startswith(elsewhere) else V1 + path

    def _specification(self) -> Any:
        """The specification of the application that is called."""
        return self.client.application.extensions["power-windows-specification"]()

    def _check(self, method: str, answer: Answer) -> None:
        """Is this an answer that the specification knows, in the shape it says?"""
        assert answer.status_code < 500 or answer.status_code == 503, answer.text
        try:
            rule, _ = self.client.application.url_map.bind("").match(
                answer.request.path, method, return_rule=True
            )
        except HTTPException:
            assert answer.content_type == problems.PROBLEM_JSON
            return
        path = openapi.path_template(rule.rule)
        operation = self._specification()["paths"][path][method.lower()]
        documented = operation["responses"].get(str(answer.status_code))
        assert documented, f"{method} {path} answers {answer.status_code}, which is not in the specification"
        self.checked.add((path, method, answer.status_code))
        content = documented["content"].get(answer.media)
        assert content, f"{method} {path} answers {answer.media}, which is not in the specification"
        if "json" in answer.media and "ndjson" not in answer.media and "$ref" in content["schema"]:
            model = getattr(schemas, content["schema"]["$ref"].rpartition("/")[2])
            model.model_validate_json(answer.data)


def lines(answer: Answer) -> list[Any]:
    return [json.loads(line) for line in answer.text.splitlines()]
