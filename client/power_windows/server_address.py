"""The server's address and the token for it, checked before they are used."""

from __future__ import annotations

import ipaddress
import re

import httpx

from power_windows.errors import WrongUsage

API_ROOT = "/api/v1"


def base_url(url: str) -> str:
    """Return the URL of the API's root; `url` may end with `/api/v1` or a slash.

    Raises WrongUsage where `url` is not an http or https address.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host or "%" in parsed.host:
        raise WrongUsage(
            f"POWER_URL={without_password(url)} is not an address; write it like http://127.0.0.1:8420"
        )
    return url.rstrip("/").removesuffix(API_ROOT) + API_ROOT


def without_password(url: str) -> str:
    """Return an address as a message may show it: user and password are replaced by `***`."""
    return re.sub(r"//.*@", "//***@", url)


def is_loopback(url: str) -> bool:
    """Tell whether the address names this machine; False for an address that cannot be parsed."""
    try:
        host = httpx.URL(url).host
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except (httpx.InvalidURL, ValueError):
        return False


def authorization(token: str | None) -> dict[str, str]:
    """Return the header for a token, none for None; raises WrongUsage for a token that cannot be sent."""
    if token is None:
        return {}
    if not (token.isascii() and token.isprintable()):
        raise WrongUsage("POWER_TOKEN holds characters that no token has; was it copied whole?")
    return {"Authorization": f"Bearer {token}"}
