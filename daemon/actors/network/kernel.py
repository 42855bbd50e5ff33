"""Brings a network into the kernel and takes it out again, within a time that is bounded.

Both may be done again, whatever has been done before: a crash between two steps leaves nothing that the
next attempt does not mend.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Final

import trio

from daemon.actors.network.host import NetworkHost
from daemon.errors import Failed, InvalidParameter
from daemon.networks.plans import Subnet
from daemon.networks.records import NetworkRecord

KERNEL_SECONDS: Final = 30.0


async def raise_network(host: NetworkHost, record: NetworkRecord) -> None:
    """Have the kernel have what the network needs.

    Raises:
        InvalidParameter: the parent link does not exist.
        Conflict: the bridge's name is another's.
        Failed: the kernel refuses, or does not answer.

    """
    if record.is_bridge:
        await _bounded(record, partial(host.ensure_bridge, record.bridge_plan()))
        await _bounded(record, partial(host.install, record.bridge_rules()))
    elif record.link and not await host.has_link(record.link):
        raise InvalidParameter(f"parent interface {record.link} was not found on the host")


async def lower_network(host: NetworkHost, record: NetworkRecord) -> None:
    """Take from the kernel what is there of the network.

    Raises:
        Failed: the kernel refuses, or does not answer.

    """
    if record.is_bridge:
        await _bounded(record, partial(host.withdraw, record.link))
        await _bounded(record, partial(host.remove_link, record.link, record.owner))


async def _bounded(record: NetworkRecord, work: Callable[[], Awaitable[None]]) -> None:
    try:
        with trio.fail_after(KERNEL_SECONDS):
            await work()
    except trio.TooSlowError:
        raise Failed(f"network {record.name}: the kernel has not answered in {KERNEL_SECONDS:g} s") from None


async def host_subnets(host: NetworkHost, *, but: str = "") -> Collection[Subnet]:
    """Return what the host's addresses and routes cover, leaving out those of the link `but`.

    Raises:
        Failed: the kernel refuses to say, or does not answer.

    """
    try:
        with trio.fail_after(KERNEL_SECONDS):
            return await host.taken_subnets(but=but)
    except trio.TooSlowError:
        raise Failed(f"the kernel has not told its addresses in {KERNEL_SECONDS:g} s") from None
