"""Waiting for what the kernel does a moment after it has said that it is done.

An IPv6 address that is not to be checked for duplicates is still made usable by a worker of the kernel's
(addrconf_dad_work), and what is sent to it before is lost, with the next attempt a second later.  When the
kernel would deliver a packet for it to itself, it is usable.  Asked for again and again, not listened for,
since the address may have been there already.

Source: net/ipv6/addrconf.c of Linux.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from daemon.networks import rtnetlink
from daemon.networks.netlink import Netlink
from daemon.networks.plans import Interface

_PAUSE_SECONDS: Final = 0.0003
_LONGEST_SECONDS: Final = 1.0  # where so much is under way, a first packet may as well be sent twice


def settle(netlink: Netlink, interfaces: Iterable[Interface]) -> None:
    """Return when all of `interfaces` are usable, or when it takes too long.

    Raises:
        OSError: the kernel refused to say.

    """
    end = time.monotonic() + _LONGEST_SECONDS
    for interface in interfaces:
        if interface.version == 6:
            question = rtnetlink.get_route(interface.ip)
            while not rtnetlink.is_local(netlink.ask(question)) and time.monotonic() < end:
                time.sleep(_PAUSE_SECONDS)
