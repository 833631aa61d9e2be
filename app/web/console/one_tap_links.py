"""One-tap links: the page of a link changes nothing; its button extends the window, once."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flask import render_template

from app.domain.errors import Refusal
from app.usecases import notifications
from app.usecases.notifications import BadLink, Offer, UsedLink
from app.web.console.local_time import zone_label
from app.web.console.pages import PageResponse
from app.web.context import WebContext

_BAD = "This link is not known here, or it has expired."
_USED = "This link was used already. A link works once."


def offer_view(context: WebContext) -> Callable[[str], PageResponse]:
    """The view that shows the offer of a one-tap link and changes nothing."""

    def extend(text: str) -> PageResponse:
        """Show the offer. Mail scanners follow links, so this changes nothing."""
        with context.database.read() as session:
            return _offer_page(
                lambda: notifications.read_offer(session, text, context.database.now()), done=False
            )

    return extend


def extend_view(context: WebContext) -> Callable[[str], PageResponse]:
    """The view that uses a one-tap link."""

    def extending(text: str) -> PageResponse:
        """Use the link."""
        try:
            with context.database.write() as session:
                offer = notifications.use_link(session, text, context.database.now())
        except (BadLink, UsedLink, Refusal) as error:
            failure = error

            def fail() -> Offer:
                raise failure

            return _offer_page(fail, done=False)
        return _offer_page(lambda: offer, done=True)

    return extending


def _offer_page(find: Callable[[], Offer], *, done: bool) -> PageResponse:
    try:
        offer = find()
    except BadLink:
        return _error_page(_BAD, HTTPStatus.NOT_FOUND)
    except UsedLink:
        return _error_page(_USED, HTTPStatus.CONFLICT)
    except Refusal as refusal:
        return _error_page(str(refusal), HTTPStatus.GONE)
    return render_template(
        "extend.html", window=offer.window, until=offer.until, done=done, zone=zone_label(offer.until)
    )


def _error_page(why: str, status: HTTPStatus) -> PageResponse:
    return render_template("extend.html", why=why), status
