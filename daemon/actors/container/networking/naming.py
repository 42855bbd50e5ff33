"""What a container is called in its networks, and what it is told of names itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs

from daemon.actors.container.admission.endpoints import PREDEFINED
from daemon.actors.container.attachments import Attachment, Attachments
from daemon.actors.container.snapshot import ContainerRecord
from daemon.model import EndpointConfig
from daemon.networks.files import upstream_servers
from daemon.networks.linking import parse_link
from daemon.networks.plans import Asker, Membership

SHORT_ID: Final = 12
HOST_RESOLV_CONF: Final = Path("/etc/resolv.conf")


@attrs.frozen
class NetworkFacts:
    """What the files in a container's /etc say of its networks.

    Attributes:
        addresses: its own.
        gateways: the host's, on the predefined bridge.
        links: address and names of the containers that it is linked to.
        asks_resolver: whether names are answered by this engine.
        sandbox: the file of its namespace, None if the runtime is to make one or none is its own.

    """

    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    asks_resolver: bool = False
    sandbox: Path | None = None


def asks_resolver(networks: Iterable[str]) -> bool:
    """Tell whether any of a container's networks has names: all but the predefined ones."""
    return any(name not in PREDEFINED for name in networks)


def resolv_conf_of_host(path: Path = HOST_RESOLV_CONF) -> str:
    """Return the host's file of name servers, "" if it has none: that is no reason not to run anything."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def names_of(record: ContainerRecord, wish: EndpointConfig | None) -> tuple[str, ...]:
    """Return what others in a network call a container, its own name first."""
    aliases = (wish and wish.aliases) or ()
    return tuple(dict.fromkeys((record.name, *aliases, record.id[:SHORT_ID])))


def asker(
    record: ContainerRecord, attachments: Attachments, sandbox: Path, resolv_conf_of_host: str
) -> Asker | None:
    """Return the container as one that asks for names, None if no network of it has any."""
    if not asks_resolver(record.networks):
        return None
    memberships = tuple(
        _membership(record, found)
        for found in attachments.networks
        if found.link and found.lease.network_name not in PREDEFINED
    )
    leads_out = any(found.lease.gateways for found in attachments.networks)
    servers = upstream_servers(record.host_config, resolv_conf_of_host) if leads_out else ()
    return Asker(record.id, sandbox, servers, memberships)


def _membership(record: ContainerRecord, attachment: Attachment) -> Membership:
    lease = attachment.lease
    wish = record.networks.get(lease.network_name) or record.networks.get(lease.network_id)
    links = [parse_link(text) for text in (wish and wish.links) or ()]
    return Membership(
        network=lease.network_id,
        network_name=lease.network_name,
        addresses=tuple(interface.ip for interface in lease.interfaces),
        names=names_of(record, wish),
        links={alias: name for name, alias in links},
    )
