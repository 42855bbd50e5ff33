"""What a network needs of the host: the seam between deciding and the kernel."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from daemon.networks.plans import BridgePlan, BridgeRules, Subnet


class NetworkHost(Protocol):
    """Links and firewall, as far as networks have any without containers."""

    async def taken_subnets(self) -> Collection[Subnet]:
        """Return what the host's addresses and routes cover, those of our own bridges, too.

        Raises:
            Failed: the kernel refuses to say.

        """
        ...

    async def has_link(self, name: str) -> bool:
        """Return whether the host has a link of this name.

        Raises:
            Failed: the kernel refuses to say.

        """
        ...

    async def ensure_bridge(self, plan: BridgePlan) -> None:
        """Make the bridge, or make one that is there as it should be; somebody else's loses nothing.

        Raises:
            Conflict: it is another engine's.
            Failed: the kernel refuses, or a link of that name is no bridge.

        """
        ...

    async def remove_link(self, name: str, owner: str) -> None:
        """Remove a link; one that is not there, or is another owner's, is left as it is.

        Raises:
            Failed: the kernel refuses.

        """
        ...

    async def install(self, rules: BridgeRules) -> None:
        """Put the bridge's rules into the firewall, in place of those it had.

        Raises:
            Failed: the kernel refuses.

        """
        ...

    async def withdraw(self, link: str) -> None:
        """Take the bridge's rules out of the firewall; none is fine.

        Raises:
            Failed: the kernel refuses.

        """
        ...
