"""The kernel's packet filter, called in threads and one call after the other.

A call that takes longer than its caller waits goes on in its thread, and the next one waits for it: so
whatever is asked for last is what holds in the end.

Both sockets serve the network namespace in which this was made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

import attrs
import structlog
import trio

from daemon.errors import Failed
from daemon.networks.firewall.connections import Stale
from daemon.networks.firewall.conntrack import Conntrack
from daemon.networks.firewall.documents import afresh, difference, whole
from daemon.networks.firewall.left import published
from daemon.networks.firewall.libnftables import Nftables
from daemon.networks.firewall.objections import objections
from daemon.networks.firewall.ruleset import Change, Ruleset
from daemon.networks.plans import PublishedPort

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@attrs.frozen(eq=False)
class KernelFilter:
    """`PacketFilter` on the table `table`, which is all that it ever touches."""

    table: str = "longshore"
    _nftables: Nftables = attrs.field(factory=Nftables, init=False)
    _conntrack: Conntrack = attrs.field(factory=Conntrack, init=False)
    _turn: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)
    _other_turn: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)

    async def replace(self, rules: Ruleset) -> frozenset[PublishedPort]:
        """See `PacketFilter`."""
        return await in_turn(lambda: self._replace(rules), self._turn)

    async def change(self, change: Change) -> None:
        """See `PacketFilter`."""
        await in_turn(lambda: self._nftables.run(difference(self.table, change)), self._turn)

    async def forget(self, gone: Collection[PublishedPort], new: Collection[PublishedPort]) -> None:
        """See `PacketFilter`."""
        stale = Stale.after(gone, new)
        # Its own turn: it takes long beside a change of rules, which shall not wait for it.
        forgotten = await in_turn(lambda: self._conntrack.forget(stale), self._other_turn)
        _log.debug("connections forgotten", count=forgotten)

    async def objections(self, links: Collection[str]) -> tuple[str, ...]:
        """Return warnings about tables of others that drop what the bridges `links` forward.

        Raises:
            Failed: the tables cannot be read.

        """
        return await in_turn(
            lambda: objections(self._nftables.listed("ruleset"), self.table, links), self._turn
        )

    def close(self) -> None:
        """Close the sockets; the tables stay.  Nothing may be under way."""
        self._nftables.close()
        self._conntrack.close()

    def _replace(self, rules: Ruleset) -> frozenset[PublishedPort]:
        left = self._left()
        try:
            self._nftables.run(whole(self.table, rules))
        except Failed as error:
            _log.info("the table is deleted and made anew", table=self.table, reason=str(error))
            self._nftables.run(afresh(self.table, rules))
        return left.difference(rules.ports.values())

    def _left(self) -> frozenset[PublishedPort]:
        try:
            return published(self._nftables.listed(f"table inet {self.table}"))
        except Failed:  # there is none
            return frozenset()


async def in_turn(work: Callable[[], T], turn: trio.CapacityLimiter) -> T:
    """Return what `work` returns, done in a thread when all that had `turn` before is over, left or not."""
    return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=turn)
