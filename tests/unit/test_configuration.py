"""daemon.json and flags become settings, or every problem is named."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.configuration import InvalidSettings, load
from daemon.settings import ConfiguredRuntime, DefaultUlimit, Settings
from daemon.wire import config_keys


def problems(file: object, flags: dict[str, Any] | None = None) -> tuple[str, ...]:
    with pytest.raises(InvalidSettings) as refused:
        load(flags or {}, orjson.dumps(file))
    return refused.value.problems


@pytest.mark.parametrize("file", [None, b"", b"  \n", b"{}"])
def test_nothing_said_is_the_defaults(file: bytes | None) -> None:
    assert load({}, file) == Settings()


def test_every_documented_key_is_taken() -> None:
    settings = load(
        {},
        orjson.dumps(
            {
                "hosts": ["unix:///run/a.sock", "tcp://127.0.0.1:2375", "tcp://[::1]:1", "fd://"],
                "data-root": "/d",
                "exec-root": "/e",
                "pidfile": "/p",
                "debug": True,
                "log-level": "warn",
                "log-format": "json",
                "labels": ["a=b", "c="],
                "runtimes": {"slow": {"path": "/usr/bin/runc"}},
                "default-runtime": "slow",
                "shutdown-timeout": 3,
                "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 20, "Soft": 10}},
                "default-shm-size": "128M",
                "default-ipc-mode": "shareable",
                "default-cgroupns-mode": "host",
                "default-stop-timeout": 4,
                "cgroup-parent": "/mine",
                "tls": True,
                "tlsverify": True,
                "tlscacert": "/ca",
                "tlscert": "/cert",
                "tlskey": "/key",
                "seccomp-profile": "unconfined",
            }
        ),
    )
    assert settings.runtimes == {"slow": ConfiguredRuntime("/usr/bin/runc")}
    assert settings.default_ulimits == {"nofile": DefaultUlimit("nofile", soft=10, hard=20)}
    assert settings.default_shm_size_bytes == 128 << 20
    assert (settings.shutdown_timeout_seconds, settings.default_stop_timeout_seconds) == (3, 4)
    assert (settings.tls, settings.tls_verify, settings.default_cgroupns_mode) == (True, True, "host")


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


def test_runtimes_of_flags_and_file_are_merged() -> None:
    settings = load({"runtimes": {"b": {"path": "/b"}}}, b'{"runtimes": {"a": {"path": "/a"}}}')
    assert {name: runtime.path for name, runtime in settings.runtimes.items()} == {"a": "/a", "b": "/b"}


@pytest.mark.parametrize("size", [1048576, "1048576", "1m", "1M", "1MB", "1MiB", "1024k"])
def test_a_size_is_a_number_or_has_a_unit(size: object) -> None:
    assert load({}, orjson.dumps({"default-shm-size": size})).default_shm_size_bytes == 1 << 20


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ({"debug": "yes"}, "debug: expected bool, got string"),
        ({"hosts": "unix:///x"}, "hosts: expected array, got string"),
        ({"hosts": [1]}, "hosts[0]: expected string, got int"),
        ({"hosts": ["ftp://x"]}, "hosts[0]: 'ftp://x': use unix://PATH, tcp://HOST:PORT or fd://"),
        (
            {"hosts": ["tcp://x"]},
            "hosts[0]: 'tcp://x': a tcp address needs a port, as in tcp://127.0.0.1:2375",
        ),
        ({"log-level": "x"}, "log-level: invalid value 'x': use one of debug, info, warn, error, fatal"),
        ({"log-format": "xml"}, "log-format: invalid value 'xml': use one of text, json"),
        ({"data-root": "here"}, "data-root: must be an absolute path, got 'here'"),
        ({"data-root": "/run/longshore"}, "exec-root: must be another directory than data-root"),
        ({"labels": ["x"]}, "labels: bad attribute format: x"),
        ({"labels": ["a=1", "a=2"]}, "labels: conflict labels for a=2 and a=1"),
        ({"runtimes": []}, "runtimes: expected object, got array"),
        ({"runtimes": {"runc": {"path": "/x"}}}, "runtimes: runtime name 'runc' is reserved"),
        ({"runtimes": {"x": {}}}, "runtimes: runtime x: either a runtimeType or a path must be configured"),
        ({"runtimes": {"x": {"paht": "/x"}}}, "runtimes.x.paht: unknown key"),
        (
            {"runtimes": {"x": {"options": {}}}},
            "runtimes.x: runtimeType and options are not supported: give a path",
        ),
        ({"default-runtime": "x"}, "default-runtime: specified default runtime 'x' does not exist"),
        ({"shutdown-timeout": -1}, "shutdown-timeout: must be at least 0, got -1"),
        ({"default-shm-size": "lots"}, "default-shm-size: expected int, got string"),
        ({"default-shm-size": 0}, "default-shm-size: must be at least 1, got 0"),
        ({"tls": True}, "tls: needs tlscert and tlskey"),
        ({"tlsverify": True}, "tlsverify: needs tlscacert, to know whose certificates to trust"),
        ({"seccomp-profile": "x"}, "seccomp-profile: use builtin, unconfined or an absolute path, got 'x'"),
        ([], "invalid JSON: expected an object with configuration keys"),
    ],
)
def test_a_problem_is_named_with_its_place(file: object, problem: str) -> None:
    assert problem in problems(file)


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


def test_runtime_arguments_are_refused_with_what_to_do_instead() -> None:
    (problem,) = problems({"runtimes": {"x": {"path": "/x", "runtimeArgs": ["--debug"]}}})
    assert problem.startswith("runtimes.x.runtimeArgs: not supported yet: put the arguments into a script")


def test_a_socket_path_longer_than_the_kernel_takes_is_refused() -> None:
    assert load({}, orjson.dumps({"hosts": ["unix:///" + "a" * 106]}))
    assert "must not be longer than 107 bytes" in problems({"hosts": ["unix:///" + "a" * 107]})[0]


def test_all_problems_are_told_at_once() -> None:
    assert len(problems({"log-level": "x", "labels": ["y"], "default-runtime": "z"})) == 3


def test_text_that_is_not_json_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="invalid JSON: "):
        load({}, b"{debug: true}")


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text()
    | st.lists(st.text() | st.integers(0, 9))
    | st.dictionaries(st.text(), st.text() | st.dictionaries(st.text(), st.text()))
)


@given(document=st.dictionaries(st.sampled_from(sorted(config_keys(Settings))), VALUES))
def test_whatever_the_file_says_is_taken_or_refused(document: dict[str, Any]) -> None:
    file = orjson.dumps(document)
    try:
        settings = load({}, file)
    except InvalidSettings as error:
        refused = error.problems
        settings = None
    else:
        refused = ()
    assert (settings is None) == bool(refused)
