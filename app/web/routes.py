"""Routes as data: one declaration is both what the server serves and what the specification describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flask import Response
from pydantic import BaseModel

from app.store.tokens import ADMIN

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """One successful response of a route."""

    says: str
    model: type[BaseModel] | None = None
    media: str = JSON
    also: Mapping[str, str] = field(default_factory=dict)
    """Descriptions by further media type that the client may request."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Header:
    """A request header that a route reads."""

    name: str
    says: str


PREFER = Header("Prefer", "`wait=N`: answer when the outcome is known, or after N seconds (60 at most).")
KEY = Header("Idempotency-Key", "A repeat with this key answers with the first window (per token, 24 hours).")
LAST_EVENT = Header("Last-Event-ID", "Resume after this event, missing nothing.")


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """`run(context, caller, **path, body=, query=)`; a route without a token gets no caller."""

    method: str
    path: str
    run: Callable[..., Response]
    answers: Mapping[int, Answer]
    tag: str
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    headers: tuple[Header, ...] = ()
    refuses: tuple[int, ...] = ()
    tokened: bool = True
    scope: str = ADMIN
    """The scope that the token must have."""
    approver: bool = False
    """An approver's token will do as well."""

    @property
    def name(self) -> str:
        """The name of the view function."""
        return self.run.__name__

    @property
    def summary(self) -> str:
        """The first line of the view's docstring, as the specification shows it."""
        return (self.run.__doc__ or self.name).strip().partition("\n")[0].rstrip(".")

    @property
    def description(self) -> str:
        """The rest of the view's docstring."""
        lines = (self.run.__doc__ or "").strip().splitlines()[1:]
        return "\n".join(line.strip() for line in lines).strip()


class Routes:
    """The routes of one module, in the order of their declaration."""

    def __init__(self, tag: str, prefix: str = "") -> None:
        self.tag, self.prefix = tag, prefix
        self.all: list[ApiRoute] = []

    def add(
        self,
        method: str,
        path: str,
        answers: Mapping[int, Answer],
        *,
        body: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        headers: tuple[Header, ...] = (),
        refuses: tuple[int, ...] = (),
        tokened: bool = True,
        scope: str = ADMIN,
        approver: bool = False,
    ) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
        """Register a function as a route of the API, with its description for the specification."""

        def keep(run: Callable[..., Response]) -> Callable[..., Response]:
            route = ApiRoute(
                method,
                self.prefix + path,
                run,
                answers,
                self.tag,
                body,
                query,
                headers,
                refuses,
                tokened,
                scope,
                approver,
            )
            self.all.append(route)
            return run

        return keep
