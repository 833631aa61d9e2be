"""Opening a window in two steps: what and for how long, then the plan, then the window.

Nothing is kept between the steps but what the form carries. The key that it carries
makes a form that is sent twice one window.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from flask import redirect, request

from app.domain import durations
from app.domain.enums import Role
from app.domain.errors import Refusal
from app.store import stacks
from app.usecases.windows.open import OpeningPlan, OpenRequest, Repeat
from app.web import actions, problems, request_parsing, schemas, stack_views
from app.web.authentication import Caller
from app.web.console.pages import Pages, Said, render_page
from app.web.context import WebContext
from app.web.problems import ApiError

pages = Pages()
_TTLS = ("10m", "30m", "1h", "4h")


@dataclass
class OpenForm:
    """What the form says, as it was typed."""

    stack: str = ""
    services: list[str] = field(default_factory=list)
    ttl: str = ""
    reason: str = ""
    key: str = ""

    @classmethod
    def from_request(cls) -> OpenForm:
        """The form as the browser sent it."""
        form = request.form
        stack = form.get("stack", "")[:200]
        named = (one.partition("/") for one in form.getlist("service")[:200])
        mine = [name for of, _, name in named if not stack or of == stack]
        return cls(
            stack,
            mine,
            form.get("ttl", "")[:100].strip(),
            form.get("reason", "")[:2000],
            form.get("key", "")[:64],
        )

    def ask(self) -> OpenRequest:
        """Raises Turned or a Refusal that names the field."""
        said: dict[str, Any] = {"services": self.services, "reason": self.reason.strip() or None}
        if self.stack:
            said["stack"] = self.stack
        if self.ttl:
            said["ttl_sec"] = seconds(self.ttl)
        body = request_parsing.validate(schemas.Open, said)
        return OpenRequest(body.services, body.stack, body.ttl_sec, body.reason)


def seconds(text: str) -> float:
    """The length in seconds; raises the problem that the form shows."""
    try:
        return durations.parse(text)
    except ValueError as error:
        raise ApiError(problems.INVALID, str(error), field="ttl_sec") from error


@pages.add("GET", "/open")
def open_form(front: WebContext, _caller: Caller) -> Said:
    """Pick services and a time; what the address names is picked already."""
    wish = OpenForm(request.args.get("stack", "")[:200], request.args.getlist("service")[:200])
    return _form(front, wish)


@pages.add("POST", "/open")
def opening(front: WebContext, caller: Caller) -> Said:
    """Show the plan, or open the window that it was shown for."""
    wish = OpenForm.from_request()
    try:
        ask = wish.ask()
        if request.form.get("step") == "open":
            window = actions.open_and_dispatch(front, ask, caller, _once(wish, ask, caller))
            return redirect(f"/windows/{window.id}", 303)
        plan = actions.plan_opening(front, ask, caller)
    except (Refusal, ApiError) as wrong:
        return _form(front, wish, wrong)
    wish.key = secrets.token_hex(16)
    return render_page("plan.html", wish=wish, plan=plan, ends=_ends(plan))


def _ends(plan: OpeningPlan) -> str:
    return durations.show(plan.ttl_sec)


def _once(wish: OpenForm, ask: OpenRequest, caller: Caller) -> Repeat | None:
    if not (wish.key.isascii() and wish.key.isalnum()):
        return None
    meant = json.dumps([list(ask.services), ask.stack, ask.ttl_sec, ask.reason])
    return Repeat(caller.name, f"console-{wish.key}", hashlib.sha256(meant.encode()).hexdigest())


def _form(front: WebContext, wish: OpenForm, wrong: Refusal | ApiError | None = None) -> Said:
    with front.database.read() as session:
        found = stack_views.describe_stacks(session, stacks.every(session), front.database.now())
    for stack in found:
        stack["offered"] = [one for one in stack["services"] if one["role"] == Role.ALLOWED]
    at, status = ("", 200) if wrong is None else _where(wrong)
    page = render_page("open.html", stacks=found, wish=wish, wrong=wrong, at=at, ttls=_TTLS)
    return page, status


def _where(wrong: Refusal | ApiError) -> tuple[str, int]:
    """Which field is at fault, and the status."""
    if isinstance(wrong, ApiError):
        return str(wrong.facts.get("field") or ""), wrong.kind.status
    return wrong.field or "", problems.kind_of(wrong).status
