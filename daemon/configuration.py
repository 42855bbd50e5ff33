"""Makes `Settings` of daemon.json and flags, or says everything that is wrong with them.

`load` is pure: it reads no file and asks the host nothing, so that a reload can build and check a
complete new configuration before anything of the old one is touched.  Keys and messages are
dockerd's where dockerd has them, because people have such files and programs read its errors.

A key that this engine does not honour is refused, never passed over: a wish that is silently not
granted is found out at the worst time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from daemon.settings import Settings
from daemon.shapes import Mismatch
from daemon.wire import config_keys, parse_config

BUILT_IN_RUNTIMES: Final = ("crun", "runc")
SIZE: Final = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
SIZE_SHIFTS: Final = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
SOCKET_PATH_BYTES: Final = 107  # sockaddr_un
LOG_LEVELS: Final = ("debug", "info", "warn", "error", "fatal")
LOG_FORMATS: Final = ("text", "json")
IPC_MODES: Final = ("private", "shareable")
CGROUPNS_MODES: Final = ("", "private", "host")
ULIMITS: Final = frozenset(
    {
        *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc"),
        *("rss", "rtprio", "rttime", "sigpending", "stack"),
    }
)


class InvalidSettings(Exception):
    """The configuration cannot be used; `problems` says all that is wrong with it."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def load(flags: Mapping[str, Any], file: bytes | None) -> Settings:
    """Make settings of the flags given, under their daemon.json keys, and of the file's content.

    Raises:
        InvalidSettings: with every problem that could be found.

    """
    document = {} if file is None else _read(file)
    _refuse(*_unknown(document), *_given_twice(flags, document))
    try:
        settings = parse_config(_merge(flags, document), Settings)
    except Mismatch as error:
        raise InvalidSettings(*error.texts) from None
    _refuse(*(problem for check in CHECKS for problem in check(settings)))
    return settings


def _refuse(*problems: str) -> None:
    if problems:
        raise InvalidSettings(*problems)


