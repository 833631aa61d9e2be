"""Tokens: the list, a new one whose text is shown once, and the revocation with a confirmation.

A token with full access is made only by a person who types a token with full access once more, so that
a session that was left open, or copied, makes none.
"""

from __future__ import annotations

from typing import Any, Literal

from flask import redirect, request
from pydantic import Field

from app.domain.errors import Refusal, UnknownToken
from app.domain.stack_id import namespace_of, qualify
from app.store import tokens, wakes
from app.usecases import intents, wake
from app.usecases.token_creation import create_full_access
from app.web import problems, request_parsing, schemas
from app.web.actions import audit_refusals
from app.web.authentication import Caller
from app.web.console.local_time import zone_label
from app.web.console.open_window import seconds
from app.web.console.pages import PageResponse, Pages, render_page, typed_filters
from app.web.context import WebContext
from app.web.problems import ApiError

pages = Pages()
_FIELDS = {"name", "scope", "route", "ttl", "proof"}
_UNPROVED = "This is no token with full access. Type or paste one, to show that you have it."


class TokenForm(schemas.RequestModel):
    """A token to make: for everything, for the waiting page of one service, or for approving intents."""

    name: schemas.TokenName
    scope: Literal["admin", "wake", "approve"]
    route: schemas.BoundedName | None = Field(None, description="STACK/SERVICE, where the scope is `wake`.")
    ttl: schemas.BoundedName | None = None


@pages.add("GET", "/tokens", admin=True)
def tokens_page(context: WebContext, _caller: Caller) -> PageResponse:
    """All tokens, and the form for a new one."""
    return _list_page(context)


def _list_page(
    context: WebContext,
    form: dict[str, str] | None = None,
    faults: dict[str, str] | None = None,
    made: tuple[str, str] | None = None,
) -> str:
    with context.database.read() as session:
        rows = sorted(tokens.every(session), key=lambda token: (token.revoked_at is not None, token.name))
        bound = wakes.every(session)
    return render_page(
        "tokens.html",
        tokens=rows,
        bound=bound,
        form=form or {},
        faults=faults or {},
        rest=[message for field, message in (faults or {}).items() if field not in _FIELDS],
        made=made,
        intents=context.settings.features.intents,
        zone=zone_label(context.database.now()),
    )


@pages.add("POST", "/tokens", admin=True)
def creating(context: WebContext, caller: Caller) -> PageResponse:
    """Make a token, and show its text on this one page."""
    given = typed_filters(
        {name: request.form.get(name, "")[:300] for name in ("name", "scope", "route", "ttl")}
    )
    try:
        form = request_parsing.validate(TokenForm, given)
        text = _create(context, caller, form)
    except (Refusal, ApiError) as wrong:
        field, status = _place(wrong)
        return _list_page(context, given, {field: str(wrong).removeprefix(f"{field}: ")}), status
    return _list_page(context, made=(form.name, text))


def _own_name(caller: Caller, name: str) -> str:
    """The text form of a name in the caller's namespace."""
    return qualify(namespace_of(caller.name), name)


def _create(context: WebContext, caller: Caller, form: TokenForm) -> str:
    if form.scope == tokens.ADMIN:
        _require_proof(context)
        with audit_refusals(context, caller, "token"), context.database.write() as session:
            name, now = _own_name(caller, form.name), context.database.now()
            return create_full_access(session, name, actor=caller.name, now=now)
    if form.scope == tokens.APPROVE:
        if not context.settings.features.intents:
            raise ApiError(problems.INTENTS_OFF, "intents are off in this service", field="scope")
        with audit_refusals(context, caller, "token"), context.database.write() as session:
            name, now = _own_name(caller, form.name), context.database.now()
            return intents.create_approver(session, name, actor=caller.name, now=now)
    return _create_for_wake(context, caller, form)


def _create_for_wake(context: WebContext, caller: Caller, form: TokenForm) -> str:
    stack, slash, service = (form.route or "").rpartition("/")
    if not (stack and slash and service):
        detail = "route: write it as STACK/SERVICE, as in homelab/wiki"
        raise ApiError(problems.INVALID, detail, field="route")
    stack_id = caller.stack_id(stack)
    bound: dict[str, Any] = {"stack": stack_id, "service": service}
    ttl = seconds(form.ttl) if form.ttl else None
    with audit_refusals(context, caller, "token", stack_id), context.database.write() as session:
        name, now = qualify(namespace_of(stack_id), form.name), context.database.now()
        return wake.create(session, name, **bound, ttl_sec=ttl, actor=caller.name, now=now)


def _require_proof(context: WebContext) -> None:
    """Raise ApiError unless the form has a token with full access."""
    text = request.form.get("proof", "").strip()
    if not context.authenticator.full_access_caller(text):
        context.authenticator.slow(request, text)
        raise ApiError(problems.OUT_OF_SCOPE, _UNPROVED, field="proof")


def _place(wrong: Refusal | ApiError) -> tuple[str, int]:
    """The field of the form at fault, and the status."""
    if isinstance(wrong, ApiError):
        field, status = str(wrong.facts.get("field") or ""), wrong.kind.status
    else:
        field, status = wrong.field or "", problems.kind_of(wrong).status
    return {"stack": "route", "services": "route", "ttl_sec": "ttl"}.get(field, field), status


@pages.add("GET", "/tokens/revoke", admin=True)
def revoke_page(context: WebContext, caller: Caller) -> PageResponse:
    """Ask for confirmation before a token is revoked."""
    name = _token_name(caller, request.args.get("name", ""))
    with context.database.read() as session:
        token = tokens.token_by_name(session, name)
        if token is None:
            raise UnknownToken(name)
        return render_page("revoke.html", token=token, bound=wakes.get(session, name))


@pages.add("POST", "/tokens/revoke", admin=True)
def revoking(context: WebContext, caller: Caller) -> PageResponse:
    """Revoke a token."""
    name = _token_name(caller, request.form.get("name", ""))
    with audit_refusals(context, caller, "token"), context.database.write() as session:
        wake.revoke(session, name, actor=caller.name, now=context.database.now())
    return redirect("/tokens", 303)


def _token_name(caller: Caller, text: str) -> str:
    """The text form of the name; raises UnknownToken for text that no token can have as its name."""
    if len(text) > problems.NAME or not (text.isascii() and text.isprintable()):
        raise UnknownToken(text[:40])
    return caller.viewer.qualify_name(caller.viewer.short(text))
