"""Pages as data: each behind a session, so each is told who looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import g, render_template
from werkzeug.wrappers import Response as AnyResponse

Said = AnyResponse | str | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Page:
    """`run(front, caller, **path)`. A `part` is fetched by a page that is open already."""

    method: str
    path: str
    run: Callable[..., Said]
    part: bool

    @property
    def name(self) -> str:
        """The name of the view function."""
        return self.run.__name__


class Pages:
    """The pages of one module, as they are declared."""

    def __init__(self) -> None:
        self.all: list[Page] = []

    def add(
        self, method: str, path: str, *, part: bool = False
    ) -> Callable[[Callable[..., Said]], Callable[..., Said]]:
        """Register a page; `part` is one that is put into another page."""

        def keep(run: Callable[..., Said]) -> Callable[..., Said]:
            self.all.append(Page(method, path, run, part))
            return run

        return keep


def render_page(template: str, **said: object) -> str:
    """A page in the frame of the signed-in caller."""
    return render_template(template, session=g.session, **said)
