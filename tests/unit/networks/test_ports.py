"""Which ports a client wants published."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from daemon.errors import InvalidParameter
from daemon.model import Config, HostConfig
from daemon.networks.ports import ContainerPort, PortWish, exposed_ports, parse_ports, port_wishes

HTTP = ContainerPort(80)


def wishes(bindings: dict[str, Any], exposed: tuple[str, ...] = (), **more: Any) -> tuple[PortWish, ...]:
    config = Config(exposed_ports={port: {} for port in exposed})
    return port_wishes(config, HostConfig(port_bindings=bindings, **more))


def test_a_port_without_a_protocol_is_tcps() -> None:
    assert [str(port) for port in parse_ports("80")] == ["80/tcp"]
    assert parse_ports("53/UDP") == (ContainerPort(53, "udp"),)


def test_exposed_ports_come_in_order_and_once() -> None:
    config = Config(exposed_ports={"443/tcp": {}, "80": {}, "80/tcp": {}, "8000-8001/udp": {}})
    assert [str(port) for port in exposed_ports(config)] == ["80/tcp", "443/tcp", "8000/udp", "8001/udp"]


@pytest.mark.parametrize(
    ("binding", "wish"),
    [
        ({"HostIp": "", "HostPort": "8080"}, PortWish(HTTP, None, range(8080, 8081))),
        ({"HostIp": "127.0.0.1", "HostPort": ""}, PortWish(HTTP, ip_address("127.0.0.1"))),
        ({"HostIp": "[::1]", "HostPort": "0"}, PortWish(HTTP, ip_address("::1"))),
        ({"HostPort": "8000-8002"}, PortWish(HTTP, None, range(8000, 8003))),
        ({}, PortWish(HTTP)),
    ],
)
def test_a_binding_says_where_the_host_answers(binding: dict[str, str], wish: PortWish) -> None:
    assert wishes({"80/tcp": [binding]}) == (wish,)


@pytest.mark.parametrize("nothing", [None, []])
def test_a_port_without_bindings_is_published_somewhere(nothing: object) -> None:
    assert wishes({"80": nothing}) == (PortWish(HTTP),)


def test_a_port_may_be_published_twice() -> None:
    assert len(wishes({"80": [{"HostPort": "1"}, {"HostPort": "2"}]})) == 2


def test_ranges_of_one_length_are_matched() -> None:
    found = wishes({"80-81/tcp": [{"HostPort": "8080-8081"}]})
    assert [(str(wish.port), wish.host_ports) for wish in found] == [
        ("80/tcp", range(8080, 8081)),
        ("81/tcp", range(8081, 8082)),
    ]


def test_all_exposed_ports_are_published_on_request_and_none_twice() -> None:
    found = wishes({"80": [{"HostPort": "8080"}]}, ("80/tcp", "53/udp"), publish_all_ports=True)
    assert found == (PortWish(HTTP, None, range(8080, 8081)), PortWish(ContainerPort(53, "udp")))


@pytest.mark.parametrize(
    ("bindings", "text"),
    [
        ({"x": None}, 'invalid port specification: "x"'),
        ({"0/tcp": None}, 'invalid port specification: "0/tcp"'),
        ({"65536": None}, "invalid port specification"),
        ({"80/icmp": None}, "invalid port specification"),
        ({"81-80": None}, "invalid port specification"),
        ({"80": {}}, "it must be a list"),
        ({"80": ["8080"]}, "it must be an object"),
        ({"80": [{"HostPort": 8080}]}, "must be strings"),
        ({"80": [{"HostPort": "65536"}]}, 'invalid port specification: "65536"'),
        ({"80": [{"HostPort": "80-x"}]}, "invalid port specification"),
        ({"80": [{"HostIp": "host"}]}, "invalid IP address: host"),
        ({"80": [{"HostIp": "fe80::1%eth0"}]}, "invalid IP address"),
        ({"80-82": [{"HostPort": "1-2"}]}, "invalid ranges specified"),
    ],
)
def test_what_is_no_port_is_refused(bindings: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidParameter, match=text):
        wishes(bindings)
