"""A packet filter in memory, as particular about changes as the kernel."""

from __future__ import annotations

from collections.abc import Callable, Collection

import attrs
import trio

from daemon.errors import Failed
from daemon.networks.firewall.elements import Element, of_all
from daemon.networks.firewall.ruleset import Change, Ruleset
from daemon.networks.plans import PublishedPort


def _nothing_wrong(_ports: Collection[PublishedPort]) -> bool:
    return False


@attrs.define(eq=False)
class FakeFilter:
    """`PacketFilter` without a kernel.

    Attributes:
        seconds: what each transaction takes.
        forget_seconds: what it takes to forget connections.
        refuses: whether a transaction that has these ports installed is refused.
        left: the ports there are.
        calls: what was asked for and not refused, in order.

    """

    seconds: float = 0.0
    forget_seconds: float = 0.0
    refuses: Callable[[Collection[PublishedPort]], bool] = _nothing_wrong
    table: dict[tuple[str, tuple[str | int, ...]], Element] | None = None
    calls: list[Ruleset | Change] = attrs.field(factory=list)
    forgotten: list[tuple[set[PublishedPort], set[PublishedPort]]] = attrs.field(factory=list)
    left: frozenset[PublishedPort] = frozenset()
    refused: int = 0

    async def replace(self, rules: Ruleset) -> frozenset[PublishedPort]:
        await self._transaction(rules.ports.values())
        left, self.left = self.left.difference(rules.ports.values()), frozenset(rules.ports.values())
        elements = of_all(rules.bridges.values(), rules.ports.values())
        self.table = {_place(element): element for element in elements} if rules else None
        self.calls.append(rules)
        return left

    async def change(self, change: Change) -> None:
        await self._transaction(change.ports_new)
        if self.table is None:
            raise Failed("no such table")
        gone = of_all(change.bridges_gone, change.ports_gone)
        new = of_all(change.bridges_new, change.ports_new)
        after = dict(self.table)
        for element in gone:
            if after.pop(_place(element), None) is None:
                raise Failed("no such element")
        for element in new:
            if after.setdefault(_place(element), element) != element:
                raise Failed("it is there and leads elsewhere")
        self.table = after
        self.left = self.left.difference(change.ports_gone).union(change.ports_new)
        self.calls.append(change)

    async def forget(self, gone: Collection[PublishedPort], new: Collection[PublishedPort]) -> None:
        await trio.sleep(self.forget_seconds)
        self.forgotten.append((set(gone), set(new)))

    def flush(self) -> None:
        """Empty it, as `nft flush ruleset` does."""
        self.table, self.left = None, frozenset()

    @property
    def elements(self) -> set[Element]:
        """What there is."""
        return set((self.table or {}).values())

    async def _transaction(self, ports: Collection[PublishedPort]) -> None:
        await trio.sleep(self.seconds)
        if self.refuses(ports):
            self.refused += 1
            raise Failed("refused")


def _place(element: Element) -> tuple[str, tuple[str | int, ...]]:
    return element.place, element.key
