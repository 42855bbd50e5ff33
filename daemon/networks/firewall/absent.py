"""The packet filter of a host that has none: whoever needs no rules gets along without, others are told."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from daemon.errors import Failed
from daemon.networks.firewall.ruleset import Change, Ruleset
from daemon.networks.plans import PublishedPort


@attrs.frozen
class AbsentFilter:
    """`PacketFilter` without one; `reason` is why."""

    reason: str

    async def replace(self, rules: Ruleset) -> frozenset[PublishedPort]:
        """Have nothing, which is all there can be.

        Raises:
            Failed: there are rules.

        """
        if rules:
            raise Failed(self.reason)
        return frozenset()

    async def change(self, change: Change) -> None:
        """Refuse.

        Raises:
            Failed: always.

        """
        raise Failed(self.reason)

    async def forget(self, gone: Collection[PublishedPort], new: Collection[PublishedPort]) -> None:
        """Forget nothing: nothing was ever sent on."""

    async def objections(self, links: Collection[str]) -> tuple[str, ...]:
        """Return the one warning that there is."""
        return (f"bridge networks cannot be used: {self.reason}",)
