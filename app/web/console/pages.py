"""Pages as data; each needs a session and gets its caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import g, render_template
from werkzeug.wrappers import Response as AnyResponse

PageResponse = AnyResponse | str | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Page:
    """`run(context, caller, **path)`. A `part` is fetched by a page that is open already."""

    method: str
    path: str
    run: Callable[..., PageResponse]
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
    ) -> Callable[[Callable[..., PageResponse]], Callable[..., PageResponse]]:
        """Register a page; `part` means that another page fetches it."""

        def keep(run: Callable[..., PageResponse]) -> Callable[..., PageResponse]:
            self.all.append(Page(method, path, run, part))
            return run

        return keep


def render_page(template: str, **values: object) -> str:
    """A page in the frame of the signed-in caller."""
    return render_template(template, session=g.session, **values)
