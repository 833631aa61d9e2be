"""Pages as data; each needs a session and gets its caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    admin: bool = False
    """Only for tokens with full access: it shows tokens or facts of the host."""

    @property
    def name(self) -> str:
        """The name of the view function."""
        return self.run.__name__


class Pages:
    """The pages of one module, as they are declared."""

    def __init__(self) -> None:
        self.all: list[Page] = []

    def add(
        self, method: str, path: str, *, part: bool = False, admin: bool = False
    ) -> Callable[[Callable[..., PageResponse]], Callable[..., PageResponse]]:
        """Register a page. `part`: another page fetches it. `admin`: only for tokens with full access."""

        def keep(run: Callable[..., PageResponse]) -> Callable[..., PageResponse]:
            self.all.append(Page(method, path, run, part, admin))
            return run

        return keep


def render_page(template: str, **values: object) -> str:
    """A page in the frame of the signed-in caller."""
    return render_template(template, session=g.session, **values)


def typed_filters(arguments: Mapping[str, str]) -> dict[str, str]:
    """The filters that are not empty; a form sends empty ones too."""
    return {name: value.strip() for name, value in arguments.items() if value.strip()}
