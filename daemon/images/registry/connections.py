"""The connections of one opened repository: a pool for each origin it comes to, closed with it.

A registry points to other hosts, its token server and the storage of its blobs. They have to show
certificates of their own: that somebody takes the registry's on trust says nothing of theirs, unless they
are on its host.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs
import httpx
import trio

from daemon.images import references
from daemon.images.registry import certificates
from daemon.images.registry.endpoints import Endpoint, Resolve, is_insecure
from daemon.images.registry.proxies import Proxies
from daemon.images.registry.transport import Transport
from daemon.images.registry.urls import Origin, origin
from daemon.settings import Settings

CLOSE_SECONDS: Final = 5


@attrs.define(eq=False)
class Connections(httpx.AsyncBaseTransport):
    """A transport to `endpoint` and to wherever it points."""

    endpoint: Endpoint
    settings: Settings
    proxies: Proxies
    resolve: Resolve
    certificates: Path
    _pools: dict[Origin, Transport] = attrs.field(factory=dict, init=False)
    _opening: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over the pool of its origin."""
        return await (await self._pool(request.url)).handle_async_request(request)

    async def aclose(self) -> None:
        """Close all pools, also while the task is being cancelled."""
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            for pool in self._pools.values():
                await pool.aclose()

    async def _pool(self, url: httpx.URL) -> Transport:
        place = origin(url)
        async with self._opening:
            if place not in self._pools:
                self._pools[place] = await self._open(url)
            return self._pools[place]

    async def _open(self, url: httpx.URL) -> Transport:
        own = url.host == self.endpoint.bases[0].host
        name = self.endpoint.name if own else url.netloc.decode("ascii")
        insecure = self.endpoint.insecure if own else await is_insecure(name, self.settings, self.resolve)
        home = self.certificates / self.endpoint.name
        theirs = self.certificates / name if own or references.is_domain(name) else None
        proxy = self.proxies.of(url)

        def make() -> Transport:
            if url.scheme == "http":
                return Transport(certificates.trusting_nobody(), proxy)
            authorities = {home, theirs} if theirs else {home}
            return Transport(certificates.context(authorities, theirs, insecure=insecure), proxy)

        return await trio.to_thread.run_sync(make)
