"""What the engine may ask for, on the control socket.

Each request is answered when it is in force: {"ok": true}, or {"error": "..."} and nothing has changed.
`leave` hands over to another resolver: we answer on for a moment those who ask us already, and go.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import attrs
import trio

from daemon.networks.resolver.askers import Askers
from daemon.networks.resolver.documents import from_document
from daemon.networks.resolver.lines import Lines
from daemon.networks.resolver.version import VERSION

Document = dict[str, Any]
LOG: Final = logging.getLogger(__name__)


@attrs.define(eq=False)
class Control:
    """The control socket's side of the resolver.

    Attributes:
        askers: what is changed.
        leave: begins the end of the process.
        connections: how many engines are connected.
        told: whether any engine has said yet who is to be answered.
        left: set when the last engine has left and one had told, then another event takes its place.

    """

    askers: Askers
    leave: Callable[[], None]
    connections: int = 0
    told: bool = False
    left: trio.Event = attrs.field(factory=trio.Event)

    async def converse(self, stream: trio.SocketStream) -> None:
        """Answer the requests of one connection until it ends."""
        self.connections += 1
        try:
            async with stream:
                lines = Lines(stream)
                while (request := await lines.receive()) is not None:
                    await lines.send(await self._answer(request))
        except (trio.BrokenResourceError, ValueError) as error:
            LOG.info("an engine was cut off: %r", error)  # killed, or none at all: either way it is gone
        finally:
            self.connections -= 1
            if self.told and not self.connections:  # else it only looked, and whoever started us is to come
                self.left.set()
                self.left = trio.Event()

    async def _answer(self, request: Document) -> Document:
        act = _ACTS.get(request.get("do", ""))
        if act is None:
            return {"error": f"unknown request {request.get('do')!r}"}
        try:
            return {"ok": True, **(await act(self, request) or {})}
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            return {"error": str(error) or repr(error)}

    async def _hello(self, _request: Document) -> Document:
        return {"version": VERSION, "pid": os.getpid(), "askers": len(self.askers)}

    async def _put(self, request: Document) -> None:
        await self.askers.put(from_document(request["asker"]))

    async def _drop(self, request: Document) -> None:
        await self.askers.drop(request["id"])

    async def _keep(self, request: Document) -> None:
        self.told = True  # what every engine says first
        await self.askers.keep(request["ids"])

    async def _leave(self, _request: Document) -> None:
        self.leave()


_ACTS: Final[Mapping[str, Callable[[Control, Document], Awaitable[Document | None]]]] = {
    "hello": Control._hello,
    "put": Control._put,
    "drop": Control._drop,
    "keep": Control._keep,
    "leave": Control._leave,
}
