"""Which ports a client wants published, read from what it sent at create; pure.

A port of the container may be published several times, and a host port may be a range, of which the first
free one is taken.  The texts are those of Docker's `nat` package, which clients know.

Source: api-contract 3.4 and 3.18; HostConfig.PortBindings and Config.ExposedPorts of the Engine API.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from daemon.errors import InvalidParameter
from daemon.model import Config, HostConfig
from daemon.networks.plans import Address

PROTOCOLS: Final = ("tcp", "udp", "sctp")
HIGHEST: Final = 65535
_PORT: Final = re.compile(r"(?P<first>\d{1,5})(-(?P<last>\d{1,5}))?(/(?P<protocol>[a-z]+))?", re.IGNORECASE)
_HOST_PORT: Final = re.compile(r"(?P<first>\d{1,5})(-(?P<last>\d{1,5}))?")


@attrs.frozen(order=True)
class ContainerPort:
    """A port of a container, as "80/tcp"."""

    number: int
    protocol: str = "tcp"

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"


@attrs.frozen
class PortWish:
    """A port that is to be published.

    Attributes:
        port: the container's.
        host_address: where the host is to answer; None at all its addresses.
        host_ports: those that will do, the first free one is taken; empty leaves the choice to us.

    """

    port: ContainerPort
    host_address: Address | None = None
    host_ports: range = range(0)


def exposed_ports(config: Config) -> tuple[ContainerPort, ...]:
    """Return the ports that the container says it listens on, in order.

    Raises:
        InvalidParameter: one is no port.

    """
    return tuple(sorted({port for text in config.exposed_ports or () for port in parse_ports(text)}))


def port_wishes(config: Config, host_config: HostConfig) -> tuple[PortWish, ...]:
    """Return what is to be published, in order; with PublishAllPorts that is every exposed port.

    Raises:
        InvalidParameter: something is no port, no range or no address.

    """
    bindings = host_config.port_bindings or {}
    asked = [wish for text, hosts in bindings.items() for wish in _wishes(text, hosts)]
    published = {wish.port for wish in asked}
    every = exposed_ports(config) if host_config.publish_all_ports else ()
    return (*asked, *(PortWish(port) for port in every if port not in published))


def parse_ports(text: str) -> tuple[ContainerPort, ...]:
    """Read "80", "80/tcp" or "8000-8010/udp".

    Raises:
        InvalidParameter: it is none of these.

    """
    found = _PORT.fullmatch(text)
    protocol = ((found and found["protocol"]) or "tcp").lower()
    if found is None or protocol not in PROTOCOLS:
        raise InvalidParameter(f'invalid port specification: "{text}"')
    numbers = _range(text, found["first"], found["last"])
    return tuple(ContainerPort(number, protocol) for number in numbers)


def _wishes(text: str, hosts: Any) -> Iterator[PortWish]:
    ports = parse_ports(text)
    if hosts is not None and not isinstance(hosts, Sequence):
        raise InvalidParameter(f'invalid port binding for "{text}": it must be a list')
    for host in hosts or ({},):  # an empty list publishes the port, too, as dockerd has it
        address, host_ports = _host(text, host)
        yield from _paired(ports, address, host_ports)


def _paired(ports: Sequence[ContainerPort], address: Address | None, host_ports: range) -> Iterator[PortWish]:
    """Yield a wish for each port; ranges of the same length are matched one to one."""
    if len(ports) > 1 and host_ports and len(ports) != len(host_ports):
        raise InvalidParameter(
            f"invalid ranges specified for container and host Ports: {len(ports)} and {len(host_ports)}"
        )
    for place, port in enumerate(ports):
        own = host_ports[place : place + 1] if len(ports) > 1 else host_ports
        yield PortWish(port, address, own)


def _host(text: str, host: Any) -> tuple[Address | None, range]:
    if not isinstance(host, Mapping):
        raise InvalidParameter(f'invalid port binding for "{text}": it must be an object')
    host_ip, host_port = (host.get(name) or "" for name in ("HostIp", "HostPort"))
    if not (isinstance(host_ip, str) and isinstance(host_port, str)):
        raise InvalidParameter(f'invalid port binding for "{text}": HostIp and HostPort must be strings')
    return _address(host_ip), _host_ports(host_port)


def _address(text: str) -> Address | None:
    if not text:
        return None
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        raise InvalidParameter(f"invalid IP address: {text}") from None
    if getattr(address, "scope_id", None):
        raise InvalidParameter(f"invalid IP address: {text}")
    return address


def _host_ports(text: str) -> range:
    if text in {"", "0"}:
        return range(0)
    found = _HOST_PORT.fullmatch(text)
    if found is None:
        raise InvalidParameter(f'invalid port specification: "{text}"')
    return _range(text, found["first"], found["last"])


def _range(text: str, first: str, last: str | None) -> range:
    numbers = range(int(first), int(last or first) + 1)
    if not numbers or numbers[0] < 1 or numbers[-1] > HIGHEST:
        raise InvalidParameter(f'invalid port specification: "{text}"')
    return numbers
