"""The audit trail over HTTP: in pages, as a stream of lines, and verified."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Generator
from datetime import datetime
from typing import Any

from flask import Response, request

from app.store import audit
from app.store.tables import Entry
from app.web import cursors, problems, responses, schemas
from app.web.archived_header import ARCHIVED_HEADER, archived_header
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.problems import ApiError
from app.web.responses import NDJSON
from app.web.routes import Answer, Routes
from app.web.streams import stream_response
from app.web.viewing import current_viewer

routes = Routes("audit", "/api/v1")


_PAGE_SIZE = 100


_STREAM_PAGE_SIZE = 500


_verifying: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""By namespace, so that no caller waits for a verification of another namespace."""


_VERIFY_TIMEOUT = 20.0


AuditPosition = tuple[datetime, str, int]


@routes.add(
    "GET",
    "/audit",
    {
        200: Answer(
            "A page of entries, oldest first.",
            schemas.Entries,
            also={NDJSON: "All entries, one on each line."},
            headers={ARCHIVED_HEADER: "The `seq` up to which each chain is archived; absent where none is."},
        )
    },
    query=schemas.AuditQuery,
    refuses=(429,),
)
def read_audit(context: WebContext, caller: Caller, *, query: schemas.AuditQuery) -> Response:
    """Read the audit trail, oldest first.

    `Accept: application/x-ndjson` streams all entries, one on each line.
    """
    after = _place(query)
    if request.accept_mimetypes.best_match(["application/json", NDJSON]) == NDJSON:
        return stream_response(context, _lines(context, query, after), NDJSON, archived_header(context))
    limit = query.limit or _PAGE_SIZE
    entries = _entries(context, query, after, limit + 1)
    page, following = cursors.split_page(entries, limit, lambda entry: (entry.at, entry.chain, entry.seq))
    items = [entry.as_json() for entry in page]
    return responses.json({"items": items, "next": following}, headers=archived_header(context))


def _place(query: schemas.AuditQuery) -> AuditPosition | None:
    if query.after and query.cursor:
        raise ApiError(problems.INVALID, "cursor: means the same as after; give one of them", field="cursor")
    field = "after" if query.after else "cursor"
    given = query.after or query.cursor
    if given is None:
        return None
    at, chain, seq = cursors.decode(given, field, datetime, str, int)
    return at, chain, seq


def _entries(
    context: WebContext, query: schemas.AuditQuery, after: AuditPosition | None, limit: int
) -> list[Entry]:
    with context.database.read() as session:
        return audit.entries(session, window=query.window, actor=query.actor, after=after, limit=limit)


def _lines(context: WebContext, query: schemas.AuditQuery, after: AuditPosition | None) -> Generator[str]:
    """The entries as JSON lines; read page by page, so that a slow client holds no database session."""
    left, viewer = query.limit, current_viewer()
    while left is None or left > 0:
        page = _entries(context, query, after, min(_STREAM_PAGE_SIZE, left or _STREAM_PAGE_SIZE))
        if not page:
            return
        yield "".join(
            json.dumps(viewer.shorten_answer(entry.as_json()), separators=(",", ":")) + "\n" for entry in page
        )
        after = (page[-1].at, page[-1].chain, page[-1].seq)
        left = None if left is None else left - len(page)


@routes.add(
    "GET", "/audit/verify", {200: Answer("The result of each chain.", schemas.Verdict)}, refuses=(429,)
)
def verify_audit(context: WebContext, caller: Caller) -> Response:
    """Verify that no entry was altered, removed or moved.

    The server hashes every entry again, which takes long on a long trail.
    """
    # Hashing uses a whole processor, so one verification runs at a time.
    lock = _verifying[caller.viewer.namespace]
    if not lock.acquire(timeout=_VERIFY_TIMEOUT):
        raise ApiError(
            problems.TOO_MANY,
            "another verification runs; try again later",
            headers={"Retry-After": "10"},
            limit=1,
        )
    try:
        with context.database.read(patient=True) as session:
            proofs = audit.verify(session)
    finally:
        lock.release()
    return responses.json(
        {"ok": all(proof.ok for proof in proofs), "chains": [_chain(proof) for proof in proofs]}
    )


def _chain(proof: audit.Proof) -> dict[str, Any]:
    bad = None if proof.ok else {"seq": proof.first_bad, "reason": proof.reason}
    return {
        "chain": proof.chain,
        "entries": proof.entries,
        "ok": proof.ok,
        "first_bad": bad,
        "archived": proof.archived,
        "archived_hash": proof.archived_hash,
    }
