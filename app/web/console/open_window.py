"""Open a window in two steps: the form with services and ttl, then its plan with a button that opens.

The form carries all state between the steps, and an idempotency key, so that a form that is sent twice
opens one window.
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
from app.web.console.pages import PageResponse, Pages, render_page
from app.web.context import WebContext
from app.web.problems import ApiError

pages = Pages()
_TTLS = ("10m", "30m", "1h", "4h")


@dataclass
class OpenForm:
    """The values of the form as they were typed."""

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
        names = [name for of, _, name in named if not stack or of == stack]
        return cls(
            stack,
            names,
            form.get("ttl", "")[:100].strip(),
            form.get("reason", "")[:2000],
            form.get("key", "")[:64],
        )

    def ask(self, caller: Caller) -> OpenRequest:
        """The request of this form; raises ApiError or a Refusal that names the field."""
        values: dict[str, Any] = {"services": self.services, "reason": self.reason.strip() or None}
        if self.stack:
            values["stack"] = self.stack
        if self.ttl:
            values["ttl_sec"] = seconds(self.ttl)
        body = request_parsing.validate(schemas.Open, values)
        return OpenRequest(body.services, caller.stack_id_or_none(body.stack), body.ttl_sec, body.reason)


def seconds(text: str) -> float:
    """The duration in seconds; raises ApiError with the valid forms."""
    try:
        return durations.parse(text)
    except ValueError as error:
        raise ApiError(problems.INVALID, str(error), field="ttl_sec") from error


@pages.add("GET", "/open")
def open_form(context: WebContext, _caller: Caller) -> PageResponse:
    """Show the form; services that the address names are selected."""
    form = OpenForm(request.args.get("stack", "")[:200], request.args.getlist("service")[:200])
    return _form_page(context, form)


@pages.add("POST", "/open")
def opening(context: WebContext, caller: Caller) -> PageResponse:
    """Show the plan of the form; at the second step open the window."""
    form = OpenForm.from_request()
    try:
        ask = form.ask(caller)
        if request.form.get("step") == "open":
            window = actions.open_and_dispatch(context, ask, caller, _repeat(form, ask, caller))
            return redirect(f"/windows/{window.id}", 303)
        plan = actions.plan_opening(context, ask, caller)
    except (Refusal, ApiError) as wrong:
        return _form_page(context, form, wrong)
    form.key = secrets.token_hex(16)
    return render_page("plan.html", form=form, plan=plan, ends=_ends(plan))


def _ends(plan: OpeningPlan) -> str:
    return durations.show(plan.ttl_sec)


def _repeat(form: OpenForm, ask: OpenRequest, caller: Caller) -> Repeat | None:
    if not (form.key.isascii() and form.key.isalnum()):
        return None
    canonical = json.dumps([list(ask.services), ask.stack, ask.ttl_sec, ask.reason])
    return Repeat(caller.name, f"console-{form.key}", hashlib.sha256(canonical.encode()).hexdigest())


def _form_page(context: WebContext, form: OpenForm, wrong: Refusal | ApiError | None = None) -> PageResponse:
    with context.database.read() as session:
        stack_payloads = stack_views.describe_stacks(session, stacks.every(session), context.database.now())
    for stack in stack_payloads:
        stack["offered"] = [one for one in stack["services"] if one["role"] == Role.ALLOWED]
    at, status = ("", 200) if wrong is None else _where(wrong)
    page = render_page("open.html", stacks=stack_payloads, form=form, wrong=wrong, at=at, ttls=_TTLS)
    return page, status


def _where(wrong: Refusal | ApiError) -> tuple[str, int]:
    """Which field is at fault, and the status."""
    if isinstance(wrong, ApiError):
        return str(wrong.facts.get("field") or ""), wrong.kind.status
    return wrong.field or "", problems.kind_of(wrong).status
