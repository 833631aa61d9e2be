"""The delivery log over HTTP."""

from __future__ import annotations

from app.store import notifications as rows
from tests.system import System
from tests.web.caller import Caller


def test_the_log_says_how_each_delivery_went_and_not_what_was_in_it(system: System, api: Caller) -> None:
    with system.database.write() as session:
        for number in range(3):
            body = {"event": "window.stuck", "stack": "studio", "window": "w", "extend_url": "secret"}
            rows.note(session, "local", "ops", f"k{number}", body=body, now=system.now)
        one = rows.due(session, "local", system.now, 1)[0].id
        rows.record_delivery(session, one, system.now, 12, ok=False, answer="503 no")
    answer = api.get("/notices?limit=2")
    assert answer.status_code == 200
    assert "secret" not in answer.text
    first = answer.json
    second = api.get(f"/notices?limit=2&cursor={first['next']}").json
    items = [*first["items"], *second["items"]]
    assert (len(items), second["next"]) == (3, None)
    assert [each["said"] for item in items for each in item["deliveries"]] == ["503 no"]
    assert {item["state"] for item in items} == {"pending"}
    assert api.get("/notices?state=delivered").json["items"] == []
    assert api.get("/notices?state=nonsense").status_code == 422
