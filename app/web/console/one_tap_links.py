"""One-tap links: looking at one does nothing, its button extends the window, once."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flask import render_template

from app.domain.errors import Refusal
from app.usecases import notifications
from app.usecases.notifications import BadLink, Offer, UsedLink
from app.web.console.pages import Said
from app.web.context import WebContext

_BAD = "This link is not one of ours, or it is long over."
_USED = "This link was used already. Each works once."


def offer_view(front: WebContext) -> Callable[[str], Said]:
    """The page of a one-tap link, as a view that changes nothing."""

    def extend(text: str) -> Said:
        """What the link would do. Mail scanners follow links, so this changes nothing."""
        with front.database.read() as session:
            return _offer_page(lambda: notifications.offered(session, text, front.database.now()), done=False)

    return extend


def extend_view(front: WebContext) -> Callable[[str], Said]:
    """The view that uses a one-tap link."""

    def extending(text: str) -> Said:
        """Use the link."""
        try:
            with front.database.write() as session:
                offer = notifications.take(session, text, front.database.now())
        except (BadLink, UsedLink, Refusal) as error:
            failure = error

            def fail() -> Offer:
                raise failure

            return _offer_page(fail, done=False)
        return _offer_page(lambda: offer, done=True)

    return extending


def _offer_page(find: Callable[[], Offer], *, done: bool) -> Said:
    try:
        offer = find()
    except BadLink:
        return _error_page(_BAD, HTTPStatus.NOT_FOUND)
    except UsedLink:
        return _error_page(_USED, HTTPStatus.CONFLICT)
    except Refusal as refusal:
        return _error_page(str(refusal), HTTPStatus.GONE)
    return render_template("extend.html", window=offer.window, until=offer.until, done=done)


def _error_page(why: str, status: HTTPStatus) -> Said:
    return render_template("extend.html", why=why), status
