"""What becomes of what a client says of networks when it creates a container."""

from __future__ import annotations

import attrs
import pytest

from daemon.errors import InvalidParameter
from daemon.model import Config, EndpointConfig, HostConfig, NetworkingConfig
from tests.unit.actors.test_admission import DEFAULTS, admitted

MAC = "02:42:ac:11:00:02"
STATIC = EndpointConfig(ipam_config={"IPv4Address": "10.0.0.2"})


def test_who_names_no_network_is_on_the_bridge() -> None:
    found = admitted()
    assert (found.host_config.network_mode, dict(found.networks)) == ("bridge", {"bridge": EndpointConfig()})


def test_without_a_bridge_it_is_on_none() -> None:
    found = admitted(defaults=attrs.evolve(DEFAULTS, network_mode="none"))
    assert list(found.networks) == ["none"]


def test_who_wants_no_network_at_all_gets_none() -> None:
    assert list(admitted(Config(network_disabled=True)).networks) == ["none"]


@pytest.mark.parametrize("name", ["default", "bridge"])
def test_the_endpoint_of_the_mode_may_be_called_as_the_client_called_the_mode(name: str) -> None:
    endpoint = EndpointConfig(mac_address=MAC)
    found = admitted(
        host_config=HostConfig(network_mode="default"), networking=NetworkingConfig({name: endpoint})
    )
    assert dict(found.networks) == {"bridge": endpoint}


def test_the_network_of_the_mode_comes_first() -> None:
    networking = NetworkingConfig({"a": None, "web": STATIC})
    found = admitted(host_config=HostConfig(network_mode="web"), networking=networking)
    assert list(found.networks.items()) == [("web", STATIC), ("a", EndpointConfig())]


def test_before_1_44_there_could_be_but_one_endpoint() -> None:
    networking = NetworkingConfig({"a": None, "web": None})
    with pytest.raises(InvalidParameter, match="multiple network endpoints: a, web"):
        admitted(host_config=HostConfig(network_mode="web"), networking=networking, version=(1, 43))


def test_who_shares_a_network_is_in_none_of_its_own() -> None:
    assert dict(admitted(host_config=HostConfig(network_mode="container:x")).networks) == {}


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("host", "cannot be connected to any other network"),
        ("container:x", "cannot be connected to any other network"),
        ("none", "private .none. mode"),
    ],
)
def test_these_modes_exclude_other_networks(mode: str, text: str) -> None:
    with pytest.raises(InvalidParameter, match=text):
        admitted(host_config=HostConfig(network_mode=mode), networking=NetworkingConfig({"web": None}))


@pytest.mark.parametrize(
    ("mode", "endpoint", "text"),
    [
        ("bridge", EndpointConfig(aliases=("a",)), "aliases"),
        ("bridge", EndpointConfig(links=("a",)), "links"),
        ("bridge", STATIC, "user specified IP address"),
        ("none", EndpointConfig(mac_address=MAC), "mac-address"),
        ("host", EndpointConfig(driver_opts={"a": "b"}), "endpoint options"),
        ("web", EndpointConfig(mac_address="02:42"), "invalid MAC address: 02:42"),
        ("web", EndpointConfig(ipam_config={"IPv4Address": "fd00::1"}), "invalid IPv4 address: fd00::1"),
        ("web", EndpointConfig(ipam_config={"IPv6Address": "x"}), "invalid IPv6 address: x"),
        ("web", EndpointConfig(ipam_config={"LinkLocalIPs": ["169.254.1.1"]}), "link-local"),
    ],
)
def test_what_a_network_cannot_give_is_refused(mode: str, endpoint: EndpointConfig, text: str) -> None:
    with pytest.raises(InvalidParameter, match=text):
        admitted(host_config=HostConfig(network_mode=mode), networking=NetworkingConfig({mode: endpoint}))


def test_an_address_that_is_left_empty_is_none() -> None:
    endpoint = EndpointConfig(ipam_config={"IPv4Address": "", "IPv6Address": ""})
    found = admitted(networking=NetworkingConfig({"default": endpoint}))
    assert found.networks == {"bridge": endpoint}


def test_a_mac_address_for_the_container_is_for_the_network_of_its_mode() -> None:
    found = admitted(Config(mac_address=MAC), HostConfig(network_mode="web"))
    assert found.networks["web"].mac_address == MAC


def test_two_mac_addresses_contradict_each_other() -> None:
    other = EndpointConfig(mac_address="02:42:ac:11:00:03")
    with pytest.raises(InvalidParameter, match="must match the endpoint-specific MAC address"):
        admitted(Config(mac_address=MAC), networking=NetworkingConfig({"default": other}))


def test_links_are_names_where_a_network_has_names() -> None:
    host_config = HostConfig(network_mode="web", links=("db:mydb",))
    assert admitted(host_config=host_config).networks["web"].links == ("db:mydb",)
    on_bridge = admitted(host_config=HostConfig(links=("db",)))
    assert (on_bridge.networks["bridge"].links, on_bridge.host_config.links) == (None, ("db",))


@pytest.mark.parametrize("link", ["", ":a", "a:", "a:b:c"])
def test_a_malformed_link_is_refused(link: str) -> None:
    with pytest.raises(InvalidParameter, match="bad format for links"):
        admitted(host_config=HostConfig(links=(link,)))


def test_without_a_bridge_nothing_is_the_hosts_gateway() -> None:
    wish = HostConfig(extra_hosts=("h:host-gateway",))
    assert admitted(host_config=wish).host_config.extra_hosts == wish.extra_hosts
    with pytest.raises(InvalidParameter, match="unable to derive the IP value"):
        admitted(host_config=wish, defaults=attrs.evolve(DEFAULTS, has_host_gateway=False))
