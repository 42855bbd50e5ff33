"""What a run has of the network."""

from __future__ import annotations

from daemon.actors.container.attachments import NOWHERE, Attachments
from daemon.model import EndpointConfig
from daemon.wire import parse_record, to_record
from tests.unit.actors.attaching import SIXTH, a_lease, a_place

WEB = a_place("web")
API = a_place("api", "eth1", address="172.19.0.2/16", sixth=SIXTH)
INSIDE = a_place("inside", "eth2", address="172.20.0.2/16", gateway4=None)


def test_a_place_is_found_by_the_networks_name_and_by_its_id() -> None:
    both = Attachments((WEB, API))
    assert both.named("web") is both.named("id-of-web") is WEB
    assert NOWHERE.named("web") is None


def test_a_place_is_taken_away_by_the_networks_id() -> None:
    assert Attachments((WEB, API)).without("id-of-web") == Attachments((API,))


def test_all_addresses_are_the_containers() -> None:
    assert [str(address) for address in Attachments((WEB, API)).addresses] == [
        "172.18.0.2",
        "172.19.0.2",
        "fd00::2",
    ]


def test_of_equals_the_network_whose_name_comes_first_leads_out() -> None:
    out = Attachments((WEB, API)).gateways({})
    assert [str(gateway) for gateway in out["id-of-api"]] == ["172.19.0.1", "fd00::1"]
    assert out["id-of-web"] == ()


def test_the_highest_priority_leads_out_and_others_only_for_families_it_lacks() -> None:
    out = Attachments((WEB, API)).gateways({"web": EndpointConfig(gw_priority=1), "api": EndpointConfig()})
    assert [str(gateway) for gateway in out["id-of-web"]] == ["172.18.0.1"]
    assert [str(gateway) for gateway in out["id-of-api"]] == ["fd00::1"]


def test_a_network_without_a_gateway_leads_nowhere() -> None:
    out = Attachments((INSIDE, WEB)).gateways({"inside": EndpointConfig(gw_priority=9)})
    assert (out["id-of-inside"], len(out["id-of-web"])) == ((), 1)


def test_what_is_written_is_read_back_the_same() -> None:
    attachments = Attachments((WEB, API), sandbox="/run/x/netns/1")
    assert parse_record(to_record(attachments), Attachments) == attachments
    lease = a_lease("web", sysctls={"net/ipv4/conf/IFNAME/forwarding": "1"})
    assert parse_record(to_record(lease), type(lease)) == lease
