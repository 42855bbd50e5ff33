"""The routes of containers' files: looked at, copied out, copied in, exported.

Texts and header: api-contract sections 3.4, 3.6 and 3.15.
"""

from __future__ import annotations

import base64
from collections.abc import Generator
from contextlib import contextmanager
from http.client import OK
from typing import Final

import attrs
import trio
from isal import isal_zlib
from quart import Blueprint, Response, request

from daemon import wire
from daemon.actors.container.actor import Container
from daemon.api.answers import empty, readable, stream
from daemon.api.app import engine
from daemon.api.body import upload
from daemon.api.query import flag, text
from daemon.api.versions import api_version
from daemon.copying.copies import Copy
from daemon.copying.pathstat import PathStat, go_mode
from daemon.errors import InvalidParameter, NotFound
from daemon.images.documents import write_time

routes = Blueprint("archives", __name__)
TAR: Final = "application/x-tar"
STAT: Final = "X-Docker-Container-Path-Stat"
COPY_UID_GID_SINCE: Final = (1, 30)
GZIP_LEVEL: Final = 1
GZIP_WINDOW: Final = 31  # with gzip's own header, as zlib's deflateInit2 counts


@routes.get("/containers/<name>/archive")
async def read(name: str) -> Response:
    """Answer with a tar of what is at a path; to HEAD, only with what that is."""
    container, path = _asked(name)
    with _missing(path, name):
        if request.method == "HEAD":
            return empty(OK, _head(await engine().files.look(container, path)))
        found, copy = await engine().files.read(container, path)
    if _accepts_gzip():
        return stream(Compressed(copy), TAR, {**_head(found), "Content-Encoding": "gzip"})
    return stream(copy, TAR, _head(found))


@routes.put("/containers/<name>/archive")
async def write(name: str) -> Response:
    """Unpack a tar into a directory; whatever the client calls it, it is a tar."""
    container, path = _asked(name)
    as_user = flag("copyUIDGID") and api_version() >= COPY_UID_GID_SINCE
    with _missing(path, name):
        await engine().files.write(
            container, path, upload(), keep_kinds=flag("noOverwriteDirNonDir"), as_user=as_user
        )
    return empty(OK)


@routes.get("/containers/<name>/export")
async def export(name: str) -> Response:
    """Answer with a tar of a container's root filesystem."""
    copy = await engine().files.export(engine().containers.resolve(name))
    return stream(copy, "application/octet-stream")


@attrs.define(eq=False)
class Compressed:
    """A copy's tar, compressed."""

    _copy: Copy
    _compressor: isal_zlib.Compress = attrs.field(
        factory=lambda: isal_zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WINDOW), init=False
    )
    _is_over: bool = attrs.field(default=False, init=False)

    def __aiter__(self) -> Compressed:
        return self

    async def __anext__(self) -> bytes:
        while not self._is_over:
            try:
                piece = await anext(self._copy)
            except StopAsyncIteration:
                self._is_over = True
                return self._compressor.flush()
            if compressed := await trio.to_thread.run_sync(self._compressor.compress, piece):
                return compressed
        raise StopAsyncIteration

    def close(self) -> None:
        """Let go of the copy."""
        self._copy.close()


def _asked(name: str) -> tuple[Container, str]:
    """Return the container and the path that are asked for."""
    container = engine().containers.resolve(name)
    if not (path := text("path")):
        raise InvalidParameter("bad parameter: path cannot be empty")
    return container, path


def _accepts_gzip() -> bool:
    """Tell whether the client has asked for gzip by name: `*` is no reason to compress anything."""
    return any(coding.lower() == "gzip" and quality > 0 for coding, quality in request.accept_encodings)


@contextmanager
def _missing(path: str, name: str) -> Generator[None, None, None]:
    """Say in the client's own words what there is not."""
    try:
        yield
    except NotFound as error:
        if str(error):
            raise
        raise NotFound(f"Could not find the file {path} in container {name}") from None


def _head(found: PathStat) -> dict[str, str]:
    document = {
        "name": readable(found.name),
        "size": found.size,
        "mode": go_mode(found.mode),
        "mtime": write_time(found.mtime_ns),
        "linkTarget": readable(found.link_target),
    }
    return {STAT: base64.b64encode(wire.render(document).rstrip()).decode()}
