"""What a container is called in its networks."""

from __future__ import annotations

from pathlib import Path

from daemon.actors.container.attachments import Attachments
from daemon.actors.container.networking.naming import asker, names_of, resolv_conf_of_host
from daemon.model import EndpointConfig
from tests.unit.actors.attaching import a_place, in_networks

SANDBOX = Path("/run/x")
OF_HOST = "nameserver 127.0.0.53\n"


def test_a_container_is_found_by_name_aliases_and_short_id() -> None:
    record = in_networks({"web": EndpointConfig(aliases=("www", "web"))})
    assert names_of(record, record.networks["web"]) == (record.name, "www", record.id[:12])


def test_who_is_only_in_predefined_networks_asks_nobody() -> None:
    record = in_networks({"bridge": EndpointConfig()})
    assert asker(record, Attachments((a_place("bridge"),)), SANDBOX, OF_HOST) is None


def test_a_container_has_a_membership_in_each_network_with_names() -> None:
    wishes = {"web": EndpointConfig(links=("db:mydb",)), "bridge": EndpointConfig()}
    attachments = Attachments((a_place("web"), a_place("bridge", "eth1")))
    found = asker(in_networks(wishes), attachments, SANDBOX, OF_HOST)
    assert found is not None
    (membership,) = found.memberships
    assert (membership.network, membership.network_name) == ("id-of-web", "web")
    assert membership.links == {"mydb": "db"}
    assert found.servers == ("127.0.0.53",)


def test_who_has_no_way_out_asks_nobody_else() -> None:
    attachments = Attachments((a_place("inside", gateway4=None),))
    found = asker(in_networks({"inside": EndpointConfig()}), attachments, SANDBOX, OF_HOST)
    assert found is not None
    assert found.servers == ()


def test_a_host_without_name_servers_is_no_obstacle(tmp_path: Path) -> None:
    assert resolv_conf_of_host(tmp_path / "resolv.conf") == ""
