"""What a client's wish for a network becomes, or why not; pure, so that a refusal leaves nothing behind.

The statuses and texts are Docker's (api-contract section 3.6; `moby:daemon/network.go`).  Two of its
leniencies are not here: names are unique whatever `CheckDuplicate` says, as they are for every client of
API 1.44, and subnets of a version of IP that the network does not have are refused instead of ignored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import attrs

from daemon.actors.network.drivers import check_driver, link_of
from daemon.errors import Conflict, Forbidden, InvalidParameter, NotFound, NotImplementedHere
from daemon.networks import options, subnets
from daemon.networks.addresses import Pool
from daemon.networks.asked import NetworkAsked
from daemon.networks.plans import Subnet
from daemon.networks.pools import free_subnet, overlaps
from daemon.networks.records import NetworkRecord
from daemon.settings import AddressPool

NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", re.ASCII)
PREDEFINED: Final = frozenset({"bridge", "host", "none", "default"})
DEFAULT_DRIVER: Final = "bridge"
DEFAULT_IPAM: Final = "default"
NO_IPAM: Final = "null"
SOLE_SUBNET: Final = frozenset({"bridge"})  # drivers with at most one subnet for each version of IP


@attrs.frozen
class Surroundings:
    """What a new network must get along with.

    Attributes:
        others: the networks there are or are being made.
        host: the subnets that the host's links and routes cover.
        pools: where subnets come from that nobody chose.
        owner: what is written on links.

    """

    others: Sequence[NetworkRecord]
    host: Collection[Subnet]
    pools: Sequence[AddressPool]
    owner: str


@attrs.frozen
class Plain:
    """A wish in which nothing is left open but what depends on other networks."""

    asked: NetworkAsked
    driver: str
    options: Mapping[str, str]
    enabled: Mapping[int, bool]
    ipam_driver: str

    @property
    def gives_addresses(self) -> bool:
        """Whether the network has subnets at all."""
        return self.ipam_driver == DEFAULT_IPAM

    @property
    def pools(self) -> tuple[Pool, ...]:
        """The subnets that the client has chosen."""
        return tuple(subnets.pool_of(pool) for pool in self.asked.ipam.config or ())

    @property
    def missing(self) -> tuple[int, ...]:
        """The versions of IP for which a subnet is still to be chosen."""
        chosen = {pool.version for pool in self.pools}
        enabled = [version for version in (4, 6) if self.enabled[version]]
        return tuple(version for version in enabled if version not in chosen) if self.gives_addresses else ()


def plain(asked: NetworkAsked, default_options: Mapping[str, Mapping[str, str]]) -> Plain:
    """Make a wish plain, if it makes sense by itself.

    Raises:
        InvalidParameter: a name, an option or a subnet is none.
        Forbidden: the name is predefined, or it takes a swarm.
        NotFound: there is no such driver.
        NotImplementedHere: Docker has it, this engine does not.

    """
    driver = asked.driver or DEFAULT_DRIVER
    _check_name(asked.name)
    check_driver(asked, driver)
    if asked.config_only or (asked.config_from or {}).get("Network"):
        raise NotImplementedHere("configuration-only networks (ConfigOnly, ConfigFrom) are not supported")
    opts = {**default_options.get(driver, {}), **(asked.options or {})}
    link_of(driver, opts, "")
    enabled = {
        4: _enabled(asked.enable_ipv4, opts, options.ENABLE_IPV4, default=True),
        6: _enabled(asked.enable_ipv6, opts, options.ENABLE_IPV6, default=False),
    }
    if not any(enabled.values()):
        raise InvalidParameter("IPv4 or IPv6 must be enabled")
    subnets.check(asked.ipam.config or (), enabled)
    found = Plain(asked, driver, opts, enabled, asked.ipam.driver or DEFAULT_IPAM)
    _check_ipam(found)
    return found


def admitted(wish: Plain, around: Surroundings, network_id: str, now_ns: int) -> NetworkRecord:
    """Return the network that a wish becomes among others.

    Raises:
        Conflict: the name is taken.
        Forbidden: a subnet or the bridge's name is.
        InvalidParameter: there is no subnet left.

    """
    asked = wish.asked
    _check_other_names(asked.name, around.others)
    record = NetworkRecord(
        network_id,
        asked.name,
        now_ns,
        wish.driver,
        link_of(wish.driver, wish.options, network_id),
        around.owner,
        (*wish.pools, *chosen(wish.missing, wish.pools, around)),
        enable_ipv4=wish.enabled[4],
        enable_ipv6=wish.enabled[6],
        internal=asked.internal,
        attachable=asked.attachable,
        options=wish.options,
        labels=asked.labels or {},
        ipam_driver=wish.ipam_driver,
        ipam_options=asked.ipam.options,
    )
    check_others(record, around.others)
    return record


def check_others(record: NetworkRecord, others: Sequence[NetworkRecord]) -> None:
    """Accept that a network be there beside `others`.

    Raises:
        Forbidden: a subnet that somebody has chosen overlaps one of theirs, or they have its bridge.

    """
    taken = _subnets_of(others)
    for pool in record.pools:
        if pool.configured:
            _check_overlap(pool, taken)
    _check_links(record, others)


def chosen(versions: Sequence[int], own: Sequence[Pool], around: Surroundings) -> tuple[Pool, ...]:
    """Choose a subnet for each of `versions` that overlaps neither the host's, nor others', nor `own`.

    Raises:
        InvalidParameter: there is none left.

    """
    taken = [*around.host, *(pool.subnet for pool in own), *_subnets_of(around.others)]
    found = []
    for version in versions:
        subnet = free_subnet(around.pools, version, taken)
        if subnet is None:
            raise InvalidParameter(
                f"could not find an available, non-overlapping IPv{version} address pool among the defaults "
                "to assign to the network"
            )
        found.append(subnets.make_pool(subnet))
    return tuple(found)


def _check_name(name: str) -> None:
    if name in PREDEFINED:
        raise Forbidden(f"operation is not permitted on predefined {name} network")
    if not NAME.fullmatch(name):
        raise InvalidParameter(f'invalid network name "{name}": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed')


def _enabled(asked: bool | None, opts: Mapping[str, str], option: str, *, default: bool) -> bool:
    return options.is_on(opts, option, default=default) if asked is None else asked


def _check_ipam(wish: Plain) -> None:
    if wish.ipam_driver not in {DEFAULT_IPAM, NO_IPAM}:
        raise NotFound(f'plugin "{wish.ipam_driver}" not found')
    if not wish.gives_addresses:
        if wish.driver == "bridge":
            raise InvalidParameter("ipv4 pool is empty")
        if wish.asked.ipam.config:
            raise InvalidParameter("the IPAM driver null has no subnets")
    versions = [pool.version for pool in wish.pools]
    if wish.driver in SOLE_SUBNET and len(set(versions)) < len(versions):
        raise InvalidParameter(f"{wish.driver} driver doesn't support multiple subnets")
    for i, pool in enumerate(wish.pools):
        _check_overlap(pool, [other.subnet for other in wish.pools[:i]])


def _check_other_names(name: str, others: Sequence[NetworkRecord]) -> None:
    if any(other.name == name for other in others):
        raise Conflict(f"network with name {name} already exists")


def _check_overlap(pool: Pool, taken: Sequence[Subnet]) -> None:
    if overlaps(pool.subnet, taken):
        raise Forbidden("Pool overlaps with other one on this address space")


def _subnets_of(records: Sequence[NetworkRecord]) -> list[Subnet]:
    return [pool.subnet for record in records for pool in record.pools]


def _check_links(record: NetworkRecord, others: Sequence[NetworkRecord]) -> None:
    for other in others:
        if record.is_bridge and other.is_bridge and record.link == other.link:
            raise Forbidden(
                f"cannot create network {record.id} ({record.link}): conflicts with network {other.id} "
                f"({other.link}): networks have same bridge name"
            )
