"""All registries, as settings and environment have it at the moment somebody asks."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs
import httpx

from daemon import __version__
from daemon.images.references import Reference
from daemon.images.registry import certificates, login
from daemon.images.registry import search as searching
from daemon.images.registry.connections import Connections
from daemon.images.registry.credentials import ANONYMOUS, Credentials
from daemon.images.registry.endpoints import Endpoint, Resolve, endpoints_of, registry, resolve_on_host
from daemon.images.registry.proxies import Proxies
from daemon.images.registry.remote import RemoteRepository
from daemon.images.registry.repository import Action, SearchResult
from daemon.images.registry.site import Site
from daemon.settings import Settings

USER_AGENT: Final = (
    f"longshore/{__version__} python/{platform.python_version()} kernel/{platform.release()} "
    f"os/linux arch/{platform.machine()}"
)
TransportFor = Callable[[Endpoint, Settings], httpx.AsyncBaseTransport]


@attrs.define(eq=False)
class RemoteRegistries:
    """The registries of the world; `settings` gives those of the moment."""

    settings: Callable[[], Settings]
    certificates: Path = certificates.DIRECTORY
    proxies: Proxies = attrs.field(factory=lambda: Proxies.from_environment(os.environ))
    resolve: Resolve = resolve_on_host
    transport_for: TransportFor | None = None  # another network than this host's

    @contextlib.asynccontextmanager
    async def repository(
        self, reference: Reference, credentials: Credentials, action: Action = Action.PULL
    ) -> AsyncGenerator[RemoteRepository, None]:
        """Open the repository of `reference`; nothing is asked before its first method is."""
        settings = self.settings()
        endpoints = await endpoints_of(reference.domain, action, settings, self.resolve)
        async with contextlib.AsyncExitStack() as stack:
            sites = [
                await stack.enter_async_context(self._site(endpoint, settings, who))
                for endpoint, who in zip(endpoints, _identities(endpoints, credentials), strict=True)
            ]
            yield RemoteRepository(reference.path, action, sites, settings.max_download_attempts)

    async def log_in(self, server_address: str, credentials: Credentials) -> str:
        """Check credentials; return an identity token to keep instead of the password, or ""."""
        async with self._registry(login.registry_name(server_address), credentials) as site:
            return await login.log_in(site)

    async def search(self, term: str, limit: int, credentials: Credentials) -> tuple[SearchResult, ...]:
        """Return the repositories that a registry finds for `[HOST/]TERM`, the best first."""
        name, rest = searching.split_term(term)
        async with self._registry(name, credentials) as site:
            return await searching.search(site, rest, limit)

    @contextlib.asynccontextmanager
    async def _registry(self, name: str, credentials: Credentials) -> AsyncGenerator[Site, None]:
        settings = self.settings()
        endpoint = await registry(name, settings, self.resolve)
        async with self._site(endpoint, settings, credentials) as site:
            yield site

    @contextlib.asynccontextmanager
    async def _site(
        self, endpoint: Endpoint, settings: Settings, credentials: Credentials
    ) -> AsyncGenerator[Site, None]:
        transport = (self.transport_for or self._connections)(endpoint, settings)
        try:
            yield Site(endpoint, transport, credentials, USER_AGENT)
        finally:
            await transport.aclose()

    def _connections(self, endpoint: Endpoint, settings: Settings) -> httpx.AsyncBaseTransport:
        return Connections(endpoint, settings, self.proxies, self.resolve, self.certificates)


def _identities(endpoints: Sequence[Endpoint], credentials: Credentials) -> Iterator[Credentials]:
    """Yield who asks at each place: a registry's password is nothing to its mirrors."""
    yield from (ANONYMOUS for _ in endpoints[:-1])
    yield credentials
