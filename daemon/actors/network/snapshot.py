"""A network as everybody may see it: its definition and who is in it now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from daemon.actors.mailbox import Mailbox
from daemon.actors.network.lifecycle import State
from daemon.actors.published import Cell
from daemon.networks.records import Endpoint, NetworkRecord


@attrs.frozen(eq=False)
class NetworkSnapshot:
    """A network until its next transition.

    Attributes:
        endpoints: who is in it, by the container's id, in the order in which they came.
        renderings: where the API keeps what it has made of it.

    """

    record: NetworkRecord
    state: State
    endpoints: Mapping[str, Endpoint] = attrs.field(factory=dict)
    renderings: dict[object, Any] = attrs.field(factory=dict)

    @property
    def id(self) -> str:
        """The full id, 64 hexadecimal digits."""
        return self.record.id

    @property
    def removed(self) -> bool:
        """Whether it is gone; whoever sees this holds the last snapshot there is."""
        return self.state is State.REMOVED

    def replace(self, **changes: Any) -> NetworkSnapshot:
        """Return a snapshot with `changes`, and nothing rendered yet."""
        return attrs.evolve(self, renderings={}, **changes)


@attrs.define(eq=False)
class Network:
    """A network, as the rest of the engine sees it: where to ask and what it shows."""

    id: str
    mailbox: Mailbox
    cell: Cell[NetworkSnapshot]

    @property
    def snapshot(self) -> NetworkSnapshot:
        """What it shows now."""
        return self.cell.current

    @property
    def record(self) -> NetworkRecord:
        """What it is."""
        return self.cell.current.record
