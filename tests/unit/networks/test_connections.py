"""Which connections a change of ports puts in the wrong."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from daemon.networks.firewall.connections import DESTINATION_CHANGED, SOURCE_CHANGED, UDP, Connection, Stale
from daemon.networks.plans import PublishedPort

TCP = 6
HOST = "192.0.2.1"


def port(front: str, number: int = 8080, protocol: str = "udp") -> PublishedPort:
    target = "10.201.1.2" if ":" not in front else "fd00::2"
    return PublishedPort(protocol, ip_address(front), number, ip_address(target), 80)


def connection(
    asked: str = HOST,
    number: int = 8080,
    answering: tuple[str, int] = ("10.201.1.2", 80),
    protocol: int = UDP,
    status: int = DESTINATION_CHANGED,
) -> Connection:
    return Connection(
        family=2,
        protocol=protocol,
        status=status,
        asked=(ip_address(asked).packed, number),
        answering=(ip_address(answering[0]).packed, answering[1]),
        handle=b"",
    )


@pytest.mark.parametrize(
    ("one", "stale"),
    [
        (connection(), True),
        (connection(asked="127.0.0.1"), True),
        (connection(protocol=TCP), False),
        (connection(number=8081), False),
        (connection(answering=("10.201.1.3", 80)), False),
        (connection(answering=("10.201.1.2", 81)), False),
        (connection(status=0), False),
    ],
)
def test_what_an_unpublished_port_sent_on_is_stale(one: Connection, stale: bool) -> None:
    assert Stale.after([port("0.0.0.0")], []).has(one) is stale


@pytest.mark.parametrize(
    ("front", "asked", "stale"),
    [
        ("0.0.0.0", HOST, True),
        (HOST, HOST, True),
        ("192.0.2.2", HOST, False),
        ("::", "2001:db8::1", True),
        ("0.0.0.0", "2001:db8::1", False),
        ("::", HOST, False),
    ],
)
def test_datagrams_that_were_not_sent_on_are_stale_where_a_port_is_published_now(
    front: str, asked: str, stale: bool
) -> None:
    assert Stale.after([], [port(front)]).has(connection(asked, status=0)) is stale


@pytest.mark.parametrize(
    "one",
    [
        connection(status=0, protocol=TCP),
        connection(status=0, number=8081),
        connection(status=SOURCE_CHANGED),
        connection(),
    ],
)
def test_other_connections_go_on_where_a_port_is_published_now(one: Connection) -> None:
    assert not Stale.after([], [port("0.0.0.0"), port("0.0.0.0", protocol="tcp")]).has(one)
