"""The routes that speak to registries: pull, push, log in, search, and what a registry says of an image.

A pull or push is begun before its answer is: what fails before the first line has a status of its own, and
after that an error is a line of the stream.  It is wanted until the conversation with its client ends.
"""

from __future__ import annotations

from typing import Final

import attrs
from quart import Blueprint, Response, request

from daemon.actors.image_pulls import PullWish
from daemon.actors.image_pushes import PushWish
from daemon.actors.image_transfers import Pull, Push
from daemon.api import answers
from daemon.api.app import engine, until_the_conversation_ends
from daemon.api.body import json_body
from daemon.api.docker import transfer_lines
from daemon.api.docker.platforms import chosen
from daemon.api.query import Filters, filter_flag, filters, integer, parse_integer, text
from daemon.api.versions import api_version
from daemon.errors import InvalidParameter
from daemon.images import digests, distribution, documents, platforms, references
from daemon.images.platforms import Platform
from daemon.images.progress import Watch
from daemon.images.references import Reference
from daemon.images.registry import headers
from daemon.images.registry.credentials import Credentials, Login
from daemon.images.registry.repository import SearchResult
from daemon.images.registry.search import split_term

routes = Blueprint("registries", __name__)
PLATFORM_OF_CREATE_SINCE: Final = (1, 32)
PLATFORM_OF_PUSH_SINCE: Final = (1, 46)
SEARCH_KEYS: Final = ("is-automated", "is-official", "stars")
SEARCH_LIMIT: Final = 25
MOST_FOUND: Final = 100


async def pull() -> Response:
    """Pull an image, or all tags of a repository: `POST /images/create?fromImage=`."""
    reference = pulled(text("fromImage"), text("tag"))
    wish = PullWish(reference, _sender(reference.domain), wanted_platform())
    watch = until_the_conversation_ends(Watch())
    await engine().transfers.mailbox.ask(Pull(wish, watch))
    return await _shown(watch)


def wanted_platform() -> Platform | None:
    """Return the platform of an image to be made, if the client says one.

    Raises:
        InvalidParameter: it is none.

    """
    said = text("platform") if api_version() >= PLATFORM_OF_CREATE_SINCE else ""
    return platforms.parse(said) if said else None


@routes.post("/images/<path:name>/push")
async def push(name: str) -> Response:
    """Push an image, or all tags of a repository."""
    reference = pulled(name, text("tag"))
    wish = PushWish(reference, _sender(reference.domain), chosen("platform", PLATFORM_OF_PUSH_SINCE))
    if reference.digest:
        raise InvalidParameter("cannot push a digest reference")
    watch = until_the_conversation_ends(Watch())
    await engine().transfers.mailbox.ask(Push(wish, watch))
    return await _shown(watch)


def pulled(name: str, tag: str) -> Reference:
    """Return what the two parameters of a pull name: all tags where neither has a tag or a digest.

    Raises:
        InvalidParameter: they name nothing.

    """
    reference = references.parse(name.removesuffix(":"))
    if reference.familiar_repository == "scratch":
        raise InvalidParameter("'scratch' is a reserved name")
    if digests.is_digest(tag):
        return attrs.evolve(reference, tag="", digest=tag)
    return references.parse(f"{reference.repository}:{tag}") if tag else reference


def _sender(registry: str) -> Credentials:
    """Return who the client is to a registry."""
    given = request.headers
    return headers.sender(given.get("X-Registry-Auth", ""), given.get("X-Registry-Config", ""), registry)


async def _shown(watch: Watch) -> Response:
    """Answer with what `watch` shows, once there is something.

    Raises:
        EngineError: it failed before there was.

    """
    first = await watch.next()
    return answers.stream(transfer_lines.lines(first, watch, api_version()), answers.JSON)


@routes.get("/distribution/<path:name>/json")
async def inspect(name: str) -> Response:
    """Show what a registry has under a name."""
    reference = references.parse(name).tagged
    async with engine().registries.repository(reference, _sender(reference.domain)) as repository:
        listing = await distribution.look_up(repository, reference)
    manifest = listing.manifest
    descriptor = documents.Descriptor(manifest.media_type, manifest.digest, len(manifest.raw))
    return answers.json({"Descriptor": documents.as_json(descriptor), "Platforms": list(listing.platforms)})


@routes.post("/auth")
async def auth() -> Response:
    """Check credentials with a registry."""
    login = await json_body(Login)
    token = await engine().registries.log_in(login.server_address, login.credentials)
    return answers.json({"Status": "Login Succeeded", "IdentityToken": token})


@routes.get("/images/search")
async def search() -> Response:
    """Search a registry for repositories."""
    given = filters(SEARCH_KEYS)
    limit = integer("limit", SEARCH_LIMIT) or SEARCH_LIMIT
    if not 1 <= limit <= MOST_FOUND:
        raise InvalidParameter(f"limit {limit} is outside the range of [1, {MOST_FOUND}]")
    term = text("term")
    found = await engine().registries.search(term, limit, _sender(split_term(term)[0]))
    return answers.json([_found(result) for result in found if _accepts(given, result)])


def _accepts(given: Filters, result: SearchResult) -> bool:
    """Tell whether the filters let `result` through.

    Raises:
        InvalidParameter: one has a value that it cannot have.

    """
    least_stars = max((parse_integer("stars", value) for value in given.get("stars", ())), default=0)
    return (
        result.star_count >= least_stars
        and filter_flag(given, "is-official", default=result.is_official) == result.is_official
        and filter_flag(given, "is-automated", default=result.is_automated) == result.is_automated
    )


def _found(result: SearchResult) -> dict[str, object]:
    return {
        "star_count": result.star_count,
        "is_official": result.is_official,
        "name": result.name,
        "is_automated": result.is_automated,
        "description": result.description,
    }
