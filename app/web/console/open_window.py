"""Open a window in two steps: the form with services and ttl, then its plan with a button that opens.

The form carries all state between the steps, and an idempotency key, so that a form that is sent twice
opens one window. An address such as `/open?stack=home&services=a,b&ttl=2h&reason=film` fills the form, and
opens nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from flask import redirect, request
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from app.domain import durations
from app.domain.enums import Role
from app.domain.errors import Refusal
from app.store import stacks
from app.usecases.windows.open import OpeningPlan, OpenRequest, Repeat, check_request
from app.web import actions, problems, request_parsing, schemas, stack_views
from app.web.authentication import Caller
from app.web.console.pages import PageResponse, Pages, render_page
from app.web.context import WebContext
from app.web.problems import ApiError
from app.web.viewing import current_viewer

pages = Pages()
_TTLS = ("10m", "30m", "1h", "4h")
_MOST_SERVICES = 200
_FIELDS = {"stack", "services", "ttl_sec", "reason"}
"""The fields that have a place for a message beside them."""


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
        stack, names = _split(form.get("stack", "")[:200], form.getlist("service")[:_MOST_SERVICES])
        return cls._of(form, stack, names, form.get("key", "")[:64])

    @classmethod
    def from_address(cls) -> OpenForm:
        """The form as an address fills it: `services=a,b`, or `service` several times.

        A service may have its stack in front, such as `media/jellyfin` or `team_a/media/jellyfin`.
        """
        given, short = request.args, current_viewer().short
        listed = [name.strip() for one in given.getlist("services") for name in one.split(",")]
        named = [short(name) for name in [*listed, *given.getlist("service")] if name][:_MOST_SERVICES]
        stack, names = _split(short(given.get("stack", "").strip()[:200]), named)
        return cls._of(given, stack, list(dict.fromkeys(names)))

    @classmethod
    def _of(cls, given: MultiDict[str, str], stack: str, services: list[str], key: str = "") -> OpenForm:
        return cls(stack, services, given.get("ttl", "")[:100].strip(), given.get("reason", "")[:2000], key)

    @property
    def address(self) -> dict[str, str]:
        """The query of the address that fills the form with these values, to keep as a bookmark."""
        values = {
            "stack": self.stack,
            "services": ",".join(self.services),
            "ttl": self.ttl,
            "reason": self.reason,
        }
        return {name: value for name, value in values.items() if value}

    @property
    def is_empty(self) -> bool:
        """True where nothing was chosen or typed yet."""
        return not (self.stack or self.services or self.ttl or self.reason)

    def ask(self, caller: Caller) -> OpenRequest:
        """The request of this form; raises ApiError or a Refusal that names the field."""
        values: dict[str, Any] = {"services": self.services, "reason": self.reason.strip() or None}
        if self.stack:
            values["stack"] = self.stack
        if self.ttl:
            values["ttl_sec"] = seconds(self.ttl)
        body = request_parsing.validate(schemas.Open, values)
        return OpenRequest(body.services, caller.stack_id_or_none(body.stack), body.ttl_sec, body.reason)


def _split(stack: str, named: Iterable[str]) -> tuple[str, list[str]]:
    """The stack, and the names of those services that are without a stack or on this one.

    A service's name has no slash, so the last slash ends its stack. Where no stack is given, it is the only
    one before the services.
    """
    parts = [one.rpartition("/") for one in named]
    stacks_named = {of for of, _, _ in parts if of}
    if not stack and len(stacks_named) == 1:
        (stack,) = stacks_named
    return stack, [name for of, _, name in parts if not (stack and of) or of == stack]


def seconds(text: str) -> float:
    """The duration in seconds; raises ApiError with the valid forms."""
    try:
        return durations.parse(text)
    except ValueError as error:
        raise ApiError(problems.INVALID, str(error), field="ttl_sec") from error


@pages.add("GET", "/open")
def open_form(context: WebContext, caller: Caller) -> PageResponse:
    """Show the form, filled with what the address says; values that cannot be used have a message each."""
    form = OpenForm.from_address()
    with context.database.read() as session:
        faults = {} if form.is_empty else _faults(session, form, caller)
    return _form_page(context, form, faults, 422 if faults else 200)


def _faults(session: Session, form: OpenForm, caller: Caller) -> dict[str, str]:
    """Messages by field. Each part is checked by itself, so that one fault does not hide another."""
    rows = stacks.every(session)
    anything = [name for row in rows if row.name == form.stack or len(rows) == 1 for name in row.spec.allowed]
    parts = [
        OpenForm(form.stack, form.services or anything),
        OpenForm(form.stack, anything, ttl=form.ttl),
        OpenForm(form.stack, anything, reason=form.reason),
    ]
    faults: dict[str, str] = {}
    for part in parts:
        at, message = _fault(session, part, caller)
        faults.setdefault(at, message)
    # A form without a stack or services is only not complete yet.
    incomplete = {*(() if form.services else ("services", "" if form.stack else "stack"))}
    return {at: message for at, message in faults.items() if message and at not in incomplete}


def _fault(session: Session, form: OpenForm, caller: Caller) -> tuple[str, str]:
    """The field at fault and the message; both empty where there is no fault."""
    try:
        check_request(session, form.ask(caller))
    except (Refusal, ApiError) as wrong:
        return _where(wrong)[0], str(wrong)
    return "", ""


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
        at, status = _where(wrong)
        return _form_page(context, form, {at: str(wrong)}, status)
    form.key = secrets.token_hex(16)
    address = replace(form, stack=plan.stack).address
    return render_page("plan.html", form=form, plan=plan, ends=_ends(plan), address=address)


def _ends(plan: OpeningPlan) -> str:
    return durations.show(plan.ttl_sec)


def _repeat(form: OpenForm, ask: OpenRequest, caller: Caller) -> Repeat | None:
    if not (form.key.isascii() and form.key.isalnum()):
        return None
    canonical = json.dumps([list(ask.services), ask.stack, ask.ttl_sec, ask.reason])
    return Repeat(caller.name, f"console-{form.key}", hashlib.sha256(canonical.encode()).hexdigest())


def _form_page(context: WebContext, form: OpenForm, faults: dict[str, str], status: int) -> PageResponse:
    with context.database.read() as session:
        described = stack_views.describe_stacks(session, stacks.every(session), context.database.now())
    stack_payloads = current_viewer().shorten_answer(described)
    for stack in stack_payloads:
        stack["offered"] = [one for one in stack["services"] if one["role"] == Role.ALLOWED]
    chosen = form.stack if any(stack["name"] == form.stack for stack in stack_payloads) else ""
    # Beside no field: what the request as a whole is refused for.
    rest = [message for at, message in faults.items() if at not in _FIELDS]
    values = {"stacks": stack_payloads, "chosen": chosen, "form": form, "faults": faults, "rest": rest}
    return render_page("open.html", **values, ttls=_TTLS), status


def _where(wrong: Refusal | ApiError) -> tuple[str, int]:
    """Which field is at fault, and the status."""
    if isinstance(wrong, ApiError):
        return str(wrong.facts.get("field") or "").partition(".")[0], wrong.kind.status
    return wrong.field or "", problems.kind_of(wrong).status
