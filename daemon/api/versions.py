"""The API's version in the path, and the headers by which clients negotiate it.

Stands outside Quart, because a path must be clean before it is routed: the version is cut off, and
doubled slashes and dot segments are resolved here instead of by a redirect, which Go's client
does not follow for a POST.  A path without a version means the newest.

Every answer of a route, errors included, carries the headers; the page that no route has does not.
Here a request begins, so here it gets the operation id that all it causes is logged under.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from http.client import BAD_REQUEST
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

import attrs
import orjson
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)
from quart import request

from daemon import __version__
from daemon.log import about


class ApiVersion(NamedTuple):
    """A version of the Docker API; compares with any pair of integers."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


NEWEST: Final = ApiVersion(1, 51)
OLDEST: Final = ApiVersion(1, 24)
HEADERS: Final = (
    ("Api-Version", str(NEWEST)),
    ("Docker-Experimental", "false"),
    ("Ostype", "linux"),
    ("Server", f"Longshore/{__version__} (linux)"),
)
"""On every answer; for a hijacked exec start, which writes its own head, too."""

ENCODED_HEADERS: Final = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS)
VERSIONED: Final = re.compile(r"/v([0-9.]{1,20})(/.*)", re.DOTALL)
UNCLEAN: Final = re.compile(r"//|/\.\.?(?:/|$)")
VERSION: Final = "longshore.api_version"
UNROUTED: Final = "longshore.unrouted"


def api_version() -> ApiVersion:
    """Return the version that the current request asks for; compare it with a pair such as (1, 42)."""
    return cast("ApiVersion", request.scope["extensions"].get(VERSION, NEWEST))


def mark_unrouted(scope: Mapping[str, Any]) -> None:
    """Note that no route has this request: its answer carries no headers."""
    scope["extensions"][UNROUTED] = True


@attrs.frozen
class Versions:
    """An ASGI application with the versions taken out of its paths."""

    _app: ASGIFramework

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Pass a request on under its clean path, or refuse its version."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        extensions = cast("dict[str, Any]", scope["extensions"])

        async def send_with_headers(message: ASGISendEvent) -> None:
            if message["type"] == "http.response.start" and UNROUTED not in extensions:
                message = {**message, "headers": [*message["headers"], *ENCODED_HEADERS]}
            await send(message)

        asked, scope["path"] = split_version(clean_path(scope["path"]))
        refusal = _refusal(asked)
        if refusal and scope["type"] == "http":
            await _refuse(send_with_headers, asked, refusal)
        else:
            extensions[VERSION] = asked
            with about(op=secrets.token_hex(4)):
                await self._app(scope, receive, send_with_headers)


def clean_path(path: str) -> str:
    """Return the path of a request target without doubled slashes and dot segments."""
    if not path.startswith("/"):  # a target in absolute form, as proxies send it
        path = _path_of_url(path)
    if not UNCLEAN.search(path):
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    tail = "/" if kept and segments[-1] in {"", ".", ".."} else ""
    return "/" + "/".join(kept) + tail


def _path_of_url(target: str) -> str:
    try:
        path = urlsplit(target).path
    except ValueError:  # it is no URL either
        path = ""
    return path if path.startswith("/") else f"/{path}"


def split_version(path: str) -> tuple[ApiVersion, str]:
    """Split a path into the version that it asks for and the rest.

    A missing number counts as 0 and a third one is not looked at, as in Go's comparison.
    """
    found = VERSIONED.fullmatch(path)
    if found is None:
        return NEWEST, path
    numbers = [int(number or 0) for number in found[1].split(".")]
    return ApiVersion(*[*numbers, 0][:2]), found[2]


def _refusal(asked: ApiVersion) -> str | None:
    if asked > NEWEST:
        return f"client version {asked} is too new. Maximum supported API version is {NEWEST}"
    if asked < OLDEST:
        return (
            f"client version {asked} is too old. Minimum supported API version is {OLDEST}, "
            "please upgrade your client to a newer version"
        )
    return None


async def _refuse(send: ASGISendCallable, asked: ApiVersion, refusal: str) -> None:
    if asked < OLDEST:  # a client of that age reads errors as text
        kind, body = b"text/plain; charset=utf-8", f"{refusal}\n".encode()
    else:
        kind, body = b"application/json", orjson.dumps({"message": refusal}) + b"\n"
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": BAD_REQUEST, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
