"""All askers: put, dropped, kept, and found to have gone.

An asker answers from the moment that `put` returns.  Put again it keeps its sockets if its namespace is the
same, so a change of names costs nothing and loses no question.  Our sockets keep a namespace alive, so its
file is looked at now and then: without it the container has gone while the engine was away.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final

import attrs
import trio

from daemon.networks.plans import Asker
from daemon.networks.resolver.directory import Directory
from daemon.networks.resolver.service import CONNECTIONS_OF_ONE, QUERIES_OF_ONE, Service
from daemon.networks.resolver.slots import Slots
from daemon.networks.resolver.sockets import Sockets, identity_of, open_sockets
from daemon.networks.resolver.upstream import parse_server

LOG: Final = logging.getLogger(__name__)
QUERIES_OF_ALL: Final = 1024
CONNECTIONS_OF_ALL: Final = 512
LOOK_SECONDS: Final = 15.0


@attrs.define(eq=False)
class _Served:
    """An asker with the sockets on which it is answered."""

    asker: Asker
    sockets: Sockets
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)


@attrs.define(eq=False)
class Askers:
    """Those who are answered; their tasks live in `nursery`."""

    nursery: trio.Nursery
    _directory: Directory = attrs.field(factory=Directory)
    _served: dict[str, _Served] = attrs.field(factory=dict)
    _turn: trio.Lock = attrs.field(factory=trio.Lock)
    _queries: Slots = attrs.field(factory=lambda: Slots(QUERIES_OF_ALL))
    _connections: Slots = attrs.field(factory=lambda: Slots(CONNECTIONS_OF_ALL))

    def __len__(self) -> int:
        return len(self._served)

    async def put(self, asker: Asker) -> None:
        """Answer `asker` from now on, in place of what was known under its id.

        Raises:
            OSError: its namespace is not there, or the kernel refused something.
            ValueError: one of its servers is none.

        """
        for server in asker.servers:
            parse_server(server)
        async with self._turn:
            identity = await trio.to_thread.run_sync(identity_of, asker.namespace)
            served = self._served.get(asker.id)
            if served is not None and served.sockets.identity == identity:
                served.asker = asker
            else:
                sockets = await trio.to_thread.run_sync(open_sockets, asker.namespace)
                self._begin(_Served(asker, sockets))
            self._directory.put(asker)

    async def drop(self, asker_id: str) -> None:
        """Answer an asker no longer, and let nobody find it; nothing if it is not there."""
        async with self._turn:
            self._end(asker_id)

    async def keep(self, ids: Collection[str]) -> None:
        """Drop all but these."""
        async with self._turn:
            for asker_id in set(self._served) - set(ids):
                self._end(asker_id)

    async def look(self) -> None:
        """Drop, until cancelled, those whose namespace has gone."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            for served in list(self._served.values()):
                await self._look_at(served)

    async def _look_at(self, served: _Served) -> None:
        async with self._turn:
            try:
                identity = await trio.to_thread.run_sync(identity_of, served.asker.namespace)
            except OSError:
                identity = None
            if identity != served.sockets.identity and self._served.get(served.asker.id) is served:
                LOG.info("%s: its namespace has gone", served.asker.id)
                self._end(served.asker.id)

    def _begin(self, served: _Served) -> None:
        self._end(served.asker.id)
        self._served[served.asker.id] = served
        service = Service(
            self._directory,
            lambda: served.asker,
            Slots(QUERIES_OF_ONE, self._queries),
            Slots(CONNECTIONS_OF_ONE, self._connections),
        )
        self.nursery.start_soon(self._serve, served, service, name=f"asker {served.asker.id}")

    async def _serve(self, served: _Served, service: Service) -> None:
        try:
            with served.scope:
                await service.serve(served.sockets)
        finally:
            served.sockets.close()

    def _end(self, asker_id: str) -> None:
        self._directory.drop(asker_id)
        served = self._served.pop(asker_id, None)
        if served is not None:
            served.scope.cancel()
