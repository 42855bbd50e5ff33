"""Which links a container has, and at which of its addresses its ports are published; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from daemon.actors.container.attachments import Attachment, Attachments, ranked
from daemon.actors.container.snapshot import ContainerRecord
from daemon.networks.plans import Address, LinkPlan
from daemon.networks.ports import PortWish, port_wishes
from daemon.networks.records import Lease, NetworkRecord

HOST_END: Final = "ls"  # a link's end on the host is called so, and 13 digits of its endpoint's id
HOST_END_DIGITS: Final = 13
RecordOf = Callable[[str], NetworkRecord]


def link_plans(
    record: ContainerRecord, attachments: Attachments, record_of: RecordOf
) -> tuple[LinkPlan, ...]:
    """Return the links of a container; `record_of` knows the networks by their ids."""
    ways_out = attachments.gateways(record.networks)
    plans = (link_plan(found, record_of(found.lease.network_id), ways_out) for found in attachments.networks)
    return tuple(plan for plan in plans if plan is not None)


def link_plan(
    attachment: Attachment, network: NetworkRecord, ways_out: Mapping[str, tuple[Address, ...]]
) -> LinkPlan | None:
    """Return the link that leads to one network, None if none does."""
    if not attachment.link:
        return None
    host_end = HOST_END + attachment.lease.endpoint_id[:HOST_END_DIGITS]
    plan = network.link_plan(attachment.lease, attachment.link, host_end, way_out=True)
    return plan and attrs.evolve(plan, gateways=ways_out.get(attachment.lease.network_id, ()))


def next_link(attachments: Attachments, prefix: str) -> str:
    """Return the first name for a link that is not in use: eth0, eth1, ..."""
    used = {found.link for found in attachments.networks}
    return next(name for number in range(len(used) + 1) if (name := f"{prefix}{number}") not in used)


def published_at(
    record: ContainerRecord, attachments: Attachments, record_of: RecordOf
) -> tuple[Address, ...]:
    """Return the addresses at which a container's ports are published, at most one of each family.

    They are those of the bridge by which it leaves, or of the first that has any: nothing is published into
    other kinds of networks, nor into internal ones.
    """
    bridges = _open_bridges(record, attachments, record_of)
    addresses = [interface.ip for lease in bridges for interface in lease.interfaces]
    families = ([address for address in addresses if address.version == version] for version in (4, 6))
    return tuple(family[0] for family in families if family)


def wanted_ports(
    record: ContainerRecord, attachments: Attachments, record_of: RecordOf
) -> tuple[PortWish, ...]:
    """Return what is to be published; a port without an address of the host is where its network says."""
    bridges = _open_bridges(record, attachments, record_of)
    binding = record_of(bridges[0].network_id).host_binding if bridges else None
    return tuple(
        attrs.evolve(wish, host_address=binding) if wish.host_address is None else wish
        for wish in port_wishes(record.config, record.host_config)
    )


def _open_bridges(record: ContainerRecord, attachments: Attachments, record_of: RecordOf) -> list[Lease]:
    return [
        found.lease
        for found in ranked(attachments.networks, record.networks)
        if found.lease.driver == "bridge" and not record_of(found.lease.network_id).internal
    ]
