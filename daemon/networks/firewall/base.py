"""What the firewall's actor needs of the host."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from daemon.networks.firewall.ruleset import Change, Ruleset
from daemon.networks.plans import PublishedPort


class PacketFilter(Protocol):
    """The kernel's packet filter, as far as it is ours; each call is carried out whole or not at all.

    A call that is cancelled may be carried out nevertheless, but before any that is made after it.
    """

    async def replace(self, rules: Ruleset) -> frozenset[PublishedPort]:
        """Have `rules` and nothing else, whatever was there; return the ports that are no longer published.

        Raises:
            Failed: the kernel refused.

        """

    async def change(self, change: Change) -> None:
        """Carry `change` out on what is there.

        Raises:
            Failed: the kernel refused; what it is to change may not be there.

        """

    async def forget(self, gone: Collection[PublishedPort], new: Collection[PublishedPort]) -> None:
        """Have connections decided anew that a change of ports has put in the wrong.

        Args:
            gone: connections that were sent on by these end.
            new: connections to these that were not sent on, end.

        Raises:
            Failed: the kernel refused.

        """
