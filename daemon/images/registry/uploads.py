"""Sends a blob: whole in one request where it is small, else in a session that survives a broken connection.

A session is begun by POST, fed by PATCH and closed by PUT with the digest. After a break the registry says
by `Range` how far it got, and the rest is sent from there; a registry that knows nothing of the session any
more gets a new one. All that is left is sent in one PATCH, since some registries take no more than one. A
blob that is made on the way has no length to announce; the PATCH is chunked then, as dockerd's always are.

Source: OCI distribution specification, "Pushing blobs".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs
import httpx

from daemon.images.digests import Measured
from daemon.images.registry.errors import NothingThere, RegistryError, RegistryFailed
from daemon.images.registry.exchange import Answer, Unreachable, described
from daemon.images.registry.redirects import location
from daemon.images.registry.repository import Notice, Outgoing
from daemon.images.registry.retrying import delay_after, pause
from daemon.images.registry.site import Site

CREATED: Final = 201
ACCEPTED: Final = 202
NO_CONTENT: Final = 204
WHOLE_BYTES: Final = 4 << 20  # up to here a blob is sent in one request, and again from its start
_RANGE: Final = re.compile(r"(?:bytes=)?0-(\d{1,18})")
OCTETS: Final[Mapping[str, str]] = {"Content-Type": "application/octet-stream"}


@attrs.define(eq=False)
class Upload:
    """One blob on its way to the repository `path` of a site."""

    site: Site
    scope: str
    path: str
    blob: Outgoing
    attempts: int
    notice: Notice | None
    session: httpx.URL | None  # a session the registry has begun already
    _sent: int = attrs.field(default=0, init=False)
    _doubtful: bool = attrs.field(default=False, init=False)  # how far the registry got
    _in_one: bool = attrs.field(
        default=attrs.Factory(lambda self: _is_small(self.blob.measured), takes_self=True), init=False
    )

    async def run(self) -> Measured:
        """Send the blob, and return what it is known by.

        Raises:
            RegistryError: the registry does not take it, or breaks off too often without getting any further.

        """
        failures, reached = 0, 0
        while True:
            try:
                return await self._attempt()
            except RegistryError as error:
                failures = 1 if self._sent > reached else failures + 1
                reached = self._sent
                if failures >= self.attempts:
                    raise
                delay, failure = delay_after(error, failures), error
            await pause(delay, failure, self.notice)

    async def _attempt(self) -> Measured:
        if self.session is None:
            self.session, self._sent = await begin(self.site, self.scope, self.path), 0
        elif self._doubtful:
            await self._find_out()
        if self._in_one:
            return await self._send_whole(self.session)
        return await self._send_rest(self.session)

    async def _send_whole(self, session: httpx.URL) -> Measured:
        self.session = None  # whatever comes of it, it is used up
        async with self.blob.open(0) as chunks:
            body = b"".join([chunk async for chunk in chunks])
        return await self._finish(session, {**OCTETS, "Content-Length": str(len(body))}, body)

    async def _send_rest(self, session: httpx.URL) -> Measured:
        measured = self.blob.measured
        if measured is None or self._sent < measured.size_bytes:
            self._doubtful = True
            headers = {**OCTETS, **extent(self._sent, measured)}
            async with self.blob.open(self._sent) as chunks:
                answer = await self.site.ask("PATCH", session, self.scope, headers=headers, content=chunks)
            await self.site.expect(answer, ACCEPTED, NO_CONTENT)
            session = self.session = location(answer)
            await answer.aclose()
        return await self._finish(session, {"Content-Length": "0"}, b"")

    async def _finish(self, session: httpx.URL, headers: Mapping[str, str], body: bytes) -> Measured:
        measured = self.blob.measured
        if measured is None:
            raise Unreachable(f"{self.site.endpoint.name}: has not waited for the end of the blob")
        url = session.copy_merge_params({"digest": measured.digest})
        answer = await self.site.ask("PUT", url, self.scope, headers=headers, content=body)
        await self.site.expect(answer, CREATED, NO_CONTENT)
        await answer.aclose()
        return measured

    async def _find_out(self) -> None:
        """Ask how far the registry got; begin again where it does not say."""
        assert self.session is not None
        answer = await self.site.ask("GET", self.session, self.scope)
        try:
            await self.site.expect(answer, NO_CONTENT, ACCEPTED)
        except NothingThere:
            self.session, self._sent = await begin(self.site, self.scope, self.path), 0
            return
        measured, got = self.blob.measured, received(answer)
        self._sent = got if measured is None else min(got, measured.size_bytes)
        if "Location" in answer.headers:
            self.session = location(answer)
        await answer.aclose()


def _is_small(measured: Measured | None) -> bool:
    return measured is not None and measured.size_bytes <= WHOLE_BYTES


def extent(sent_bytes: int, measured: Measured | None) -> Mapping[str, str]:
    """Return what announces the rest of a blob: how much it is and where it belongs, or that nobody knows."""
    if measured is None:
        return {"Transfer-Encoding": "chunked"}
    return {
        "Content-Length": str(measured.size_bytes - sent_bytes),
        "Content-Range": f"{sent_bytes}-{measured.size_bytes - 1}",
    }


async def begin(site: Site, scope: str, path: str) -> httpx.URL:
    """Begin a session in the repository `path`, and return where it is.

    Raises:
        RegistryError: the registry does not begin one.

    """
    answer = await site.ask("POST", f"/v2/{path}/blobs/uploads/", scope, headers={"Content-Length": "0"})
    await site.expect(answer, ACCEPTED)
    await answer.aclose()
    return location(answer)


def received(answer: Answer) -> int:
    """Return how many bytes a session has; a registry that has none says 0-0, or nothing."""
    text = answer.headers.get("Range", "").strip()
    found = _RANGE.fullmatch(text)
    if text and found is None:
        raise RegistryFailed(f"{described(answer.request)}: says it has {text[:100]!r} of the blob")
    last = int(found[1]) if found else 0
    return last + 1 if last else 0
