"""Being a visitor: let in, given the root filesystem, and out again whatever happens."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

import trio

from daemon.actors.container.actor import Container
from daemon.actors.container.commands import Visit
from daemon.actors.container.visits import Visitor
from daemon.errors import Conflict
from daemon.graphdrivers.base import GraphDriver


@contextlib.asynccontextmanager
async def visit(
    container: Container, graph_driver: GraphDriver, command: Visit
) -> AsyncGenerator[Path, None]:
    """Lend the root filesystem of a container, mounted, to the visitor of `command`.

    Raises:
        Conflict: it is being removed.
        Failed: it cannot be mounted.

    """
    try:
        await container.mailbox.ask(command)
        async with graph_driver.mounted(container.id, container.snapshot.record.chain_ids) as rootfs:
            yield rootfs
    finally:
        container.visits.leave(command.visitor)


@contextlib.asynccontextmanager
async def breakable_visit(
    container: Container, graph_driver: GraphDriver, kind: type[Visit]
) -> AsyncGenerator[Path, None]:
    """Do the same; the block is cancelled when the container is removed by force, which is a Conflict."""
    visitor, scope = Visitor(), trio.CancelScope()
    visitor.can_be_cut_off(scope.cancel)
    with scope:
        async with visit(container, graph_driver, kind(visitor)) as rootfs:
            yield rootfs
    if scope.cancelled_caught:
        raise Conflict(f"container {container.id} has been removed meanwhile")
