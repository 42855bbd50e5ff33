"""daemon.json and flags become settings, or every problem is named."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.configuration import InvalidSettings, keys, load
from daemon.settings import AddressPool, ConfiguredRuntime, DefaultUlimit, Settings
from daemon.wire import parse_config, to_config

EVERY_KEY: dict[str, Any] = {
    "hosts": ["unix:///run/a.sock", "tcp://127.0.0.1:2375", "tcp://[::1]:1", "fd://"],
    "data-root": "/d",
    "exec-root": "/e",
    "pidfile": "/p",
    "storage-driver": "mine",
    "storage-opts": ["size=3G"],
    "debug": True,
    "log-level": "warn",
    "log-format": "json",
    "labels": ["a=b", "c="],
    "features": {"buildkit": True, "one-of-tomorrow": False},
    "live-restore": False,
    "shutdown-timeout": 3,
    "event-retention-days": 7,
    "event-retention-count": 1000,
    "event-retention-bytes": 1 << 20,
    "runtimes": {"slow": {"path": "/usr/bin/runc", "runtimeArgs": ["--debug"]}},
    "default-runtime": "slow",
    "default-stop-timeout": 4,
    "default-shm-size": 128 << 20,
    "default-ipc-mode": "shareable",
    "default-cgroupns-mode": "host",
    "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 20, "Soft": 10}},
    "cgroup-parent": "/mine",
    "log-driver": "none",
    "log-opts": {"max-size": "10m"},
    "dns": ["10.0.0.1", "fe80::1%eth0"],
    "dns-search": ["example.com", "."],
    "dns-opts": ["ndots:2"],
    "seccomp-profile": "unconfined",
    "registry-mirrors": ["https://mirror.example.com:5000/"],
    "insecure-registries": ["registry:5000", "10.0.0.0/8", "[::1]:5000"],
    "max-concurrent-downloads": 1,
    "max-concurrent-uploads": 0,
    "max-download-attempts": 2,
    "bridge": "br0",
    "bip": "172.18.0.1/16",
    "fixed-cidr": "172.18.1.0/24",
    "default-gateway": "172.18.0.2",
    "ipv6": True,
    "fixed-cidr-v6": "fd00::/64",
    "default-gateway-v6": "fd00::2",
    "icc": False,
    "ip-masq": False,
    "userland-proxy": True,
    "ip": "127.0.0.1",
    "mtu": 1400,
    "default-address-pools": [{"base": "10.10.0.0/16", "size": 24}],
    "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": "1400"}},
    "tls": True,
    "tlsverify": True,
    "tlscacert": "/ca",
    "tlscert": "/cert",
    "tlskey": "/key",
}


def problems(file: object, flags: dict[str, Any] | None = None) -> tuple[str, ...]:
    with pytest.raises(InvalidSettings) as refused:
        load(flags or {}, orjson.dumps(file))
    return refused.value.problems


@pytest.mark.parametrize("file", [None, b"", b"  \n", b"{}", b"\xef\xbb\xbf{}"])
def test_nothing_said_is_the_defaults(file: bytes | None) -> None:
    assert load({}, file) == Settings()


def test_every_key_is_taken_and_written_back() -> None:
    assert EVERY_KEY.keys() == keys().keys()
    settings = load({}, orjson.dumps(EVERY_KEY))
    assert settings.runtimes == {"slow": ConfiguredRuntime("/usr/bin/runc", ("--debug",))}
    assert settings.default_ulimits == {"nofile": DefaultUlimit("nofile", soft=10, hard=20)}
    assert settings.default_address_pools == (AddressPool("10.10.0.0/16", 24),)
    assert (settings.shutdown_timeout_seconds, settings.default_stop_timeout_seconds) == (3, 4)
    assert to_config(settings) == EVERY_KEY


def test_what_is_at_its_default_is_not_written() -> None:
    assert to_config(Settings()) == {}


def test_unknown_keys_are_refused_in_dockerds_words() -> None:
    assert problems({"zoo": 1, "live-rstore": True}) == (
        "the following directives don't match any configuration option: live-rstore, zoo",
    )


def test_an_option_given_twice_is_refused_in_dockerds_words() -> None:
    assert problems({"hosts": ["tcp://b:1"], "debug": False}, {"hosts": ["tcp://a:1"], "debug": True}) == (
        "the following directives are specified both as a flag and in the configuration file: "
        "debug: (from flag: true, from file: false), "
        "hosts: (from flag: [tcp://a:1], from file: [tcp://b:1])",
    )


def test_runtimes_of_flags_and_file_are_merged_and_the_flag_is_nearer() -> None:
    flags = {"runtimes": {"b": {"path": "/flag"}, "c": {"path": "/c"}}}
    settings = load(
        flags, b'{"runtimes": {"a": {"path": "/a"}, "b": {"path": "/file", "runtimeArgs": ["x"]}}}'
    )
    assert settings.runtimes == {
        "a": ConfiguredRuntime("/a"),
        "b": ConfiguredRuntime("/flag"),
        "c": ConfiguredRuntime("/c"),
    }


@pytest.mark.parametrize("size", [1048576, "1048576", "1m", "1M", "1MB", "1MiB", "1024k"])
def test_a_size_is_a_number_or_has_a_unit(size: object) -> None:
    settings = load({}, orjson.dumps(dict.fromkeys(("default-shm-size", "event-retention-bytes"), size)))
    assert (settings.default_shm_size_bytes, settings.event_retention_bytes) == (1 << 20, 1 << 20)


@pytest.mark.parametrize(
    ("size", "problem"),
    [
        ("9" * 5000, "expected int, got string"),
        ("9" * 18 + "t", "number does not fit in 64 bits"),
        ("\u0661m", "expected int, got string"),  # a digit in another script
    ],
)
def test_a_size_that_no_kernel_has_is_refused(size: str, problem: str) -> None:
    assert problems({"default-shm-size": size}) == (f"default-shm-size: {problem}",)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    file = {"zoo": 1, "debug": "yes", "labels": ["x"], "mtu": -1, "hosts": [2], "data-root": "/a\0"}
    assert problems(file, {"mtu": -2}) == (
        "the following directives don't match any configuration option: zoo",
        "the following directives are specified both as a flag and in the configuration file: "
        "mtu: (from flag: -2, from file: -1)",
        "data-root: must not contain a NUL character",
        "debug: expected bool, got string",
        "hosts[0]: expected string, got int",
        "labels: bad attribute format: x",
        "mtu: invalid default MTU: -2",
    )


def test_what_could_not_be_read_is_not_held_against_other_keys() -> None:
    assert problems({"runtimes": [], "default-runtime": "x"}) == ("runtimes: expected object, got array",)
    assert problems({"tls": True, "tlscert": 1, "tlskey": "/k"}) == ("tlscert: expected string, got int",)


def test_a_problem_stays_on_its_line() -> None:
    (problem,) = problems({"default-runtime": "a\n\x1b[31mb"})
    assert problem == r"default-runtime: specified default runtime 'a\n\x1b[31mb' does not exist"


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (b"{debug: true}", "invalid JSON: "),
        (b"\xff\xfe", "invalid JSON: "),
        (b"[]", "invalid JSON: expected an object with configuration keys"),
        (b"null", "invalid JSON: expected an object with configuration keys"),
        (b'{"hosts": ' + b"[" * 900 + b'"x"' + b"]" * 900 + b"}", "invalid JSON: nested more than 32 levels"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(file: bytes, problem: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        load({"hosts": ["fd://"]}, file)
    (text,) = refused.value.problems
    assert text.startswith(problem)


def test_flags_that_are_not_text_are_refused() -> None:
    with pytest.raises(InvalidSettings) as refused:
        load({"data-root": "/\udcff", "hosts": ["unix:///\udcff"]}, None)
    assert refused.value.problems == ("data-root: must be UTF-8", "hosts[0]: must be UTF-8")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
NEAR_MISSES = st.sampled_from(sorted(EVERY_KEY)).flatmap(
    lambda key: st.tuples(st.just(key), JSON | st.sampled_from(list(EVERY_KEY.values())))
)
RUNTIMES = st.dictionaries(
    st.text(max_size=9),
    st.fixed_dictionaries(
        {},
        optional={
            "path": st.text(max_size=9),
            "runtimeArgs": st.lists(st.text()),
            "runtimeType": st.sampled_from(["", "io.containerd.runc.v2", "io.containerd.runsc.v1"]),
            "options": st.dictionaries(st.sampled_from(["BinaryName", "TypeUrl", "Root"]), JSON, max_size=2),
        },
    ),
    max_size=3,
)


def outcome(file: bytes) -> Settings | tuple[str, ...]:
    try:
        return load({}, file)
    except InvalidSettings as error:
        return error.problems


def taken_or_refused(file: bytes) -> None:
    result = outcome(file)
    if isinstance(result, Settings):
        written = to_config(result)
        assert parse_config(written, Settings) == result
        assert load({}, orjson.dumps(written)) == result
    else:
        assert result
        assert all(problem.isprintable() for problem in result)


@given(file=st.binary())
@example(file=b'{"default-shm-size": 1e400}')
@example(file=b'{"labels": ["\\ud800"]}')
def test_whatever_bytes_the_file_has_they_are_taken_or_refused(file: bytes) -> None:
    taken_or_refused(file)


@given(given=st.lists(NEAR_MISSES, max_size=4), more=st.dictionaries(st.text(max_size=9), JSON, max_size=1))
def test_whatever_the_file_says_is_taken_or_refused(
    given: list[tuple[str, Any]], more: dict[str, Any]
) -> None:
    # Python's, because orjson would not write what it has to read here: numbers beyond 64 bits.
    taken_or_refused(json.dumps({**more, **dict(given)}).encode())


@given(runtimes=RUNTIMES, default=st.text(max_size=9))
def test_whatever_runtimes_are_configured_they_are_taken_or_refused(
    runtimes: dict[str, Any], default: str
) -> None:
    taken_or_refused(json.dumps({"runtimes": runtimes, "default-runtime": default}).encode())
