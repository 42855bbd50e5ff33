"""The networks, and who is in them: what clients were promised, what an engine says and what the host has."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import attrs

from tests.clients.http_api import Api
from tests.clients.restarts.crash.client import Client
from tests.clients.restarts.crash.host import commands, resolver_of
from tests.clients.restarts.crash.model import GONE, Subject
from tests.clients.restarts.crash.networks import BRIDGE, THERE, Network, places_of, ports_of, subnets_of
from tests.clients.restarts.crash.wires import Wires

PREDEFINED: Final = {"bridge", "host", "none"}

Found = Mapping[str, Any]


@attrs.define
class Connected:
    """The invariants of networks at one place; `before` are the host's own links."""

    api: Api
    root: Path
    namespace: str
    clients: Sequence[Client]
    before: Collection[str]
    _bridge: bool = False

    def found(self) -> dict[str, Found]:
        """Return what inspect shows of each network, by its name.

        Raises:
            AssertionError: two have the same.

        """
        listed = self.api.get("/networks")
        assert len({one["Name"] for one in listed}) == len(listed), listed
        answers = [self.api("GET", f"/networks/{one['Id']}") for one in listed]
        return {answer.document["Name"]: answer.document for answer in answers if answer.status == 200}

    def of_existence(self, found: Mapping[str, Found]) -> Iterator[str]:
        """Nothing is lost, nothing comes back, and what is there is what it was."""
        known = self._known()
        for name, network in known.items():
            if name not in found and GONE not in network.may_be():
                yield f"network {name} is lost"
            if name in found and network.may_be() == {GONE}:
                yield f"network {name} has come back"
        for name, one in found.items():
            if name in PREDEFINED:
                continue
            if name not in known:
                yield f"network {name} was never asked for"
            elif known[name].id not in {"", one["Id"]}:
                yield f"network {name} has the id {one['Id']}, not {known[name].id}"
            elif known[name].subnets not in {frozenset(), subnets_of(dict(one))}:
                yield f"network {name} has {subnets_of(dict(one))}, not {known[name].subnets}"
        if missing := PREDEFINED - {*found}:
            yield f"networks {missing} are lost"

    def problems(
        self, containers: Mapping[str, Found], engine_pid: int, steps: Mapping[str, list[str]]
    ) -> list[str]:
        """Return what is wrong, once no container changes any more."""
        networks = self.found()
        running = {key: one for key, one in containers.items() if one["State"]["Pid"]}
        problems = [*self.of_existence(networks), *_of_events(networks, steps)]
        problems += [text for name, one in networks.items() for text in _of_members(name, one, running)]
        problems += [*_of_places(running), *_of_ports(running), *self._of_resolver(running)]
        for key, subject in self._subjects().items():
            if key in containers:
                problems += [f"{key} {text}" for text in _of_one(subject, containers[key])]
        self._bridge = self._bridge or any(BRIDGE in places_of(dict(one)) for one in running.values())
        return problems or self._wires(engine_pid, networks, [*running.values()]).problems()

    def _wires(self, engine_pid: int, networks: Mapping[str, Found], running: Collection[Found]) -> Wires:
        own = [one for name, one in networks.items() if name not in PREDEFINED]
        needed = any(one.tries and BRIDGE in one.ever_in for one in self._subjects().values())
        lasting = {False: "never", True: "perhaps"}[needed] if not self._bridge else "always"
        return Wires(
            self.namespace, self.root / "exec" / "netns", engine_pid, running, own, self.before, lasting
        )

    def narrow(self, containers: Mapping[str, Found]) -> None:
        """Take what was found for what is."""
        found = self.found()
        for client in self.clients:
            for network in client.networks_ever.values():
                network.possible = frozenset()
                network.status = THERE if network.name in found else GONE
                if network.name in found:
                    network.id = found[network.name]["Id"]
                    network.subnets = subnets_of(dict(found[network.name]))
            client.networks[:] = [one for one in client.networks if one.status == THERE]
        for key, subject in self._subjects().items():
            if key in containers:
                one = dict(containers[key])
                subject.networks = frozenset(one["NetworkSettings"]["Networks"])
                subject.may_be_in = frozenset({subject.networks})
                subject.places, subject.ports = places_of(one), ports_of(one)

    def _known(self) -> dict[str, Network]:
        return {one.name: one for client in self.clients for one in [*client.networks_ever.values()]}

    def _subjects(self) -> dict[str, Subject]:
        return {key: subject for client in self.clients for key, subject in client.ever.items()}

    def _of_resolver(self, running: Mapping[str, Found]) -> Iterator[str]:
        """There is one resolver if anybody is to be answered; none before there was ever such a network."""
        pids = [pid for pid, command in commands() if resolver_of(command, self.root) and pid != os.getpid()]
        askers = [key for key, one in running.items() if {*one["NetworkSettings"]["Networks"]} - PREDEFINED]
        if askers and len(pids) != 1:
            yield f"resolvers {pids} for {askers}"
        if pids and not self._known():
            yield f"resolvers {pids} for nobody"


