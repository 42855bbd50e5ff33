"""A host for an engine, and another host beside it, as network namespaces of the test's own.

    outside 192.0.2.2 --- 192.0.2.1 host
            2001:db8::2   2001:db8::1

Nothing of what an engine does to its network is seen on the machine that runs the tests.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from typing import Any, Final

import attrs

from tests.clients.engine import START_SECONDS, entering

HOST: Final = {4: "192.0.2.1", 6: "2001:db8::1"}
OUTSIDE: Final = {4: "192.0.2.2", 6: "2001:db8::2"}
SECONDS: Final = 60
FETCH: Final = """
import sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])).read().decode())
"""


DATAGRAM: Final = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
client = socket.socket(family, socket.SOCK_DGRAM)
client.settimeout(20)
client.connect((sys.argv[1], int(sys.argv[2])))
client.send(sys.stdin.buffer.read())
sys.stdout.buffer.write(client.recv(1000))
"""


@attrs.frozen
class Hosts:
    """Both, by the names of their namespaces."""

    host: str
    outside: str

    def ask(self, url: str, *, outside: bool = False, seconds: int = 20) -> str | None:
        """Return what a web server answers one of the hosts, None if nobody does."""
        where = self.outside if outside else self.host
        command = [sys.executable, "-c", FETCH, url, str(seconds)]
        done = subprocess.run([*entering(where), *command], capture_output=True, timeout=SECONDS, check=False)
        return done.stdout.decode() if done.returncode == 0 else None

    def datagram(self, data: bytes, address: str, port: int) -> bytes:
        """Send a datagram from the other host and return the answer, which must come from that address."""
        command = [*entering(self.outside), sys.executable, "-c", DATAGRAM, address, str(port)]
        return subprocess.run(command, input=data, capture_output=True, timeout=SECONDS, check=True).stdout

    def inside(self, *command: str, stdin: str = "") -> str:
        """Run a command on the engine's host and return its output."""
        done = subprocess.run(
            [*entering(self.host), *command], input=stdin, capture_output=True, timeout=SECONDS, text=True
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def links(self) -> set[str]:
        """Return the names of the links of the engine's host."""
        return {link["ifname"] for link in self._json("ip", "-j", "link")}

    def links_beside(self, expected: Collection[str]) -> set[str]:
        """Return what there is beside these links when the kernel, which removes links late, has settled."""
        deadline = time.monotonic() + START_SECONDS
        while (found := self.links() - set(expected)) and time.monotonic() < deadline:
            time.sleep(0.01)
        return found

    def tables(self) -> list[str]:
        """Return the firewall's tables on the engine's host."""
        return sorted(
            entry["table"]["name"]
            for entry in self._json("nft", "-j", "list", "tables")["nftables"]
            if "table" in entry
        )

    def elements(self) -> int:
        """Return how many ports the firewall sends to containers."""
        listed = self._json("nft", "-j", "list", "ruleset")["nftables"]
        maps = (entry["map"] for entry in listed if "map" in entry)
        return sum(len(found.get("elem", ())) for found in maps)

    def _json(self, *command: str) -> Any:
        return json.loads(self.inside(*command) or "{}")


@contextmanager
def two_hosts() -> Generator[Hosts, None, None]:
    """Make both; afterwards they are gone, with all that is in them."""
    mark = f"ls{os.getpid():x}{secrets.token_hex(2)}"
    hosts = Hosts(f"{mark}h", f"{mark}o")
    try:
        for name in (hosts.host, hosts.outside):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", hosts.host, "link", "add", "wan0", "type", "veth", "peer", "wan0", "netns", hosts.outside)
        for name, addresses in ((hosts.host, HOST), (hosts.outside, OUTSIDE)):
            _ip("-n", name, "addr", "add", f"{addresses[4]}/24", "dev", "wan0")
            _ip("-n", name, "addr", "add", f"{addresses[6]}/64", "dev", "wan0", "nodad")
            _ip("-n", name, "link", "set", "wan0", "up")
        for version in (4, 6):
            _ip("-n", hosts.host, f"-{version}", "route", "add", "default", "via", OUTSIDE[version])
        yield hosts
    finally:
        for name in (hosts.host, hosts.outside):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
