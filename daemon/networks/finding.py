"""A link as it is now; that there is none is an answer and not an error."""

from __future__ import annotations

import errno

from daemon.networks import rtnetlink
from daemon.networks.netlink import Netlink, Refused
from daemon.networks.rtnetlink import Link


def find(netlink: Netlink, name: str) -> Link | None:
    """Return a link by its name, None if there is none.

    Raises:
        OSError: the kernel refused.

    """
    try:
        return rtnetlink.read_link(netlink.ask(rtnetlink.get_link(name)))
    except Refused as error:
        if error.errno == errno.ENODEV:
            return None
        raise
