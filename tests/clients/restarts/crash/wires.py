"""What the host has of one engine's networks, and what it should have: links, namespaces, ports, routes.

The host is a network namespace of the test's own.  Most of it is read from the files that a process in it
has in proc(5), which costs nothing; the firewall is asked.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Final

import attrs

from tests.clients.engine import entering
from tests.clients.restarts.crash.networks import places_of, ports_of

Found = Mapping[str, Any]
DEFAULT_BRIDGE: Final = "longshore0"
DIGITS: Final = {"br-": 12, "ls": 13}
LOCAL: Final = re.compile(r"\|-- (\S+)\n +/32 host LOCAL")
MAPS: Final = {"everywhere4": "0.0.0.0", "everywhere6": "::"}
CONTAINER_PORT: Final = 80
TABLE: Final = "longshore"


@attrs.frozen
class Wires:
    """What the API says there is: the containers that run, and the networks but for the predefined ones.

    `before` are the links that the host had, `bridge` is whether the default bridge has been needed:
    never, perhaps, or since somebody was seen on it always.
    """

    namespace: str
    directory: Path
    engine_pid: int
    running: Collection[Found]
    networks: Collection[Found]
    before: Collection[str]
    bridge: str

    def problems(self) -> list[str]:
        """Return a line for everything that is too much or missing."""
        problems = [*self._of_sandboxes(), *self._of_links()]
        for found in self.running:
            problems += [f"{found['Name']} {text}" for text in _of_inside(found)]
        return problems or [*self._of_firewall()]

    def _of_sandboxes(self) -> Iterator[str]:
        """Each container that runs with links has a namespace's file, and nobody else."""
        attached = {found["Id"]: found for found in self.running if places_of(dict(found))}
        files = {file.name for file in self.directory.iterdir()}
        if files != {*attached}:
            yield f"namespaces {_difference(files, {*attached})}"
        for container_id, found in attached.items():
            if found["NetworkSettings"]["SandboxKey"] != str(self.directory / container_id):
                yield f"{found['Name']} has its namespace at {found['NetworkSettings']['SandboxKey']}"

    def _of_links(self) -> Iterator[str]:
        wanted = {*self.before, *(_named("br-", one["Id"]) for one in self.networks)}
        for found in self.running:
            wanted |= {_named("ls", place.endpoint) for place in places_of(dict(found)).values()}
        links = _links(self.engine_pid)
        wanted |= {"never": set(), "perhaps": links & {DEFAULT_BRIDGE}, "always": {DEFAULT_BRIDGE}}[
            self.bridge
        ]
        if links != wanted:
            yield f"links {_difference(links, wanted)}"

    def _of_firewall(self) -> Iterator[str]:
        """The table sends to containers what is published, and nothing else."""
        listed = self._ruleset()
        tables = [one["table"]["name"] for one in listed if "table" in one]
        if len(tables) > 1 or not all(name.startswith(TABLE) for name in tables):
            yield f"tables {tables}"
        elements = {one["map"]["name"]: one["map"].get("elem", ()) for one in listed if "map" in one}
        sent = {
            (host, int(key["concat"][1]), value["concat"][0], int(value["concat"][1]))
            for name, host in MAPS.items()
            for key, value in elements.get(name, ())
        }
        published = {(host, port): one for one in self.running for host, port in ports_of(dict(one))}
        if {(host, port) for host, port, _, _ in sent} != {*published} or len(sent) != len(published):
            yield f"published {_difference(sent, {*published})}"
            return
        for host, port, address, inside in sent:
            if address not in _addresses(published[host, port]) or inside != CONTAINER_PORT:
                yield f"port {port} leads to {address}:{inside}, not {published[host, port]['Name']}"
        if others := {name for name, found in elements.items() if name.startswith("at_") and found}:
            yield f"ports at addresses: {others}"

    def _ruleset(self) -> list[dict[str, Any]]:
        command = [*entering(self.namespace), "nft", "-j", "list", "ruleset"]
        done = subprocess.run(command, capture_output=True, check=True)
        listed: list[dict[str, Any]] = json.loads(done.stdout)["nftables"]
        return listed


def _of_inside(found: Found) -> Iterator[str]:
    """What is in a container's namespace is what inspect shows."""
    pid, networks = found["State"]["Pid"], found["NetworkSettings"]["Networks"]
    places = places_of(dict(found))
    if (links := len(_links(pid)) - 1) != len(places):
        yield f"has {links} links, not those of {[*places]}"
    if (addresses := _inside_addresses(pid)) != _addresses(found):
        yield f"has the addresses {addresses}, not {_addresses(found)}"
    gateways = [networks[name]["Gateway"] for name in sorted(places) if networks[name]["Gateway"]]
    if (ways := _ways_out(pid)) != gateways[:1]:
        yield f"leaves by {ways}, not {gateways[:1]}"


def _addresses(found: Found) -> set[str]:
    places = places_of(dict(found)).values()
    return {address for place in places for address in (place.address, place.address6) if address}


def _inside_addresses(pid: int) -> set[str]:
    found = set(LOCAL.findall(_read(pid, "fib_trie")))
    lines = (line.split() for line in _read(pid, "if_inet6").splitlines())
    six = {_colons(digits) for digits, _, _, scope, _, _ in lines if scope == "00"}
    return {address for address in found if not address.startswith("127.")} | six


def _colons(digits: str) -> str:
    return str(IPv6Address(int(digits, 16)))


def _ways_out(pid: int) -> list[str]:
    """Return the gateways of the default routes, of IPv4."""
    lines = (line.split() for line in _read(pid, "route").splitlines()[1:])
    return [_dotted(gateway) for _, target, gateway, *_ in lines if int(target, 16) == 0]


def _dotted(digits: str) -> str:
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(digits)))


def _links(pid: int) -> set[str]:
    return {line.partition(":")[0].strip() for line in _read(pid, "dev").splitlines() if ":" in line}


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/net/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended, or there is no IPv6
        return ""


def _named(prefix: str, object_id: str) -> str:
    return prefix + object_id[: DIGITS[prefix]]


def _difference(found: Collection[Any], wanted: Collection[Any]) -> str:
    return f"too much: {sorted({*found} - {*wanted})}, missing: {sorted({*wanted} - {*found})}"
