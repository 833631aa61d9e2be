"""Why a notification is not sent again."""

from __future__ import annotations

from app.domain.errors import Conflict, Unknown


class UnknownNotice(Unknown):
    """No notification has this id."""

    def __init__(self, notice: str) -> None:
        super().__init__(f"there is no notification {notice!r}", notice=notice)


class NoticeDelivered(Conflict):
    """The notification was delivered, so it is not sent again."""

    def __init__(self, notice: str) -> None:
        super().__init__("this notification was delivered already", notice=notice)
