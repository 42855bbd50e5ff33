"""The resolver's life: it serves its control socket and its askers, and ends when it has neither.

An engine that has gone may come back, so being without one is no reason to end while there are askers.  When
the last engine leaves and nobody is left to be answered, it ends with it.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import Final

import attrs
import trio

from daemon.networks.resolver.askers import Askers
from daemon.networks.resolver.control import Control

LOG: Final = logging.getLogger(__name__)
# Who leaves answers for so long what comes before its successor has all askers.
LINGER_SECONDS: Final = 10.0


@attrs.frozen(eq=False)
class Process:
    """The whole of it.

    Attributes:
        control: the listening socket for engines.
        let_go: gives the lock up, for another resolver to take.
        idle_seconds: how long it stays without askers and engines.

    """

    control: socket.socket
    let_go: Callable[[], None]
    idle_seconds: float

    async def live(self) -> None:
        """Serve until there is nobody to serve."""
        async with trio.open_nursery() as nursery:
            askers = Askers(nursery)
            control = Control(askers, partial(self._leave, nursery))
            nursery.start_soon(askers.look)
            nursery.start_soon(self._serve, control, nursery)
            await self._needed(control)
            nursery.cancel_scope.cancel()

    async def _serve(self, control: Control, nursery: trio.Nursery) -> None:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self.control))
        await trio.serve_listeners(control.converse, [listener], handler_nursery=nursery)

    def _leave(self, nursery: trio.Nursery) -> None:
        LOG.info("another resolver takes over")
        self.let_go()
        nursery.cancel_scope.deadline = trio.current_time() + LINGER_SECONDS

    async def _needed(self, control: Control) -> None:
        """Return when nobody is there: at once if the last engine left nobody to answer, or after a while."""
        last_needed = trio.current_time()
        while True:
            with trio.move_on_after(self.idle_seconds / 4) as waiting:
                await control.left.wait()
            if control.connections or control.askers:
                last_needed = trio.current_time()
            elif not waiting.cancelled_caught or trio.current_time() >= last_needed + self.idle_seconds:
                return
