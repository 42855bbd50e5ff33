"""A host in a network namespace of its own, and what tests do with it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any

import attrs

from daemon.networks import bridges, namespaces
from daemon.networks.plans import BridgePlan, LinkPlan

# A first packet that gets lost is sent again after a second, so this tells "at once" from "in the end".
AT_ONCE_SECONDS = 0.7
OWNER = "longshore:test"
BRIDGE = BridgePlan("br0", (ip_interface("10.9.0.1/16"), ip_interface("fd09::1/64")), 1400, OWNER)


@attrs.frozen
class FreshHost:
    """A host with nothing but its loopback; the thread of the test is in it."""

    directory: Path

    def sandbox(self, name: str) -> Path:
        namespaces.make(self.directory / name)
        return self.directory / name

    def links(self) -> set[str]:
        return {name for _, name in socket.if_nameindex()} - {"lo"}


def fresh_host(directory: Path) -> Iterator[FreshHost]:
    """Yield a host, and clear up what is in it."""
    home, sandboxes = directory / "host", directory / "sandboxes"
    sandboxes.mkdir()
    namespaces.make(home)
    try:
        with namespaces.inside(home):
            yield FreshHost(sandboxes)
    finally:
        for path in (*namespaces.below(sandboxes), home):
            namespaces.remove(path)


def bridged(host: FreshHost, *numbers: int, **changes: Any) -> list[tuple[Path, LinkPlan]]:
    """Return a bridge's containers by number, not plugged in yet."""
    bridges.ensure_bridge(BRIDGE)
    return [(host.sandbox(f"c{number}"), attrs.evolve(plan(number), **changes)) for number in numbers]


def plan(number: int) -> LinkPlan:
    """Return the plan of a container on `BRIDGE`."""
    return LinkPlan(
        kind="bridge",
        parent=BRIDGE.name,
        host_name=f"veth{number}",
        name="eth0",
        mac=f"02:42:0a:09:00:{number:02x}",
        interfaces=(ip_interface(f"10.9.0.{number}/16"), ip_interface(f"fd09::{number:x}/64")),
        gateways=(ip_address("10.9.0.1"), ip_address("fd09::1")),
        mtu=1400,
        owner=OWNER,
    )


def ip(arguments: str, sandbox: Path | None = None) -> Any:
    """Return what ip(8) says, on the host or in a container."""
    with namespaces.inside(sandbox) if sandbox else nullcontext():
        done = subprocess.run(["ip", "-json", *arguments.split()], check=True, capture_output=True, text=True)
    return json.loads(done.stdout or "null")


def reaches(asker: Path | None, answerer: Path | None, address: str) -> bool:
    """Return whether a packet gets from one to `address` at another and back, at once; None is the host."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with _socket(answerer, family) as server, _socket(asker, family) as client:
        server.bind((address, 0))
        try:
            client.sendto(b"?", server.getsockname()[:2])
            _, where = server.recvfrom(1)
            server.sendto(b"!", where)
            return client.recv(1) == b"!"
        except OSError:
            return False


def _socket(sandbox: Path | None, family: socket.AddressFamily) -> socket.socket:
    with namespaces.inside(sandbox) if sandbox else nullcontext():
        made = socket.socket(family, socket.SOCK_DGRAM)
    made.settimeout(AT_ONCE_SECONDS)
    return made


def lone_link(name: str) -> None:
    """Give the host a link that is up; what is sent out over it arrives nowhere."""
    ip(f"link add name {name} type veth peer name {name}-far")
    ip(f"link set dev {name}-far up")
    ip(f"link set dev {name} up")


def eventually(holds: Callable[[], bool], seconds: float = 60) -> bool:
    """Return whether something holds before the time is up."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def here() -> int:
    """Return which network namespace the calling thread is in."""
    return os.stat("/proc/thread-self/ns/net").st_ino
