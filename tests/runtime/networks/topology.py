"""A host with bridges and containers, and another host outside, as network namespaces of their own.

    outside 192.0.2.2 --- 192.0.2.1, .10 host
                            red    10.201.1.1: red1 .2, red2 .3
                            blue   10.201.2.1: blue1 .2
                            quiet  10.201.3.1: quiet1 .2, quiet2 .3
                            inner  10.201.4.1: inner1 .2, inner2 .3

The same with IPv6: 2001:db8::2 outside, fd00:201:1::2 for red1.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Final, TypeVar

import attrs

from daemon.networks.plans import Address, BridgeRules, Subnet

T = TypeVar("T")
_NEW_NETWORK: Final = 0x40000000
BRIDGES: Final = {"red": 1, "blue": 2, "quiet": 3, "inner": 4}
CONTAINERS: Final = {
    "red1": ("red", 2),
    "red2": ("red", 3),
    "blue1": ("blue", 2),
    "quiet1": ("quiet", 2),
    "quiet2": ("quiet", 3),
    "inner1": ("inner", 2),
    "inner2": ("inner", 3),
}
HOST: Final = {4: ip_address("192.0.2.1"), 6: ip_address("2001:db8::1")}
SECOND: Final = {4: ip_address("192.0.2.10"), 6: ip_address("2001:db8::10")}
OUTSIDE: Final = {4: ip_address("192.0.2.2"), 6: ip_address("2001:db8::2")}
ANY: Final = {4: ip_address("0.0.0.0"), 6: ip_address("::")}
LOOPBACK: Final = {4: ip_address("127.0.0.1"), 6: ip_address("::1")}


def gateway(bridge: str, version: int) -> Address:
    return _address(BRIDGES[bridge], 1, version)


def address(container: str, version: int) -> Address:
    bridge, number = CONTAINERS[container]
    return _address(BRIDGES[bridge], number, version)


def subnets(bridge: str) -> tuple[Subnet, ...]:
    number = BRIDGES[bridge]
    return ip_network(f"10.201.{number}.0/24"), ip_network(f"fd00:201:{number}::/64")


def rules_of(bridge: str) -> BridgeRules:
    return BridgeRules(
        bridge, subnets(bridge), internal=bridge == "inner", between_containers=bridge != "quiet"
    )


def _address(bridge: int, number: int, version: int) -> Address:
    text = f"10.201.{bridge}.{number}" if version == 4 else f"fd00:201:{bridge}::{number}"
    return ip_address(text)


@attrs.frozen
class Topology:
    """The namespaces, by what they are called above."""

    prefix: str

    def name(self, place: str) -> str:
        return f"{self.prefix}-{place}"

    def run(self, place: str, *command: str) -> str:
        """Run a command in a namespace."""
        return _command("ip", "netns", "exec", self.name(place), *command)

    def inside(self, place: str, make: Callable[[], T]) -> T:
        """Return what `make` makes in a namespace; a socket stays there."""
        made: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                _enter(Path("/run/netns", self.name(place)))
                made.append(make())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return made[0]

    def socket(self, place: str, version: int, kind: socket.SocketKind) -> socket.socket:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        return self.inside(place, lambda: socket.socket(family, kind))


@contextmanager
def topology() -> Generator[Topology, None, None]:
    made = Topology(f"lsfw{secrets.token_hex(3)}")
    places = ("host", "outside", *CONTAINERS)
    try:
        _batch("".join(f"netns add {made.name(place)}\n" for place in places))
        for place in places:
            made.run(place, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        _build(made)
        yield made
    finally:
        for place in places:
            subprocess.run(
                ["ip", "netns", "delete", made.name(place)], check=False, stderr=subprocess.DEVNULL
            )


def _build(made: Topology) -> None:
    forwarding = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    made.run("host", "sysctl", "-qw", *forwarding)
    host = ["link set lo up", f"link add uplink type veth peer name eth0 netns {made.name('outside')}"]
    host += [f"address add {HOST[4]}/24 dev uplink", f"address add {SECOND[4]}/24 dev uplink"]
    host += [f"address add {HOST[6]}/64 dev uplink nodad", f"address add {SECOND[6]}/64 dev uplink nodad"]
    host += ["link set uplink up"]
    for bridge in BRIDGES:
        host += [f"link add {bridge} type bridge"]
        host += [f"address add {gateway(bridge, 4)}/24 dev {bridge}"]
        host += [f"address add {gateway(bridge, 6)}/64 dev {bridge} nodad", f"link set {bridge} up"]
    for container, (bridge, _) in CONTAINERS.items():
        host += [f"link add v-{container} type veth peer name eth0 netns {made.name(container)}"]
        host += [f"link set v-{container} master {bridge} up"]
        host += [f"link set v-{container} type bridge_slave hairpin on"]
    _batch("\n".join(host), made.name("host"))
    made.run("host", "sysctl", "-qw", *(f"net.ipv4.conf.{bridge}.route_localnet=1" for bridge in BRIDGES))
    _configure(made, "outside", OUTSIDE, HOST)
    for container, (bridge, _) in CONTAINERS.items():
        own = {version: address(container, version) for version in (4, 6)}
        _configure(made, container, own, {version: gateway(bridge, version) for version in (4, 6)})


def _configure(
    made: Topology,
    place: str,
    own: dict[int, IPv4Address | IPv6Address],
    way: dict[int, IPv4Address | IPv6Address],
) -> None:
    lines = ["link set lo up", f"address add {own[4]}/24 dev eth0", f"address add {own[6]}/64 dev eth0 nodad"]
    lines += ["link set eth0 up", f"route add default via {way[4]}", f"-6 route add default via {way[6]}"]
    for line in lines:
        made.run(place, "ip", *line.split())


def _batch(lines: str, namespace: str = "") -> None:
    where = ["-n", namespace] if namespace else []
    subprocess.run(["ip", *where, "-batch", "-"], input=lines, text=True, check=True)


def _command(*command: str) -> str:
    return subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE).stdout


def _enter(namespace: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with namespace.open("rb") as file:
        if libc.setns(file.fileno(), _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
