"""Which links a container has, and at which of its addresses its ports are published."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from daemon.actors.container.attachments import Attachment, Attachments
from daemon.actors.container.networking.linkplans import link_plans, next_link, published_at, wanted_ports
from daemon.model import EndpointConfig, HostConfig
from daemon.networks.options import HOST_BINDING
from daemon.networks.records import NetworkRecord
from tests.unit.actors.attaching import SIXTH, a_lease, a_network, a_place, in_networks

NETWORKS = {
    record.id: record
    for record in (
        a_network("web"),
        a_network("api"),
        a_network("inside", internal=True),
        a_network("lan", driver="macvlan"),
        a_network("none", driver="null"),
        a_network("local", options={HOST_BINDING: "127.0.0.1"}),
    )
}
WISHES = {name: EndpointConfig() for name in ("web", "api", "inside", "lan", "local")}
RECORD = in_networks(WISHES, host_config=HostConfig(port_bindings={"80/tcp": [{"HostPort": "8080"}]}))


def record_of(network_id: str) -> NetworkRecord:
    return NETWORKS[network_id]


def test_each_network_with_links_has_one() -> None:
    attachments = Attachments((a_place("web"), a_place("api", "eth1"), Attachment(a_lease("none", ""))))
    first, second = link_plans(RECORD, attachments, record_of)
    assert (first.name, first.parent, second.name, second.parent) == ("eth0", "br-web", "eth1", "br-api")


def test_only_the_way_out_has_a_gateway() -> None:
    attachments = Attachments((a_place("web"), a_place("api", "eth1", address="172.19.0.2/16")))
    web, api = link_plans(RECORD, attachments, record_of)
    assert (web.gateways, api.gateways) == ((), (ip_address("172.19.0.1"),))


def test_a_links_end_on_the_host_has_a_name_that_linux_takes() -> None:
    (plan,) = link_plans(RECORD, Attachments((a_place("web"),)), record_of)
    assert plan.host_name.startswith("ls")
    assert len(plan.host_name) == 15


@pytest.mark.parametrize(
    ("used", "expected"), [((), "eth0"), (("eth0",), "eth1"), (("eth1",), "eth0"), (("lan0",), "eth0")]
)
def test_links_are_numbered_without_gaps(used: tuple[str, ...], expected: str) -> None:
    attachments = Attachments(tuple(a_place(name, name) for name in used))
    assert next_link(attachments, "eth") == expected


def test_ports_are_published_at_one_address_of_each_family() -> None:
    attachments = Attachments((a_place("web"), a_place("api", "eth1", address="172.19.0.2/16", sixth=SIXTH)))
    assert [str(found) for found in published_at(RECORD, attachments, record_of)] == ["172.19.0.2", "fd00::2"]


def test_nothing_is_published_into_other_networks_than_open_bridges() -> None:
    attachments = Attachments((a_place("inside"), a_place("lan", "eth1", driver="macvlan")))
    assert published_at(RECORD, attachments, record_of) == ()


def test_a_network_may_say_where_the_host_answers() -> None:
    (wish,) = wanted_ports(RECORD, Attachments((a_place("local"),)), record_of)
    assert wish.host_address == ip_address("127.0.0.1")
    (wish,) = wanted_ports(RECORD, Attachments((a_place("web"),)), record_of)
    assert wish.host_address is None


def test_where_the_host_answers_is_said_by_the_network_that_ports_lead_into() -> None:
    attachments = Attachments((a_place("local"), a_place("api", "eth1", address="172.19.0.2/16")))
    (wish,) = wanted_ports(RECORD, attachments, record_of)
    assert wish.host_address is None
