"""The response header that names the last archived entry of each audit chain."""

from __future__ import annotations

from app.store import audit
from app.web.context import WebContext

ARCHIVED_HEADER = "Power-Archived"
"""The header that says up to where each chain is in files and no longer here."""


def archived_header(front: WebContext) -> dict[str, str]:
    """The header that says what is no longer here, such as `house:12,vx11:4711`; none where all is."""
    with front.database.read() as session:
        gone = audit.kept_from(session)
    return (
        {ARCHIVED_HEADER: ",".join(f"{chain}:{seq}" for chain, seq in sorted(gone.items()))} if gone else {}
    )
