"""A container's networks as list and inspect show them, by the version of the API."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import attrs
import pytest

from daemon.actors.container.attachments import NOWHERE, Attachment, Attachments
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.api.docker.container_networks import (
    NOT_ATTACHED,
    bound_ports,
    is_in,
    listed_ports,
    network_settings,
    networks,
)
from daemon.model import Config, EndpointConfig
from daemon.networks.plans import PublishedPort
from tests.unit.actors.attaching import SIXTH, a_lease, a_place, in_networks

OLD, LATEST = (1, 41), (1, 48)
OWN = ip_address("172.18.0.2")
PORT = PublishedPort("tcp", ip_address("0.0.0.0"), 8080, OWN, 80)
SANDBOX = "/run/netns/x"
EXPOSED = Config(exposed_ports={"80/tcp": {}, "53/udp": {}})
WEB = {"web": EndpointConfig(aliases=("www",))}


def running(wishes: dict[str, EndpointConfig], attachments: Attachments, **changes: Any) -> ContainerSnapshot:
    record = in_networks(wishes, EXPOSED)
    return attrs.evolve(ContainerSnapshot(record, State.RUNNING, attachments=attachments), **changes)


def on(*networks: str, sixth: str = "") -> Attachments:
    places = tuple(a_place(name, f"eth{place}", sixth=sixth) for place, name in enumerate(networks))
    return Attachments(places, (PORT,), SANDBOX)


def test_who_does_not_run_shows_what_it_is_to_be() -> None:
    snapshot = running(WEB, NOWHERE, state=State.EXITED)
    shown = network_settings(snapshot, LATEST)
    assert shown["Networks"]["web"] == {
        **NOT_ATTACHED,
        "IPAMConfig": None,
        "Links": None,
        "Aliases": ["www"],
        "DriverOpts": None,
        "NetworkID": "",
        "DNSNames": [snapshot.record.name, "www", snapshot.id[:12]],
        "GwPriority": 0,
    }
    assert (shown["SandboxID"], shown["SandboxKey"], shown["Ports"]) == ("", "", {})


def test_what_is_being_cleared_away_has_no_addresses_any_more() -> None:
    shown = network_settings(running(WEB, on("web"), state=State.STOPPED), LATEST)
    assert (shown["Networks"]["web"]["IPAddress"], shown["SandboxKey"], shown["Ports"]) == ("", "", {})


@pytest.mark.parametrize(
    ("version", "aliases", "more"),
    [
        ((1, 41), ["www", "ID"], set()),
        ((1, 44), ["www", "ID"], {"DNSNames"}),
        ((1, 45), ["www"], {"DNSNames"}),
        ((1, 48), ["www"], {"DNSNames", "GwPriority"}),
    ],
)
def test_each_version_has_its_members(version: tuple[int, int], aliases: list[str], more: set[str]) -> None:
    snapshot = running(WEB, on("web"))
    shown = networks(snapshot, version)["web"]
    assert shown["Aliases"] == [snapshot.id[:12] if alias == "ID" else alias for alias in aliases]
    assert shown.keys() & {"DNSNames", "GwPriority"} == more


def test_addresses_on_the_bridge_are_there_twice() -> None:
    shown = network_settings(running({"bridge": EndpointConfig()}, on("bridge", sixth=SIXTH)), LATEST)
    addresses = {
        "EndpointID": a_lease("bridge").endpoint_id,
        "Gateway": "172.18.0.1",
        "IPAddress": "172.18.0.2",
        "IPPrefixLen": 16,
        "IPv6Gateway": "fd00::1",
        "GlobalIPv6Address": "fd00::2",
        "GlobalIPv6PrefixLen": 64,
        "MacAddress": "02:42:ac:12:00:02",
    }
    assert addresses.items() <= shown.items()
    assert addresses.items() <= shown["Networks"]["bridge"].items()
    assert shown["Networks"]["bridge"]["Aliases"] is None
    assert shown["Networks"]["bridge"]["DNSNames"] is None


def test_addresses_on_other_networks_are_there_once() -> None:
    shown = network_settings(running({**WEB, "api": EndpointConfig()}, on("web", "api")), LATEST)
    assert shown["IPAddress"] == ""
    assert [one["IPAddress"] for one in shown["Networks"].values()] == ["172.18.0.2"] * 2
    assert [one["NetworkID"] for one in shown["Networks"].values()] == ["id-of-web", "id-of-api"]


@pytest.mark.parametrize("network", ["none", "host"])
def test_there_may_be_nothing_to_show_but_the_network(network: str) -> None:
    place = Attachment(a_lease(network, "", driver="null", mac=""))
    snapshot = running({network: EndpointConfig()}, Attachments((place,)))
    shown = network_settings(snapshot, LATEST)
    assert (shown["Networks"][network]["IPAddress"], shown["SandboxKey"], shown["Ports"]) == ("", "", {})
    assert listed_ports(snapshot) == []


def test_who_shares_anothers_network_has_none() -> None:
    shown = network_settings(running({}, NOWHERE), LATEST)
    assert (shown["Networks"], shown["SandboxKey"], shown["IPAddress"]) == ({}, "", "")


def test_ports_are_shown_with_those_that_are_not_published() -> None:
    snapshot = running(WEB, on("web"))
    assert network_settings(snapshot, OLD)["Ports"] == {
        "53/udp": None,
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}],
    }
    assert listed_ports(snapshot) == [
        {"PrivatePort": 53, "Type": "udp"},
        {"IP": "0.0.0.0", "PublicPort": 8080, "PrivatePort": 80, "Type": "tcp"},
    ]
    assert [str(port) for port in bound_ports(snapshot)] == ["80/tcp"]


def test_a_container_is_in_a_network_by_name_or_id() -> None:
    snapshot = running(WEB, on("web"))
    assert [is_in(snapshot, name) for name in ("web", "id-of-web", "api")] == [True, True, False]
