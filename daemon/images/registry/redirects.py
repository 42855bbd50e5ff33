"""Where an answer points to, and which redirects are followed at all.

Whom credentials reach on the way is said by who shows them: `authorization.py` and `tokens.py`.
"""

from __future__ import annotations

from typing import Final

import httpx

from daemon.images.registry.errors import RegistryFailed
from daemon.images.registry.exchange import Answer, Request, described
from daemon.images.registry.urls import read_url

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
REDIRECT_LIMIT: Final = 10
FOLLOWING: Final = frozenset({"GET", "HEAD"})


def is_followed(answer: Answer) -> bool:
    """Tell whether an answer is a redirect of a request that can be asked elsewhere."""
    return answer.status in REDIRECTS and answer.request.method in FOLLOWING


def location(answer: Answer) -> httpx.URL:
    """Return where an answer points to.

    Raises:
        RegistryFailed: it does not.

    """
    text = answer.headers.get("Location", "")
    url = read_url(text, answer.request.url)
    if url is None:
        raise RegistryFailed(f"{described(answer.request)}: points to no place: {text[:200]!r}")
    return url


def followed(answer: Answer, *, plain_allowed: bool) -> httpx.URL:
    """Return where a redirect leads, from TLS to plain HTTP only if that is allowed.

    Raises:
        RegistryFailed: it leads nowhere, or out of TLS.

    """
    url = location(answer)
    if url.scheme == "http" and answer.request.url.scheme == "https" and not plain_allowed:
        raise RegistryFailed(f"{described(answer.request)}: refuses to go on without TLS, at {url.host}")
    return url


def endless(request: Request) -> RegistryFailed:
    """Return the error of a request that was led on and on."""
    return RegistryFailed(f"{described(request)}: stopped after {REDIRECT_LIMIT} redirects")
