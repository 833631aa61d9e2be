"""The trail over HTTP: in pages, as a stream of lines, and proved."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from datetime import datetime
from typing import Any

from flask import Response, request

from app.store import audit
from app.store.tables import Entry
from app.web import problems, request_parsing, responses, schemas
from app.web.archived_header import ARCHIVED_HEADER, archived_header
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.problems import ApiError
from app.web.responses import NDJSON
from app.web.routes import Answer, Routes
from app.web.streams import stream_response

routes = Routes("audit", "/api/v1")


_PAGE_SIZE = 100


_STREAM_PAGE_SIZE = 500


_proving = threading.Lock()


_VERIFY_TIMEOUT = 20.0


AuditPosition = tuple[datetime, str, int]


@routes.add(
    "GET",
    "/audit",
    {
        200: Answer(
            "A page of entries, oldest first.",
            schemas.Entries,
            also={NDJSON: "All of it, an entry a line."},
            headers={ARCHIVED_HEADER: "Where old entries are in files: up to which `seq` of each chain."},
        )
    },
    query=schemas.AuditQuery,
    refuses=(429,),
)
def read_audit(front: WebContext, caller: Caller, *, query: schemas.AuditQuery) -> Response:
    """Read the audit trail, oldest first.

    `Accept: application/x-ndjson` streams all of it, an entry a line.
    """
    after = _place(query)
    if request.accept_mimetypes.best_match(["application/json", NDJSON]) == NDJSON:
        return stream_response(front, _lines(front, query, after), NDJSON, archived_header(front))
    limit = query.limit or _PAGE_SIZE
    found = _entries(front, query, after, limit + 1)
    page = found[:limit]
    last = request_parsing.cursor(page[-1].at, page[-1].chain, page[-1].seq) if len(found) > limit else None
    items = [entry.as_json() for entry in page]
    return responses.json({"items": items, "next": last}, headers=archived_header(front))


def _place(query: schemas.AuditQuery) -> AuditPosition | None:
    if query.after and query.cursor:
        raise ApiError(problems.INVALID, "cursor: means the same as after; give one of them", field="cursor")
    field = "after" if query.after else "cursor"
    given = query.after or query.cursor
    if given is None:
        return None
    at, chain, seq = request_parsing.place(given, field, datetime, str, int)
    return at, chain, seq


def _entries(
    front: WebContext, query: schemas.AuditQuery, after: AuditPosition | None, limit: int
) -> list[Entry]:
    with front.database.read() as session:
        return audit.entries(session, window=query.window, actor=query.actor, after=after, limit=limit)


def _lines(front: WebContext, query: schemas.AuditQuery, after: AuditPosition | None) -> Generator[str]:
    """A page at a time, so that no reader, however slow, keeps a session."""
    left = query.limit
    while left is None or left > 0:
        page = _entries(front, query, after, min(_STREAM_PAGE_SIZE, left or _STREAM_PAGE_SIZE))
        if not page:
            return
        yield "".join(json.dumps(entry.as_json(), separators=(",", ":")) + "\n" for entry in page)
        after = (page[-1].at, page[-1].chain, page[-1].seq)
        left = None if left is None else left - len(page)


@routes.add(
    "GET", "/audit/verify", {200: Answer("What was found, chain by chain.", schemas.Verdict)}, refuses=(429,)
)
def verify_audit(front: WebContext, caller: Caller) -> Response:
    """Prove that no entry was altered, removed or put elsewhere.

    Every entry is hashed again, which takes its time on a long trail.
    """
    # Hashing keeps a processor busy: one proof at a time leaves the others for everybody else.
    if not _proving.acquire(timeout=_VERIFY_TIMEOUT):
        raise ApiError(
            problems.TOO_MANY, "another proof is under way", headers={"Retry-After": "10"}, limit=1
        )
    try:
        with front.database.read(patient=True) as session:
            proofs = audit.verify(session)
    finally:
        _proving.release()
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
