"""Searches a registry for repositories, where it has that: it is of the API before the present one.

Source: `GET /v1/search` as Docker Hub answers it; `moby:daemon/pkg/registry/search.go` for terms and texts.
"""

from __future__ import annotations

from typing import Any, Final

import httpx
import orjson

from daemon.errors import InvalidParameter
from daemon.images.references import DEFAULT_DOMAIN, parse
from daemon.images.registry.errors import RegistryFailed
from daemon.images.registry.exchange import described
from daemon.images.registry.repository import SearchResult
from daemon.images.registry.site import Site

INDEX: Final = "index.docker.io"
SCOPE: Final = "registry:catalog:search"
OFFICIAL: Final = "library/"
ANSWER_BYTES: Final = 8 << 20
OK: Final = 200
WORDS: Final = 1000


def split_term(term: str) -> tuple[str, str]:
    """Return the host[:port] to ask and what to ask for.

    Raises:
        InvalidParameter: the host is none.

    """
    if "://" in term:
        raise InvalidParameter(f"invalid repository name: repository name ({term}) should not have a scheme")
    first, slash, rest = term.partition("/")
    if not slash or not (set(first) & set(".:") or first == "localhost"):
        return INDEX, term.removeprefix(OFFICIAL)
    domain = parse(f"{first}/x").domain
    return (INDEX, rest.removeprefix(OFFICIAL)) if domain == DEFAULT_DOMAIN else (domain, rest)


async def search(site: Site, term: str, limit: int) -> tuple[SearchResult, ...]:
    """Return the repositories that a registry finds, the best first.

    Raises:
        RegistryError: the registry has no search, or cannot be asked.

    """
    target = httpx.URL("/v1/search", params={"q": term[:WORDS], "n": str(limit)})
    answer = await site.ask("GET", target, SCOPE)
    try:
        if answer.status != OK:
            raise RegistryFailed(f"Unexpected status code {answer.status}")
        body = await answer.read(ANSWER_BYTES)
    finally:
        await answer.aclose()
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, list):
        raise RegistryFailed(f"{described(answer.request)}: the answer is no list of results")
    return tuple(_read(result) for result in results[:limit] if isinstance(result, dict))


def _read(result: dict[str, Any]) -> SearchResult:
    def text(name: str) -> str:
        value = result.get(name)
        return value if isinstance(value, str) else ""

    stars = result.get("star_count")
    return SearchResult(
        name=text("name"),
        description=text("description"),
        star_count=stars if isinstance(stars, int) else 0,
        is_official=result.get("is_official") is True,
        is_automated=result.get("is_automated") is True,
    )
