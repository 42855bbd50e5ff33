"""What makes a link of the host known as an engine's from the first moment: its hardware address.

The kernel takes no alias for a link that is being made, so an engine that dies before it has set one would
leave a link that is nobody's.  A hardware address it does take, and one can be made of the owner's name and
the link's.

It begins with fe, because a bridge without an address of its own, as somebody else's may be, takes the lowest
of its ports', and the host's must not change when a container comes.
"""

from __future__ import annotations

import hashlib

from daemon.networks.rtnetlink import Link


def mark(owner: str, name: str) -> str:
    """Return the hardware address of a link on the host: a local one, as nobody else has it."""
    made = hashlib.blake2b(f"{owner}\0{name}".encode(), digest_size=5).digest()
    return b"\xfe".hex() + ":" + made.hex(":")


def is_owned(link: Link, owner: str) -> bool:
    """Tell whether a link is this owner's, also if it is only half made."""
    return link.owner == owner or (not link.owner and link.mac == mark(owner, link.name))
