"""The people of a run: each window has a person who opens it and acts on it by the plan.

A request that gets no answer, or hears that the database is away, is made again with the
same Idempotency-Key until it is known what became of it.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx

from chaos.ledger import Answer, Json, Ledger, Promise
from chaos.plan import ACTORS, Act, Refusal, Round, WindowPlan
from chaos.system import System

PATIENCE = 25.0
"""Seconds that an actor waits for one answer; the front has to be quicker than that."""
AGAIN = 0.7
"""Seconds before a request is made again."""


class Actors:
    def __init__(self, system: System, ledger: Ledger, seed: int) -> None:
        self._system, self._ledger, self._seed = system, ledger, seed
        self._pool = ThreadPoolExecutor(60, "actor")
        self._enough = threading.Event()
        self._http = httpx.Client(
            base_url=f"{system.url}/api/v1",
            timeout=PATIENCE,
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=0),
        )

    def play(self, one: Round, began: float) -> None:
        """Begin everything that a round's plan has for people; returns at once."""
        for window in one.windows:
            self._pool.submit(self._live, window, began)
        for refusal in one.refusals:
            self._pool.submit(self._be_refused, refusal, began)

    def leave(self) -> None:
        self._enough.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._http.close()

    def ask(self, method: str, path: str, actor: str = ACTORS[0], **more: Any) -> httpx.Response | None:
        """One request, on record with how long it took; None where no answer came."""
        headers = {"Authorization": f"Bearer {self._system.tokens[actor]}"} | more.pop("headers", {})
        began, clock = time.time(), time.monotonic()
        reply, text = None, ""
        try:
            reply = self._http.request(method, path, headers=headers, **more)
        except httpx.HTTPError as error:
            text = repr(error)
        status = reply.status_code if reply is not None else 0
        if reply is not None and status >= 400:
            text = reply.text[:300]
        self._ledger.answered(Answer(began, time.monotonic() - clock, method, path, status, text))
        return reply

    def _live(self, plan: WindowPlan, began: float) -> None:
        promise = self._ledger.promise(plan)
        self._until(began + plan.at)
        body = {
            "stack": plan.stack,
            "services": list(plan.services),
            "ttl_sec": plan.ttl,
            "reason": plan.name,
        }
        key = {"Idempotency-Key": f"{self._seed}-{plan.name}"}
        while not self._enough.is_set():
            sent = time.time()
            promise.asked = min(promise.asked, sent)
            reply = self.ask("POST", "/windows", plan.actor, json=body, headers=key)
            if reply is not None and reply.status_code < 500:
                self._opened(promise, reply)
                break
            self._enough.wait(AGAIN)
        for act in plan.acts if promise.window else ():
            self._until(promise.accepted + act.after)
            self._act(promise, act)

    def _opened(self, promise: Promise, reply: httpx.Response) -> None:
        if reply.status_code != 202:
            promise.refused = f"{reply.status_code}: {reply.text[:300]}"
            return
        body = reply.json()
        promise.window = body["id"]
        # The first of several tries may be the one that counted.
        promise.confirm(promise.asked, _moment(body["deadline"]), promise.plan.ttl)
        promise.accepted = time.time()

    def _act(self, promise: Promise, act: Act) -> None:
        if act.kind == "extend":
            self._extend(promise, act)
        else:
            self._close(promise, act)

    def _extend(self, promise: Promise, act: Act) -> None:
        first = time.time()
        while not self._enough.is_set():
            reply = self.ask(
                "PATCH", f"/windows/{promise.window}", promise.plan.actor, json={"ttl_sec": act.ttl}
            )
            status = reply.status_code if reply is not None else 0
            promise.acts.append({"at": time.time(), "kind": "extend", "ttl": act.ttl, "status": status})
            if reply is not None and status == 200:
                return promise.confirm(first, _moment(reply.json()["deadline"]), act.ttl)
            if 0 < status < 500:
                return None
            promise.perhaps_moved(first, act.ttl)
            self._enough.wait(AGAIN)
        return None

    def _close(self, promise: Promise, act: Act) -> None:
        path, body = f"/windows/{promise.window}/close", {"force": act.kind == "force"}
        while not self._enough.is_set():
            promise.released_at = min(promise.released_at, time.time())
            reply = self.ask("POST", path, promise.plan.actor, json=body)
            status = reply.status_code if reply is not None else 0
            promise.acts.append({"at": time.time(), "kind": act.kind, "status": status})
            if 0 < status < 500:
                return promise.closed()
            self._enough.wait(AGAIN)
        return None

    def _be_refused(self, refusal: Refusal, began: float) -> None:
        self._until(began + refusal.at)
        body: Json = {"stack": refusal.stack, "services": [refusal.service], "ttl_sec": 30}
        reply = self.ask("POST", "/windows", json=body)
        if reply is not None:
            self._ledger.refusals.append({"service": refusal.service, "status": reply.status_code})

    def _until(self, moment: float) -> None:
        self._enough.wait(max(0.0, moment - time.time()))


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