def _read(file: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(file) if file.strip() else {}
    except orjson.JSONDecodeError as error:
        raise InvalidSettings(f"invalid JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidSettings("invalid JSON: expected an object with configuration keys")
    return document


def _unknown(document: Mapping[str, Any]) -> Iterator[str]:
    unknown = document.keys() - config_keys(Settings)
    if unknown:
        yield f"the following directives don't match any configuration option: {', '.join(sorted(unknown))}"


def _given_twice(flags: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    twice = sorted(flags.keys() & document.keys() - {"runtimes"})
    if twice:
        each = (
            f"{key}: (from flag: {_shown(flags[key])}, from file: {_shown(document[key])})" for key in twice
        )
        yield (
            "the following directives are specified both as a flag and in the configuration file: "
            + ", ".join(each)
        )


def _shown(value: Any) -> str:
    """Write a value as Go's %v does."""
    if isinstance(value, list | tuple):
        return f"[{' '.join(map(_shown, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _merge(flags: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Join what the file and the flags say; only runtimes can come from both."""
    merged = {**document, **flags}
    runtimes = document.get("runtimes", {})
    if isinstance(runtimes, dict):  # or else the check of types has something to say
        merged["runtimes"] = {**runtimes, **flags.get("runtimes", {})}
    size = SIZE.fullmatch(str(merged.get("default-shm-size", "")))
    if size is not None:  # a number or, as dockerd wants it, a text with a unit
        merged["default-shm-size"] = int(size[1]) << SIZE_SHIFTS[size[2].lower()]
    return merged


def _check_hosts(settings: Settings) -> Iterator[str]:
    for i, host in enumerate(settings.hosts):
        if problem := _host_problem(host):
            yield f"hosts[{i}]: {host!r}: {problem}"


def _host_problem(host: str) -> str | None:
    try:
        url = urlsplit(host)
        port = url.port
    except ValueError as error:
        return str(error)
    if url.scheme == "unix":
        path = host.removeprefix("unix://")
        if not path.startswith("/"):
            return "a unix socket needs an absolute path, as in unix:///run/longshore/longshore.sock"
        if len(path.encode()) > SOCKET_PATH_BYTES:
            return f"a unix socket's path must not be longer than {SOCKET_PATH_BYTES} bytes"
        return None
    if url.scheme == "tcp":
        return None if port is not None else "a tcp address needs a port, as in tcp://127.0.0.1:2375"
    return None if url.scheme == "fd" else "use unix://PATH, tcp://HOST:PORT or fd://"


def _check_paths(settings: Settings) -> Iterator[str]:
    paths = {
        "data-root": settings.data_root,
        "exec-root": settings.exec_root,
        "pidfile": settings.pidfile,
        "tlscacert": settings.tls_ca_cert,
        "tlscert": settings.tls_cert,
        "tlskey": settings.tls_key,
    }
    for key, path in paths.items():
        if path is not None and not path.is_absolute():
            yield f"{key}: must be an absolute path, got {str(path)!r}"
    if settings.data_root == settings.exec_root:
        yield "exec-root: must be another directory than data-root"


def _check_choices(settings: Settings) -> Iterator[str]:
    choices = {
        "log-level": (settings.log_level, LOG_LEVELS),
        "log-format": (settings.log_format, LOG_FORMATS),
        "default-ipc-mode": (settings.default_ipc_mode, IPC_MODES),
        "default-cgroupns-mode": (settings.default_cgroupns_mode, CGROUPNS_MODES),
    }
    for key, (value, allowed) in choices.items():
        if value not in allowed:
            yield f"{key}: invalid value {value!r}: use one of {', '.join(filter(None, allowed))}"


def _check_numbers(settings: Settings) -> Iterator[str]:
    lowest = {
        "shutdown-timeout": (settings.shutdown_timeout_seconds, 0),
        "default-stop-timeout": (settings.default_stop_timeout_seconds, 0),
        "default-shm-size": (settings.default_shm_size_bytes, 1),
    }
    for key, (value, least) in lowest.items():
        if value < least:
            yield f"{key}: must be at least {least}, got {value}"


def _check_labels(settings: Settings) -> Iterator[str]:
    seen: dict[str, str] = {}
    for label in settings.labels:
        key, equals, value = label.partition("=")
        if not key or not equals:
            yield f"labels: bad attribute format: {label}"
        elif seen.setdefault(key, value) != value:
            yield f"labels: conflict labels for {key}={value} and {key}={seen[key]}"


def _check_runtimes(settings: Settings) -> Iterator[str]:
    for name, runtime in settings.runtimes.items():
        if name == "runc":
            yield "runtimes: runtime name 'runc' is reserved"
        if runtime.runtime_type or runtime.options is not None:
            yield f"runtimes.{name}: runtimeType and options are not supported: give a path"
        elif not runtime.path:
            yield f"runtimes: runtime {name}: either a runtimeType or a path must be configured"
        if runtime.runtime_args:
            yield (
                f"runtimes.{name}.runtimeArgs: not supported yet: put the arguments into a script "
                'that ends with `exec RUNTIME ARGUMENTS "$@"`, and give its path'
            )
    known = {"", *BUILT_IN_RUNTIMES, *settings.runtimes}
    if settings.default_runtime not in known:
        yield f"default-runtime: specified default runtime '{settings.default_runtime}' does not exist"


def _check_ulimits(settings: Settings) -> Iterator[str]:
    for key, limit in settings.default_ulimits.items():
        if limit.name != key:
            yield f"default-ulimits.{key}.Name: must be {key!r}, got {limit.name!r}"
        if key not in ULIMITS:
            yield f"default-ulimits.{key}: invalid ulimit type: {key}"
        if limit.hard != -1 and not -1 < limit.soft <= limit.hard:
            yield f"default-ulimits.{key}: soft limit {limit.soft} is above the hard limit {limit.hard}"


def _check_tls(settings: Settings) -> Iterator[str]:
    on = settings.tls or settings.tls_verify
    if on and None in {settings.tls_cert, settings.tls_key}:
        yield "tls: needs tlscert and tlskey"
    if settings.tls_verify and settings.tls_ca_cert is None:
        yield "tlsverify: needs tlscacert, to know whose certificates to trust"


def _check_seccomp(settings: Settings) -> Iterator[str]:
    profile = settings.seccomp_profile
    if profile not in {"", "builtin", "unconfined"} and not profile.startswith("/"):
        yield f"seccomp-profile: use builtin, unconfined or an absolute path, got {profile!r}"


CHECKS: Final = (
    _check_hosts,
    _check_paths,
    _check_choices,
    _check_numbers,
    _check_labels,
    _check_runtimes,
    _check_ulimits,
    _check_tls,
    _check_seccomp,
)
