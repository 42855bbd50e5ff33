"""Brings a network into the kernel and takes it out again, within a time that is bounded.

Both may be done again, whatever has been done before: a crash between two steps leaves nothing that the
next attempt does not mend.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Final, TypeVar

import trio

from daemon.actors.network.host import NetworkHost
from daemon.errors import Failed, InvalidParameter
from daemon.failpoints import reached
from daemon.networks.plans import Subnet
from daemon.networks.records import NetworkRecord

T = TypeVar("T")
KERNEL_SECONDS: Final = 30.0


async def raise_network(host: NetworkHost, record: NetworkRecord) -> None:
    """Have the kernel have what the network needs.

    Raises:
        InvalidParameter: the parent link does not exist.
        Failed: the kernel refuses, or does not answer.

    """
    if record.is_bridge:
        await _bounded(f"network {record.name}", partial(host.ensure_bridge, record.bridge_plan()))
        reached("network-bridged")
        await _bounded(f"network {record.name}", partial(host.install, record.bridge_rules()))
    elif record.link and not await has_link(host, record.link):
        raise InvalidParameter(f"parent interface {record.link} was not found on the host")


async def lower_network(host: NetworkHost, record: NetworkRecord) -> None:
    """Take from the kernel what is there of the network.

    Raises:
        Failed: the kernel refuses, or does not answer.

    """
    if record.is_bridge:
        await _bounded(f"network {record.name}", partial(host.withdraw, record.link))
        reached("network-withdrawn")
        await _bounded(f"network {record.name}", partial(host.remove_link, record.link, record.owner))


async def has_link(host: NetworkHost, name: str) -> bool:
    """Return whether the host has a link of this name.

    Raises:
        Failed: the kernel refuses to say, or does not answer.

    """
    return await _bounded(f"link {name}", partial(host.has_link, name))


async def host_subnets(host: NetworkHost) -> Collection[Subnet]:
    """Return what the host's addresses and routes cover, those of our own bridges, too.

    Raises:
        Failed: the kernel refuses to say, or does not answer.

    """
    return await _bounded("the host's addresses", host.taken_subnets)


async def _bounded(what: str, work: Callable[[], Awaitable[T]]) -> T:
    try:
        with trio.fail_after(KERNEL_SECONDS):
            return await work()
    except trio.TooSlowError:
        raise Failed(f"{what}: the kernel has not answered in {KERNEL_SECONDS:g} s") from None
