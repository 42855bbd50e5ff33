"""URLs that a registry or an administrator gives: what can be asked at all, and what counts as one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx

PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
PORT_LIMIT: Final = 65536
Origin = tuple[str, str, int]


def read_url(text: str, base: httpx.URL | None = None) -> httpx.URL | None:
    """Return a URL to ask, without a name and a password in it; None if it is none of HTTP's."""
    try:
        url = httpx.URL(text) if base is None else base.join(text)
        url.host.encode("idna")  # as getaddrinfo(3) is called, which is no place to find out
        usable = text and url.scheme in PORTS and url.host and (url.port or 1) < PORT_LIMIT
    except (httpx.InvalidURL, ValueError):  # the latter of IDNA, which is decoded when the host is looked at
        return None
    return url.copy_with(username=None, password=None) if usable else None


def origin(url: httpx.URL) -> Origin:
    """Return what has to be the same for credentials to go along."""
    return url.scheme, url.host, url.port or PORTS.get(url.scheme, 0)