def _of_events(networks: Mapping[str, Found], steps: Mapping[str, list[str]]) -> Iterator[str]:
    """What exists was made and not removed, by its events."""
    there = {one["Id"] for name, one in networks.items() if name not in PREDEFINED}
    for network_id in there | {*steps}:
        wanted = ["create"] if network_id in there else ["create", "destroy"]
        if steps.get(network_id) != wanted:
            yield f"network {network_id[:12]} has the events {steps.get(network_id)}, not {wanted}"


def _of_members(name: str, network: Found, running: Mapping[str, Found]) -> Iterator[str]:
    """A network shows exactly the containers that show it."""
    wanted = {
        one["Id"]: places_of(dict(one))[name].endpoint
        for one in running.values()
        if name in places_of(dict(one))
    }
    found = {key: one["EndpointID"] for key, one in (network["Containers"] or {}).items()}
    if name not in {"none", "host"} and found != wanted:
        yield f"network {name} shows {found}, not {wanted}"
    subnets = [ip_network(one["Subnet"]) for one in network["IPAM"]["Config"] or ()]
    for one in running.values():
        place = places_of(dict(one)).get(name)
        if place is not None and not any(ip_address(place.address) in subnet for subnet in subnets):
            yield f"{one['Name']} has {place.address}, which is in none of {subnets}"


def _of_places(running: Mapping[str, Found]) -> Iterator[str]:
    """No address is anybody else's in the same network, nor the gateway's."""
    taken: Counter[tuple[str, str]] = Counter()
    for one in running.values():
        for name, place in places_of(dict(one)).items():
            taken.update((name, text) for text in (place.address, place.address6, place.mac) if text)
            if place.address == one["NetworkSettings"]["Networks"][name]["Gateway"]:
                yield f"{one['Name']} has its gateway's address in {name}"
    yield from (
        f"{what} in {name} is {count} containers'" for (name, what), count in taken.items() if count > 1
    )


def _of_ports(running: Mapping[str, Found]) -> Iterator[str]:
    ports = Counter(port for one in running.values() for port in ports_of(dict(one)))
    yield from (f"{port} is {count} containers'" for port, count in ports.items() if count > 1)


def _of_one(subject: Subject, found: Found) -> Iterator[str]:
    """A container is in the networks that it was promised, and as long as it runs at the same place."""
    networks = [*found["NetworkSettings"]["Networks"]]
    places, ports = places_of(dict(found)), ports_of(dict(found))
    if frozenset(networks) not in subject.may_be_in:
        yield f"is in {networks}, not {[sorted(one) for one in subject.may_be_in]}"
    pid = found["State"]["Pid"]
    if not pid:
        yield from (f"does not run and has {what}" for what in (places, ports) if what)
        return
    if {*places} != {*networks} - {"none"}:
        yield f"is in {networks}, and has places in {[*places]}"
    if pid != subject.pid:
        return
    moved = {name: place for name, place in places.items() if subject.places.get(name, place) != place}
    if moved:
        yield f"is at {moved}, not {subject.places}"
    if subject.ports is not None and ports != subject.ports:
        yield f"has the ports {ports}, not {subject.ports}"
