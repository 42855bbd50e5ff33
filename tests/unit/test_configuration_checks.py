"""What each key may say."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from daemon.configuration import InvalidSettings, load


def problems(file: object) -> tuple[str, ...]:
    try:
        load({}, orjson.dumps(file))
    except InvalidSettings as error:
        return error.problems
    return ()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"debug": "yes"}, "debug: expected bool, got string"),
    ({"hosts": "unix:///x"}, "hosts: expected array, got string"),
    ({"hosts": [1]}, "hosts[0]: expected string, got int"),
    ({"hosts": ["ftp://x"]}, "hosts[0]: 'ftp://x': use unix://PATH, tcp://HOST:PORT or fd://"),
    ({"hosts": ["tcp://x"]}, "hosts[0]: 'tcp://x': a tcp address needs a port, as in tcp://127.0.0.1:2375"),
    ({"hosts": ["tcp://x:99999"]}, "hosts[0]: 'tcp://x:99999': Port out of range 0-65535"),
    (
        {"hosts": ["unix://x"]},
        "hosts[0]: 'unix://x': a unix socket needs an absolute path, as in unix:///run/longshore/longshore.sock",
    ),
    ({"log-level": "x"}, "log-level: invalid value 'x': use one of debug, info, warn, error, fatal"),
    ({"log-format": "xml"}, "log-format: invalid value 'xml': use one of text, json"),
    (
        {"storage-driver": "btrfs"},
        "storage-driver: btrfs is not supported: use overlay2, vfs or the name of a graph driver plugin",
    ),
    (
        {"storage-driver": "../vfs"},
        "storage-driver: invalid value '../vfs': use overlay2, vfs or the name of a graph driver plugin",
    ),
    (
        {"storage-opts": ["a=b"]},
        "storage-opts: overlay2 has no options, only graph driver plugins may have some",
    ),
    ({"storage-driver": "mine", "storage-opts": ["a"]}, "storage-opts: 'a' is not key=value"),
    ({"data-root": "here"}, "data-root: must be an absolute path, got 'here'"),
    ({"data-root": "/run/longshore"}, "exec-root: must be another directory than data-root"),
    ({"labels": ["x"]}, "labels: bad attribute format: x"),
    ({"labels": ["a=1", "a=2"]}, "labels: conflict labels for a=2 and a=1"),
    ({"features": {"buildkit": 1}}, "features.buildkit: expected bool, got int"),
    ({"shutdown-timeout": -1}, "shutdown-timeout: must be at least 0, got -1"),
    ({"event-retention-days": 0}, "event-retention-days: must be at least 1, got 0"),
    ({"event-retention-count": 0}, "event-retention-count: must be at least 1, got 0"),
    ({"event-retention-bytes": -1}, "event-retention-bytes: must be at least 0, got -1"),
    ({"event-retention-bytes": "much"}, "event-retention-bytes: expected int, got string"),
    ({"default-shm-size": "lots"}, "default-shm-size: expected int, got string"),
    ({"default-shm-size": 0}, "default-shm-size: must be at least 1, got 0"),
    ({"tls": True}, "tls: needs tlscert and tlskey"),
    (
        {"tlsverify": True, "tlscert": "/c", "tlskey": "/k"},
        "tlsverify: needs tlscacert, to know whose certificates to trust",
    ),
    ({"seccomp-profile": "x"}, "seccomp-profile: use builtin, unconfined or an absolute path, got 'x'"),
    ({"cgroup-parent": "/a\0b"}, "cgroup-parent: must not contain a NUL character"),
    (
        {"log-driver": "syslog"},
        'log-driver: logging driver "syslog" is not supported yet: use json-file or none',
    ),
    ({"log-opts": {"max-sise": "1"}}, "log-opts: unknown log opt 'max-sise' for json-file log driver"),
    ({"log-opts": {"max-size": 1}}, "log-opts.max-size: expected string, got int"),
    ({"max-concurrent-downloads": -1}, "max-concurrent-downloads: invalid max concurrent downloads: -1"),
    ({"max-concurrent-uploads": -2}, "max-concurrent-uploads: invalid max concurrent uploads: -2"),
    ({"max-download-attempts": -3}, "max-download-attempts: invalid max download attempts: -3"),
    ({"mtu": -4}, "mtu: invalid default MTU: -4"),
    ({"dns": ["::1", "host"]}, "dns[1]: host is not an ip address"),
    ({"dns": ["fe80::1%a b"]}, "dns[0]: fe80::1%a b is not an ip address"),
    ({"dns-search": ["a..b"]}, "dns-search[0]: a..b is not a valid domain"),
    ({"dns-search": ["1.2"]}, "dns-search[0]: 1.2 is not a valid domain"),
    ({"dns-search": ["a" * 255]}, f"dns-search[0]: {'a' * 255} is not a valid domain"),
    ({"dns-opts": ["ndots:1 nameserver:9"]}, "dns-opts[0]: 'ndots:1 nameserver:9' must be one word"),
    ({"dns-opts": [""]}, "dns-opts[0]: '' must be one word"),
    ({"bip": "172.17.0.1"}, "bip: invalid CIDR address: 172.17.0.1"),
    ({"bip": "172.17.0.1/33"}, "bip: invalid CIDR address: 172.17.0.1/33"),
    ({"bip": "172.17.0.1/255.255.0.0"}, "bip: invalid CIDR address: 172.17.0.1/255.255.0.0"),
    ({"bip": "fd00::1/64"}, "bip: fd00::/64 is not an IPv4 network"),
    ({"bip": "10.0.0.1/31"}, "bip: 10.0.0.0/31 is too small for a gateway and a container"),
    ({"bip": "10.0.0.0/24"}, "bip: 10.0.0.0 is no address of a host"),
    ({"bridge": "a/b"}, "bridge: 'a/b' is no link's name"),
    ({"bridge": "0123456789abcdef"}, "bridge: '0123456789abcdef' is no link's name"),
    ({"bridge": "lo"}, "bridge: 'lo' is no link's name"),
    ({"fixed-cidr": "x"}, "fixed-cidr: invalid CIDR address: x"),
    (
        {"bip": "10.0.0.1/24", "fixed-cidr": "10.0.1.0/25"},
        "fixed-cidr: 10.0.1.0/25 is not within 10.0.0.0/24, the network of bip",
    ),
    ({"default-gateway": "x"}, "default-gateway: x is not an ip address"),
    (
        {"default-gateway": "10.0.0.2"},
        "default-gateway: needs bip or fixed-cidr, to say whose gateway it is",
    ),
    (
        {"bip": "10.0.0.1/24", "default-gateway": "10.0.1.2"},
        "default-gateway: 10.0.1.2 is no address of a host in 10.0.0.0/24",
    ),
    (
        {"fixed-cidr": "10.0.0.0/24", "default-gateway": "10.0.0.255"},
        "default-gateway: 10.0.0.255 is no address of a host in 10.0.0.0/24",
    ),
    (
        {"bip": "10.0.0.1/24", "default-gateway": "10.0.0.1"},
        "default-gateway: 10.0.0.1 is the bridge's own address: leave it out",
    ),
    ({"fixed-cidr-v6": "fd00::/64"}, "fixed-cidr-v6: needs ipv6"),
    ({"ipv6": True, "fixed-cidr-v6": "10.0.0.0/8"}, "fixed-cidr-v6: 10.0.0.0/8 is not an IPv6 network"),
    (
        {"ipv6": True, "default-gateway-v6": "fd00::2"},
        "default-gateway-v6: needs fixed-cidr-v6, to say whose gateway it is",
    ),
    ({"ip": "::1"}, "ip: ::1 is not an IPv4 address"),
    ({"ip": "x"}, "ip: x is not an ip address"),
    (
        {"default-network-opts": {"bridged": {}}},
        "default-network-opts.bridged: there is no such network driver",
    ),
    (
        {"default-network-opts": {"bridge": {"a": 1}}},
        "default-network-opts.bridge.a: expected string, got int",
    ),
]


@pytest.mark.parametrize(("file", "problem"), WRONG)
def test_a_value_that_is_wrong_is_named_with_its_place(file: dict[str, Any], problem: str) -> None:
    assert problems(file) == (problem,)


def test_an_option_of_the_resolver_cannot_bring_a_line_of_its_own() -> None:
    (problem,) = problems({"dns-opts": ["ndots:1\nnameserver"]})
    assert "must be one word" in problem


@pytest.mark.parametrize(
    ("pool", "problem"),
    [
        ({"base": "10.0.0.0/8"}, ".size: is required"),
        ({"base": "10.0.0.0", "size": 24}, ': invalid base pool "10.0.0.0": invalid CIDR address: 10.0.0.0'),
        ({"base": "10.0.0.0/8", "size": 7}, ": invalid pools size: 7"),
        ({"base": "10.0.0.0/8", "size": 33}, ": invalid pools size: 33"),
        ({"base": "0.0.0.0/0", "size": 0}, ": invalid pools size: 0"),
    ],
)
def test_a_pool_no_network_can_be_cut_from_is_refused(pool: dict[str, Any], problem: str) -> None:
    assert problems({"default-address-pools": [pool]}) == (f"default-address-pools[0]{problem}",)


def test_a_bridge_with_everything_said_is_accepted() -> None:
    four = {"bip": "10.0.0.1/24", "fixed-cidr": "10.0.0.128/25", "default-gateway": "10.0.0.2"}
    six = {"ipv6": True, "fixed-cidr-v6": "fd00::/64", "default-gateway-v6": "fd00::2"}
    more = {"bridge": "br0", "ip": "127.0.0.1", "icc": False, "ip-masq": False, "mtu": 1400}
    opts = {"default-network-opts": {"bridge": {"com.docker.network.driver.mtu": "1400"}}}
    assert problems({**four, **six, **more, **opts}) == ()


@pytest.mark.parametrize(
    ("mirror", "problem"),
    [
        ("mirror:5000", """no scheme specified for "mirror:5000": must use either 'https://' or 'http://'"""),
        ("ftp://m", """unsupported scheme "ftp" in "ftp://m": must use either 'https://' or 'http://'"""),
        ("http://m/v2", 'path, query, or fragment at end of the URI "http://m/v2"'),
        ("http://m?", 'path, query, or fragment at end of the URI "http://m?"'),
        ("http://m/#f", 'path, query, or fragment at end of the URI "http://m/#f"'),
        ("http://user:secret@m:port", "username/password not allowed in URI"),
        ("http://", '"http://" is not a valid URI'),
        ("http://[::1", '"http://[::1" is not a valid URI'),
        ("http://m:99999", '"http://m:99999" is not a valid URI'),
    ],
)
def test_a_mirror_is_the_plain_url_of_a_registry(mirror: str, problem: str) -> None:
    assert problems({"registry-mirrors": [mirror]}) == (f"registry-mirrors[0]: invalid mirror: {problem}",)


@pytest.mark.parametrize(
    ("registry", "problem"),
    [
        ("http://r", "http://r should not contain '://'"),
        ("r/path", 'r/path is not valid: invalid host "r/path"'),
        ("-r", '-r is not valid: invalid host "-r"'),
        (":5000", ':5000 is not valid: invalid host ":5000"'),
        ("[fe80::]/64", '[fe80::]/64 is not valid: invalid host "[fe80::]/64"'),
        ("10.0.0.0/33", '10.0.0.0/33 is not valid: invalid host "10.0.0.0/33"'),
        ("r:", 'r: is not valid: invalid port ""'),
        ("r:http", 'r:http is not valid: invalid port "http"'),
        ("r:65536", 'r:65536 is not valid: invalid port "65536"'),
    ],
)
def test_an_insecure_registry_is_a_host_or_a_network(registry: str, problem: str) -> None:
    assert problems({"insecure-registries": [registry]}) == (
        f"insecure-registries[0]: insecure registry {problem}",
    )


@pytest.mark.parametrize(
    "registry", ["r", "r:5000", "my_registry.local:80", "127.0.0.1", "fd00::/8", "[::1]"]
)
def test_hosts_and_networks_are_insecure_registries(registry: str) -> None:
    assert problems({"insecure-registries": [registry]}) == ()


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ({"Name": "nofile"}, "nofile.Soft: is required"),
        ({"Name": "cpu", "Soft": 1, "Hard": 1}, "nofile.Name: must be 'nofile', got 'cpu'"),
        ({"Name": "nofile", "Soft": 2, "Hard": 1}, "nofile: soft limit 2 is above the hard limit 1"),
        ({"Name": "nofile", "Soft": -1, "Hard": 1}, "nofile: soft limit -1 is above the hard limit 1"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(limit: dict[str, Any], problem: str) -> None:
    assert f"default-ulimits.{problem}" in problems({"default-ulimits": {"nofile": limit}})


def test_a_limit_the_kernel_does_not_have_is_refused() -> None:
    unknown = {"x": {"Name": "x", "Soft": 1, "Hard": 1}}
    assert problems({"default-ulimits": unknown}) == ("default-ulimits.x: invalid ulimit type: x",)


def test_a_socket_path_longer_than_the_kernel_takes_is_refused() -> None:
    assert problems({"hosts": ["unix:///" + "a" * 106]}) == ()
    assert "must not be longer than 107 bytes" in problems({"hosts": ["unix:///" + "a" * 107]})[0]


def test_a_driver_that_keeps_nothing_has_no_options_to_be_wrong() -> None:
    assert problems({"log-driver": "none", "log-opts": {"anything": "x"}}) == ()
