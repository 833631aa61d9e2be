"""The words are a closed list, and it is the contract's."""

from __future__ import annotations

from app.domain.enums import Event, Mode, Power, State, Status


def test_the_trail_says_these_words_and_no_other() -> None:
    words = (
        "window.opening window.open window.extended window.closing window.closed window.stuck "
        "call.started call.finished call.lost service.ready service.failing "
        "drift.found drift.stopped drift.ended token.created token.revoked refused "
        "stack.loaded stack.rejected window.waiting node.claimed node.refused node.blind audit.archived "
        "database.restored database.behind stack.relocated clock.stepped "
        "run.started run.finished run.cut notice.retried "
        "intent.requested intent.approved intent.finished intent.cut"
    )
    assert [str(event) for event in Event] == words.split()


def test_states_statuses_powers_and_modes_are_the_contracts() -> None:
    assert " ".join(State) == "waiting opening open closing closed"
    assert " ".join(Status) == "ok partial fail"
    assert set(Power) == set("off starting on done failing stopping unknown".split())  # noqa: SIM905
    assert " ".join(Mode) == "REJECTED DRIFT CLOSING OPEN SOLO_CORE"
