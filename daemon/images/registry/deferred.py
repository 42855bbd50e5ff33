"""Registries whose client is imported when the first of them is asked for.

The client and the library under it take 50 ms to import, which an engine that is started again after a crash,
with containers to find, has better uses for.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import cached_property

from daemon.images.references import Reference
from daemon.images.registry.credentials import Credentials
from daemon.images.registry.repository import Action, Registries, Repository, SearchResult
from daemon.settings import Settings


class DeferredRegistries:
    """All registries; `settings` gives those of the moment."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    @cached_property
    def _registries(self) -> Registries:
        from daemon.images.registry.registries import RemoteRegistries

        return RemoteRegistries(self._settings)

    def repository(
        self, reference: Reference, credentials: Credentials, action: Action = Action.PULL
    ) -> AbstractAsyncContextManager[Repository]:
        """Open the repository of `reference`; nothing is asked before its first method is."""
        return self._registries.repository(reference, credentials, action)

    async def log_in(self, server_address: str, credentials: Credentials) -> str:
        """Check credentials; return an identity token to keep instead of the password, or ""."""
        return await self._registries.log_in(server_address, credentials)

    async def search(self, term: str, limit: int, credentials: Credentials) -> tuple[SearchResult, ...]:
        """Return the repositories that a registry finds for `[HOST/]TERM`, the best first."""
        return await self._registries.search(term, limit, credentials)
