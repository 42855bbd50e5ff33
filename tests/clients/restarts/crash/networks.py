"""What clients do with networks: each has some of its own, for its own containers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import attrs

from tests.clients.restarts.crash.model import GONE, Place, Subject

if TYPE_CHECKING:
    from tests.clients.restarts.crash.client import Client

THERE: Final = "there"
OWN: Final = 2  # networks of one client
WAYS: Final = ("none", "bridge", "bridge-published", "own", "own-published")
"""Where a container is that is made: on no network, on the bridge, or on one of its client's own."""
PORT: Final = "80/tcp"
BRIDGE: Final = "bridge"
NONE: Final = "none"


@attrs.define(eq=False)
class Network:
    """A network, as its one client knows it; `subnets` are known once it has been looked at.

    It `lingers` if a container was in it that removes itself: nobody is told when that has left.
    """

    key: str
    name: str
    id: str = ""
    status: str = GONE
    possible: frozenset[str] = frozenset()
    subnets: frozenset[str] = frozenset()
    lingers: bool = False

    @contextmanager
    def attempt(self, outcome: str) -> Generator[None, None, None]:
        """Announce a call that may lead to `outcome`; the block ends normally only if it was answered."""
        self.possible = frozenset({outcome})
        yield  # ruff: ignore[fallible-context-manager]  without an answer both stay possible
        self.possible = frozenset()

    def may_be(self) -> frozenset[str]:
        """Return what would be no surprise."""
        return frozenset({self.status, *self.possible})


def subnets_of(found: dict[str, Any]) -> frozenset[str]:
    """Return the subnets of a network, as inspect shows them."""
    return frozenset(pool["Subnet"] for pool in found["IPAM"]["Config"])


def places_of(found: dict[str, Any]) -> dict[str, Place]:
    """Return where a container is, of those of its networks in which it has an address."""
    networks = found["NetworkSettings"]["Networks"]
    return {
        name: Place(one["IPAddress"], one["GlobalIPv6Address"], one["MacAddress"], one["EndpointID"])
        for name, one in networks.items()
        if one["IPAddress"]
    }


def ports_of(found: dict[str, Any]) -> frozenset[tuple[str, int]]:
    """Return the host's addresses and ports that lead to a container."""
    bound = (found["NetworkSettings"]["Ports"] or {}).get(PORT) or ()
    return frozenset((one["HostIp"], int(one["HostPort"])) for one in bound)


def wish(client: Client, subject: Subject) -> dict[str, Any]:
    """Return what a container's create says of networks."""
    way, _, published = client.dice.choice(client.ways).partition("-")
    own = [network for network in client.networks if network.status == THERE]
    name = way
    if way == "own":
        network = client.dice.choice(own) if own else None
        name = network.name if network else BRIDGE
        if network is not None:
            network.lingers |= subject.auto_remove
    subject.networks, subject.ever_in = frozenset({name}), {name}
    subject.may_be_in = frozenset({subject.networks})
    host_config: dict[str, Any] = {"NetworkMode": name}
    if published:
        host_config["PortBindings"] = {PORT: [{"HostPort": ""}]}
    return host_config


def create_network(client: Client, _: Subject | None = None) -> None:
    """Make a network."""
    serial = next(client.serial)
    network = Network(f"n{client.number}-{serial}", f"n{client.number}-{serial}")
    client.networks.append(network)
    client.networks_ever[network.key] = network
    body = {
        "Name": network.name,
        "EnableIPv6": client.dice.random() < 0.3,
        "Internal": client.dice.random() < 0.2,
    }
    with network.attempt(THERE):
        answer = client.ask("POST", "/networks/create", body)
        assert answer.status == 201, answer
    network.id, network.status = answer.document["Id"], THERE
    network.subnets = subnets_of(client.inspect(f"/networks/{network.id}"))


def unused(client: Client) -> list[Network]:
    """Return the networks that no container of the client's has or may have."""
    subjects = [subject for subject in client.subjects if subject.status != GONE or subject.possible]
    used = {name for subject in subjects for names in subject.may_be_in for name in names}
    return [one for one in client.networks if one.status == THERE and one.name not in used]


def remove_network(client: Client, _: Subject | None = None) -> None:
    """Remove a network that nobody needs."""
    network = client.dice.choice(unused(client))
    with network.attempt(GONE):
        answer = client.ask("DELETE", f"/networks/{network.id}")
        busy = network.lingers and answer.status == 403
        assert answer.status == 204 or busy, f"remove {network.name}: {answer}"
    if not busy:
        network.status = GONE
        client.networks.remove(network)


def connectable(client: Client, subject: Subject) -> list[str]:
    """Return the names of the networks that a container could be connected to."""
    own = [network.name for network in client.networks if network.status == THERE]
    return [] if NONE in subject.networks else [n for n in (BRIDGE, *own) if n not in subject.networks]


def connect_network(client: Client, subject: Subject) -> None:
    """Connect a container, which may run, to one more network."""
    name = client.dice.choice(connectable(client, subject))
    _change(client, subject, "connect", name, subject.networks | {name})


def disconnect_network(client: Client, subject: Subject) -> None:
    """Disconnect a container, which may run, from one of its networks."""
    name = client.dice.choice(sorted(subject.networks))
    _change(client, subject, "disconnect", name, subject.networks - {name})


def _change(client: Client, subject: Subject, verb: str, name: str, after: frozenset[str]) -> None:
    with subject.attempt_networks(after):
        answer = client.ask("POST", f"/networks/{name}/{verb}", {"Container": subject.id})
        assert answer.status == 200, f"{verb} {subject.key} and {name}: {answer}"
    if subject.pid:
        note(subject, client.inspect(f"/containers/{subject.id}/json"))


def note(subject: Subject, found: dict[str, Any]) -> None:
    """Remember where a container that runs is, which from now on is so."""
    subject.places, subject.ports = places_of(found), ports_of(found)
