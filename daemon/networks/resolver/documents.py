"""An `Asker` as JSON and back, the only thing that the engine and the resolver tell each other.

Not by `daemon.wire`: its converter would be a quarter of the resolver's memory.  What is read was written by
an engine of this version, the handshake sees to that, so anything odd is a bug and is refused as a whole.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

from daemon.networks.plans import Asker, Membership


def to_document(asker: Asker) -> dict[str, Any]:
    """Return what `from_document` makes an equal asker of."""
    return {
        "id": asker.id,
        "namespace": str(asker.namespace),
        "servers": list(asker.servers),
        "memberships": [
            {
                "network": one.network,
                "network_name": one.network_name,
                "addresses": [str(address) for address in one.addresses],
                "names": list(one.names),
                "links": dict(one.links),
            }
            for one in asker.memberships
        ],
    }


def from_document(document: dict[str, Any]) -> Asker:
    """Return the asker that a document is of.

    Raises:
        KeyError: a part is missing.
        TypeError: a part is of another kind.
        ValueError: an address is none.

    """
    return Asker(
        id=document["id"],
        namespace=Path(document["namespace"]),
        servers=tuple(document["servers"]),
        memberships=tuple(map(_membership, document["memberships"])),
    )


def _membership(document: dict[str, Any]) -> Membership:
    return Membership(
        network=document["network"],
        network_name=document["network_name"],
        addresses=tuple(map(ip_address, document["addresses"])),
        names=tuple(document["names"]),
        links=document["links"],
    )
