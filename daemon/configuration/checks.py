"""What values of the right type are still wrong: each key's own rule, and rules that join several.

All is data: a table says which check each key has, another which checks read more than one key.  So a
key that could not even be read leaves out exactly the checks that would have read it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from daemon import logoptions
from daemon.configuration.bridge_checks import (
    BRIDGE_KEYS,
    check_bridge,
    check_network_options,
)
from daemon.configuration.keys import value_of
from daemon.configuration.network_checks import (
    address_problem,
    cidr_problem,
    dns_option_problem,
    domain_problem,
    insecure_registry_problem,
    link_problem,
    mirror_problem,
    pool_problem,
)
from daemon.configuration.runtime_checks import check_runtimes
from daemon.configuration.storage_checks import check_storage, driver_problem
from daemon.settings import DefaultUlimit, Settings

ProblemOf = Callable[[Any], str | None]
Check = Callable[[Any], Iterator[str]]  # yields what is to follow the key: a place within it and a text
JointCheck = Callable[[Settings], Iterator[str]]

SOCKET_PATH_BYTES: Final = 107  # sockaddr_un
ULIMITS: Final = frozenset(
    {
        *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc"),
        *("rss", "rtprio", "rttime", "sigpending", "stack"),
    }
)


def problems_in(settings: Settings, *, but: Set[str]) -> Iterator[str]:
    """Name everything that is wrong with the settings, leaving out what depends on the keys in `but`."""
    for key, check in ALONE.items():
        if key not in but:
            yield from (f"{key}{problem}" for problem in check(value_of(settings, key)))
    for read_keys, joint_check in TOGETHER.items():
        if but.isdisjoint(read_keys):
            yield from joint_check(settings)


def _whole(problem_of: ProblemOf) -> Check:
    def check(value: Any) -> Iterator[str]:
        if problem := problem_of(value):
            yield f": {problem}"

    return check


def _each(problem_of: ProblemOf) -> Check:
    def check(values: Any) -> Iterator[str]:
        for i, value in enumerate(values):
            if problem := problem_of(value):
                yield f"[{i}]: {problem}"

    return check


def _unless_empty(problem_of: ProblemOf) -> ProblemOf:
    return lambda value: problem_of(value) if value else None


def _one_of(*allowed: str) -> Check:
    shown = ", ".join(filter(None, allowed))
    return _whole(lambda value: None if value in allowed else f"invalid value {value!r}: use one of {shown}")


def _at_least(least: int, text: str = "") -> Check:
    refusal = text or f"must be at least {least}, got"
    return _whole(lambda value: f"{refusal} {value}" if value < least else None)


def _path_problem(path: Path | None) -> str | None:
    return f"must be an absolute path, got {str(path)!r}" if path and not path.is_absolute() else None


def _host_problem(host: str) -> str | None:
    problem = _address_problem(host)
    return problem and f"{host!r}: {problem}"


def _address_problem(host: str) -> str | None:
    try:
        url = urlsplit(host)
        port = url.port
    except ValueError as error:
        return str(error)
    if url.scheme == "unix":
        path = host.removeprefix("unix://")
        if not path.startswith("/"):
            return "a unix socket needs an absolute path, as in unix:///run/longshore/longshore.sock"
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
            return f"a unix socket's path must not be longer than {SOCKET_PATH_BYTES} bytes"
        return None
    if url.scheme == "tcp":
        return None if port is not None else "a tcp address needs a port, as in tcp://127.0.0.1:2375"
    return None if url.scheme == "fd" else "use unix://PATH, tcp://HOST:PORT or fd://"


def _check_labels(labels: tuple[str, ...]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for label in labels:
        key, equals, value = label.partition("=")
        if not key or not equals:
            yield f": bad attribute format: {label}"
        elif seen.setdefault(key, value) != value:
            yield f": conflict labels for {key}={value} and {key}={seen[key]}"


def _check_ulimits(limits: Mapping[str, DefaultUlimit]) -> Iterator[str]:
    for key, limit in limits.items():
        if limit.name != key:
            yield f".{key}.Name: must be {key!r}, got {limit.name!r}"
        if key not in ULIMITS:
            yield f".{key}: invalid ulimit type: {key}"
        if limit.hard != -1 and not -1 < limit.soft <= limit.hard:
            yield f".{key}: soft limit {limit.soft} is above the hard limit {limit.hard}"


def _seccomp_problem(profile: str) -> str | None:
    known = profile in {"", "builtin", "unconfined"} or profile.startswith("/")
    return None if known else f"use builtin, unconfined or an absolute path, got {profile!r}"


def _check_roots(settings: Settings) -> Iterator[str]:
    if settings.data_root == settings.exec_root:
        yield "exec-root: must be another directory than data-root"


def _check_tls(settings: Settings) -> Iterator[str]:
    on = settings.tls or settings.tls_verify
    if on and None in {settings.tls_cert, settings.tls_key}:
        yield "tls: needs tlscert and tlskey"
    if settings.tls_verify and settings.tls_ca_cert is None:
        yield "tlsverify: needs tlscacert, to know whose certificates to trust"


def _log_driver_problem(driver: str) -> str | None:
    return next(iter(logoptions.problems(driver, {})), None)


def _check_log_options(settings: Settings) -> Iterator[str]:
    if _log_driver_problem(settings.log_driver) is None:  # or else the options mean nothing
        problems = logoptions.problems(settings.log_driver, settings.log_opts)
        yield from (f"log-opts: {problem}" for problem in problems)


ALONE: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "hosts": _each(_host_problem),
        "data-root": _whole(_path_problem),
        "exec-root": _whole(_path_problem),
        "pidfile": _whole(_path_problem),
        "storage-driver": _whole(driver_problem),
        "log-level": _one_of("debug", "info", "warn", "error", "fatal"),
        "log-format": _one_of("text", "json"),
        "labels": _check_labels,
        "shutdown-timeout": _at_least(0),
        "event-retention-days": _at_least(1),
        "event-retention-count": _at_least(1),
        "event-retention-bytes": _at_least(0),
        "default-stop-timeout": _at_least(0),
        "default-shm-size": _at_least(1),
        "default-ipc-mode": _one_of("private", "shareable"),
        "default-cgroupns-mode": _one_of("", "private", "host"),
        "default-ulimits": _check_ulimits,
        "log-driver": _whole(_log_driver_problem),
        "dns": _each(address_problem),
        "dns-search": _each(domain_problem),
        "dns-opts": _each(dns_option_problem),
        "seccomp-profile": _whole(_seccomp_problem),
        "registry-mirrors": _each(mirror_problem),
        "insecure-registries": _each(insecure_registry_problem),
        "max-concurrent-downloads": _at_least(0, "invalid max concurrent downloads:"),
        "max-concurrent-uploads": _at_least(0, "invalid max concurrent uploads:"),
        "max-download-attempts": _at_least(0, "invalid max download attempts:"),
        "bridge": _whole(link_problem),
        "bip": _whole(_unless_empty(cidr_problem)),
        "fixed-cidr": _whole(_unless_empty(cidr_problem)),
        "default-gateway": _whole(_unless_empty(address_problem)),
        "fixed-cidr-v6": _whole(_unless_empty(cidr_problem)),
        "default-gateway-v6": _whole(_unless_empty(address_problem)),
        "ip": _whole(_unless_empty(address_problem)),
        "mtu": _at_least(0, "invalid default MTU:"),
        "default-address-pools": _each(pool_problem),
        "default-network-opts": check_network_options,
        "tlscacert": _whole(_path_problem),
        "tlscert": _whole(_path_problem),
        "tlskey": _whole(_path_problem),
    }
)
TOGETHER: Final[Mapping[tuple[str, ...], JointCheck]] = MappingProxyType(
    {
        ("data-root", "exec-root"): _check_roots,
        ("runtimes", "default-runtime"): check_runtimes,
        ("storage-driver", "storage-opts"): check_storage,
        ("log-driver", "log-opts"): _check_log_options,
        BRIDGE_KEYS: check_bridge,
        ("tls", "tlsverify", "tlscacert", "tlscert", "tlskey"): _check_tls,
    }
)
