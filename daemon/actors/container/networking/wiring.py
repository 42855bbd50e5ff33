"""What containers' networks need of the host: namespaces with links, published ports, names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Protocol

from daemon.actors.network.snapshot import Network
from daemon.networks.plans import Asker, LinkPlan, PublishedPort


class KnownNetworks(Protocol):
    """All networks there are."""

    def __iter__(self) -> Iterator[Network]:
        """Yield them."""
        ...

    def resolve(self, reference: str) -> Network:
        """Return the network that `reference` means.

        Raises:
            NotFound: there is none.
            InvalidParameter: it may mean several.

        """
        ...


class Sandboxes(Protocol):
    """Namespaces and the links in them, each by the namespace's file."""

    async def make(self, sandbox: Path, plans: tuple[LinkPlan, ...]) -> None:
        """Make a namespace with these links; whatever is half done already is made whole.

        Raises:
            Failed: the kernel refuses.

        """

    async def plug(self, sandbox: Path, plans: tuple[LinkPlan, ...], added: LinkPlan) -> None:
        """Add a link and set the ways out as in `plans`, which has `added`, too.

        Raises:
            Failed: the kernel refuses.

        """

    async def announce(self, sandbox: Path, plans: tuple[LinkPlan, ...]) -> None:
        """Tell the neighbours where the addresses are now; a namespace that has gone is fine.

        Raises:
            Failed: the kernel refuses, or the namespace goes at this moment.

        """

    async def unplug(self, sandbox: Path, plans: tuple[LinkPlan, ...], removed: LinkPlan) -> None:
        """Remove a link and set the ways out as in `plans`, which are the others.

        Raises:
            Failed: the kernel refuses.

        """

    async def remove(self, sandbox: Path) -> None:
        """Leave nothing of a namespace; one that is not there is gone already.

        Raises:
            Failed: the kernel refuses.

        """


class Background(Protocol):
    """Where things are done that nobody waits for (`daemon.actors.supervision`)."""

    def see_through(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Have `work` done."""


class Publisher(Protocol):
    """Who sends what comes for a port of the host to a container."""

    async def publish(self, ports: tuple[PublishedPort, ...]) -> None:
        """Send what comes for these ports; return once that is so.

        Raises:
            Failed: the kernel refuses; then none of them is published.

        """

    async def unpublish(self, ports: tuple[PublishedPort, ...]) -> None:
        """Send nothing any more, nor what belongs to flows that go on.

        Raises:
            Failed: the kernel refuses.

        """


class Names(Protocol):
    """Who answers containers that ask for the names of their networks."""

    async def put(self, asker: Asker) -> None:
        """Answer a container, or go on with what it has now; return once that is so.

        Raises:
            Failed: it cannot be answered.

        """

    async def drop(self, container_id: str) -> None:
        """Answer it no more; one that never asked is dropped already.

        Raises:
            Failed: the resolver does not listen.

        """


class Others(Protocol):
    """The other containers, as far as this one depends on them."""

    def link(self, reference: str) -> tuple[str, str, str]:
        """Return the address on the bridge, the short id and the name of a container to link to.

        Raises:
            NotFound: there is none.
            Conflict: it does not run.

        """
        ...

    async def cleared(self, container_id: str) -> bool:
        """Wait until what is being cleared away of a container's last run is gone; False if nothing is."""
        ...
