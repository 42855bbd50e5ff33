"""Who uses which layer of a driver, so that the driver sees one `get` and, at the end, one `put`.

A holder takes a layer once, however often it says so, and so a repeated call does no harm.  What an engine
that died had taken is not known; letting go of a layer that nobody has taken here is therefore passed on
once, which takes back the other engine's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import attrs
import structlog
import trio

from daemon.errors import EngineError

_log = structlog.get_logger(__name__)


class Lender(Protocol):
    """The half of a driver that is used here."""

    async def get(self, layer_id: str) -> Path:
        """Return where the layer can be seen."""
        ...

    async def put(self, layer_id: str) -> None:
        """Take back one `get`."""
        ...


@attrs.define(eq=False)
class _Hold:
    """One layer: who has it, and where it is if this engine got it.

    `is_settled` is False while the driver may have a `get` more than we know of.
    """

    turn: trio.Lock = attrs.field(factory=trio.Lock)
    holders: set[Any] = attrs.field(factory=set)
    path: Path | None = None
    is_settled: bool = False


@attrs.define(eq=False)
class Holds:
    """Takes layers of `lender` and gives them back."""

    lender: Lender
    _holds: dict[str, _Hold] = attrs.field(factory=dict, init=False)

    def __bool__(self) -> bool:
        return any(hold.holders for hold in self._holds.values())

    def expect(self, layer_id: str, holder: object) -> None:
        """Note that `holder` has it from an engine before this one, and the driver needs not be told."""
        self._of(layer_id).holders.add(holder)

    async def take(
        self, layer_id: str, holder: object, get: Callable[[], Awaitable[Path]] | None = None
    ) -> Path:
        """Return where the layer is, which stays there until `holder` drops it.

        Args:
            layer_id: which one.
            holder: who takes it; any value that is nobody else's.
            get: how to get it, if not by `get` of the driver.

        """
        hold = self._of(layer_id)
        async with hold.turn:
            path = hold.path
            if path is None:
                hold.is_settled = False  # if we are interrupted here, nobody knows
                path = await (self.lender.get(layer_id) if get is None else get())
                hold.path, hold.is_settled = path, True
            hold.holders.add(holder)
            return path

    async def drop(self, layer_id: str, holder: object) -> None:
        """Let go of it; repeated as long as it fails, this lets go once."""
        hold = self._of(layer_id)
        async with hold.turn:
            if hold.holders <= {holder}:
                await self._settle(layer_id, hold)
            hold.holders.discard(holder)

    async def forget(self, layer_id: str, then: Callable[[], Awaitable[None]]) -> None:
        """Let go of it for all who have it and do `then`, upon which it is no more."""
        hold = self._of(layer_id)
        async with hold.turn:
            await self._settle(layer_id, hold)
            hold.holders.clear()
            await then()
            self._holds.pop(layer_id, None)

    async def _settle(self, layer_id: str, hold: _Hold) -> None:
        if hold.path is not None:
            await self.lender.put(layer_id)
        elif not hold.is_settled:
            try:
                await self.lender.put(layer_id)
            except EngineError as error:  # as a rule there was nothing to take back, and the driver says so
                _log.info("a layer was not in use", layer=layer_id, error=str(error))
        hold.path, hold.is_settled = None, True

    def _of(self, layer_id: str) -> _Hold:
        return self._holds.setdefault(layer_id, _Hold())
