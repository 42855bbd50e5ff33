"""The files about names that a container finds in /etc."""

from __future__ import annotations

import pytest

from daemon.errors import InvalidParameter
from daemon.model import HostConfig
from daemon.networks.files import (
    FALLBACK_SERVERS,
    check_dns,
    hostname_text,
    hosts_text,
    parse_extra_host,
    resolv_conf_text,
    upstream_servers,
)

OF_HOST = """\
# mine
nameserver 127.0.0.53
nameserver 10.0.0.1 # lan
search old
search a b
options edns0
nonsense
"""


def test_the_hostname_has_a_line_of_its_own() -> None:
    assert hostname_text("web") == "web\n"


def test_hosts_name_the_loopback_and_the_container() -> None:
    lines = hosts_text("web", HostConfig(), domainname="example.org").splitlines()
    assert lines[:2] == ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]
    assert lines[-1] == "127.0.0.1\tweb.example.org web"


def test_hosts_have_a_line_for_each_address() -> None:
    text = hosts_text("web", HostConfig(), addresses=("10.0.0.2", "fd00::2"))
    assert text.endswith("10.0.0.2\tweb\nfd00::2\tweb\n")


def test_extra_hosts_are_added() -> None:
    host_config = HostConfig(extra_hosts=("db:10.0.0.9", "six:::1", "seven=[fd00::7]"))
    assert "10.0.0.9\tdb\n::1\tsix\nfd00::7\tseven\n" in hosts_text("web", host_config)


def test_on_the_hosts_network_the_hosts_file_is_kept() -> None:
    host_config = HostConfig(network_mode="host", extra_hosts=("db:10.0.0.9",))
    assert hosts_text("h", host_config, of_host="127.0.0.1 me") == "127.0.0.1 me\n10.0.0.9\tdb\n"


@pytest.mark.parametrize(
    "text", ["", "db", "db:", ":10.0.0.1", "db:not-an-address", "d b:10.0.0.1", "db:1.2.3.4\nx"]
)
def test_a_malformed_extra_host_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="add-host"):
        parse_extra_host(text)


def test_the_gateway_is_named_by_each_of_its_addresses() -> None:
    text = hosts_text("web", HostConfig(extra_hosts=("h:host-gateway",)), gateways=("172.17.0.1", "fd00::1"))
    assert "172.17.0.1\th\nfd00::1\th\n" in text


def test_links_are_named_before_the_extra_hosts() -> None:
    host_config = HostConfig(extra_hosts=("x:10.0.0.9",))
    text = hosts_text("web", host_config, links=[("172.17.0.3", "db 0123 mydb")])
    assert "172.17.0.3\tdb 0123 mydb\n10.0.0.9\tx\n" in text


def test_the_resolver_is_asked_instead_of_the_hosts_servers() -> None:
    lines = resolv_conf_text(HostConfig(network_mode="web"), OF_HOST, asks_resolver=True).splitlines()
    assert lines == ["nameserver 127.0.0.11", "search a b", "options edns0 ndots:0"]


def test_whoever_sets_ndots_keeps_it() -> None:
    host_config = HostConfig(network_mode="web", dns_options=("ndots:3",))
    assert "options ndots:3\n" in resolv_conf_text(host_config, OF_HOST, asks_resolver=True)


def test_the_resolver_can_ask_a_server_on_the_hosts_loopback() -> None:
    assert upstream_servers(HostConfig(), OF_HOST) == ("127.0.0.53", "10.0.0.1")
    assert upstream_servers(HostConfig(dns=("9.9.9.9",)), OF_HOST) == ("9.9.9.9",)


def test_name_servers_on_the_hosts_loopback_are_left_out() -> None:
    text = resolv_conf_text(HostConfig(network_mode="none"), OF_HOST)
    assert text == "nameserver 10.0.0.1\nsearch a b\noptions edns0\n"


def test_the_hosts_network_reaches_them() -> None:
    text = resolv_conf_text(HostConfig(network_mode="host"), OF_HOST)
    assert text.startswith("nameserver 127.0.0.53\nnameserver 10.0.0.1\n")


@pytest.mark.parametrize(
    "of_host", ["", "nameserver 127.0.0.1\n", "nameserver ::1\nnameserver rubbish\nnameserver\n"]
)
def test_without_any_server_the_public_ones_are_asked(of_host: str) -> None:
    text = resolv_conf_text(HostConfig(network_mode="none"), of_host)
    assert text == "".join(f"nameserver {server}\n" for server in FALLBACK_SERVERS)


def test_what_the_client_says_replaces_the_hosts() -> None:
    host_config = HostConfig(dns=("9.9.9.9",), dns_search=("x",), dns_options=("ndots:2",))
    assert resolv_conf_text(host_config, OF_HOST) == "nameserver 9.9.9.9\nsearch x\noptions ndots:2\n"


def test_a_dot_alone_means_no_search() -> None:
    assert "search" not in resolv_conf_text(HostConfig(dns_search=(".",)), OF_HOST)


@pytest.mark.parametrize(
    "host_config",
    [
        HostConfig(dns=("rubbish",)),
        HostConfig(dns_search=("a b",)),
        HostConfig(dns_options=("x\nnameserver 1.1.1.1",)),
    ],
)
def test_dns_settings_cannot_break_out_of_their_line(host_config: HostConfig) -> None:
    with pytest.raises(InvalidParameter):
        check_dns(host_config)
