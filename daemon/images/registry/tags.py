"""All tags of a repository, page by page.

Source: OCI distribution specification, "Listing Tags"; RFC 8288 for `Link`.
"""

from __future__ import annotations

import re
from typing import Any, Final

import httpx
import orjson

from daemon.images.references import is_tag
from daemon.images.registry.errors import RegistryFailed
from daemon.images.registry.exchange import Answer, described
from daemon.images.registry.site import Site
from daemon.images.registry.urls import origin, read_url

PAGE_TAGS: Final = 1000
TAGS_LIMIT: Final = 100_000
PAGE_BYTES: Final = 8 << 20
OK: Final = 200
_NEXT: Final = re.compile(r'<([^>]*)>\s*;(?:[^,<]*;)?\s*rel\s*=\s*"?next"?', re.IGNORECASE)


async def read_tags(site: Site, scope: str, path: str) -> tuple[str, ...]:
    """Return the tags of the repository `path`, in the registry's order.

    Raises:
        RegistryError: they cannot be had.

    """
    tags: dict[str, None] = {}
    page: str | httpx.URL | None = f"/v2/{path}/tags/list?n={PAGE_TAGS}"
    while page is not None:
        answer = await site.expect(await site.ask("GET", page, scope), OK)
        try:
            known = len(tags)
            tags.update(dict.fromkeys(_read(answer, await answer.read(PAGE_BYTES))))
            page = next_page(answer)
        finally:
            await answer.aclose()
        if page is not None and (len(tags) == known or len(tags) > TAGS_LIMIT):
            raise RegistryFailed(f"{described(answer.request)}: the list of tags has no end")
    return tuple(tags)


def next_page(answer: Answer) -> httpx.URL | None:
    """Return where the next page is, or None after the last.

    Raises:
        RegistryFailed: it is somewhere else than this one.

    """
    found = _NEXT.search(answer.headers.get("Link", ""))
    if found is None:
        return None
    url = read_url(found[1], answer.request.url)
    if url is None or origin(url) != origin(answer.request.url):
        raise RegistryFailed(f"{described(answer.request)}: goes on at another host: {found[1][:200]!r}")
    return url


def _read(answer: Answer, body: bytes) -> list[str]:
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    found = (document.get("tags") or []) if isinstance(document, dict) else None  # null where all are gone
    if not isinstance(found, list) or not all(isinstance(tag, str) and is_tag(tag) for tag in found):
        raise RegistryFailed(f"{described(answer.request)}: the answer is no list of tags")
    return found
