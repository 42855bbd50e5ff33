"""What a client may ask of its container's place in a network, and what of it is refused.

The texts are dockerd's 20.10 (`runconfig/errors.go`, `libnetwork`) where it has one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, Final

import attrs

from daemon.configuration.network_checks import link_problem
from daemon.errors import InvalidParameter
from daemon.model import EndpointConfig
from daemon.networks import options
from daemon.networks.plans import Address
from daemon.networks.records import LINKLESS, NetworkRecord

FAMILIES: Final[Mapping[str, tuple[type[Address], str]]] = {
    "IPv4Address": (IPv4Address, "IPv4"),
    "IPv6Address": (IPv6Address, "IPv6"),
}
MAC_FORMS: Final = (
    re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", re.IGNORECASE),
    re.compile(r"[0-9a-f]{2}(?:-[0-9a-f]{2}){5}", re.IGNORECASE),
    re.compile(r"[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}", re.IGNORECASE),
)
MULTICAST: Final = 0x01  # of the first byte
SYSCTL: Final = re.compile(r"net\.(?:ipv4|ipv6|mpls)\.[a-z0-9_]+\.IFNAME\.[a-z0-9_]+")


@attrs.frozen
class Wish:
    """What is asked, understood; by the version of IP the addresses."""

    addresses: Mapping[int, Address]
    mac: str
    interface_name: str
    sysctls: Mapping[str, str]


def understood(asked: EndpointConfig, record: NetworkRecord) -> Wish:
    """Understand what is asked of a place in the network.

    Raises:
        InvalidParameter: it makes no sense, or not there.

    """
    opts = asked.driver_opts or {}
    return Wish(_addresses(asked, record), _mac(asked.mac_address, record), _name(opts), _sysctls(opts))


def _addresses(asked: EndpointConfig, record: NetworkRecord) -> Mapping[int, Address]:
    given = {key: value for key, value in (asked.ipam_config or {}).items() if value}
    if given.get("LinkLocalIPs"):
        raise InvalidParameter("link-local addresses of an endpoint (LinkLocalIPs) are not supported")
    wanted = [_address(key, given[key]) for key in FAMILIES if key in given]
    if wanted and record.predefined:
        raise InvalidParameter("user specified IP address is supported on user defined networks only")
    for address in wanted:
        _check_configured(address, record)
    return {address.version: address for address in wanted}


def _address(key: str, text: Any) -> Address:
    type_, family = FAMILIES[key]
    try:
        if isinstance(text, str) and "%" not in text:
            return type_(text)
    except AddressValueError:
        pass  # refused below, as everything is that is no address
    raise InvalidParameter(f"invalid {family} address: {text}")


def _check_configured(address: Address, record: NetworkRecord) -> None:
    pools = [pool for pool in record.pools if pool.version == address.version]
    if not any(pool.configured for pool in pools):
        raise InvalidParameter(
            "user specified IP address is supported only when connecting to networks "
            "with user configured subnets"
        )
    if not any(address in pool.subnet for pool in pools):
        raise InvalidParameter(
            f"Invalid address {address}: It does not belong to any of this network's subnets"
        )


def _mac(text: str, record: NetworkRecord) -> str:
    if not text:
        return ""
    if record.driver in LINKLESS:
        raise InvalidParameter("conflicting options: mac-address and the network mode")
    if record.driver == "ipvlan":
        raise InvalidParameter("ipvlan interfaces do not support custom mac address assignment")
    return parse_mac(text)


def parse_mac(text: str) -> str:
    """Return a hardware address as the kernel writes it.

    Raises:
        InvalidParameter: it is none that a link can have.

    """
    if not any(form.fullmatch(text) for form in MAC_FORMS):
        raise InvalidParameter(f"invalid MAC address: {text}")
    octets = bytes.fromhex(re.sub(r"[:.-]", "", text))
    if octets[0] & MULTICAST or not any(octets):
        raise InvalidParameter(f"invalid MAC address: {text} is no unicast address")
    return octets.hex(":")


def _name(opts: Mapping[str, str]) -> str:
    name = opts.get(options.INTERFACE_NAME, "")
    if name and (problem := link_problem(name)):
        raise options.invalid(options.INTERFACE_NAME, problem)
    return name


def _sysctls(opts: Mapping[str, str]) -> Mapping[str, str]:
    """Return the sysctls by file below /proc/sys; the link's name is filled in later."""
    found: dict[str, str] = {}
    for setting in filter(None, opts.get(options.SYSCTLS, "").split(",")):
        name, equals, value = setting.partition("=")
        if not (equals and SYSCTL.fullmatch(name) and value.isprintable()):
            raise InvalidParameter(
                f"unrecognised network interface sysctl '{setting}'; represent 'net.X.Y.ethN.Z=V' "
                "as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'"
            )
        found[name.replace(".", "/")] = value
    return found
