"""Where plugins are found by their names: a socket, or a file that says where to connect.

A socket wins over a `.spec`, that over a `.json`, and an earlier directory over a later one.  Each may also
lie in a directory of the plugin's name.  Plugins are looked up when they are needed, so they may come late.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
import orjson

from daemon.errors import Failed, NotFound

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
SCHEMES: Final = ("unix", "tcp", "http", "https")
SPEC_LIMIT_BYTES: Final = 1 << 16


@attrs.frozen
class Directories:
    """Where to look."""

    sockets: Path = Path("/run/docker/plugins")
    specs: tuple[Path, ...] = (Path("/etc/docker/plugins"), Path("/usr/lib/docker/plugins"))

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Directories:
        """Return those of this host; without root's rights they are the user's."""
        if "ROOTLESSKIT_STATE_DIR" not in environment:
            return cls()
        home = Path(environment.get("HOME", "/root"))
        configuration = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
        return cls(specs=(configuration / "docker/plugins", home / ".local/lib/docker/plugins"))


@attrs.frozen
class Tls:
    """How to know a plugin that is somewhere else, and to be known by it."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    skips_verification: bool = False


@attrs.frozen
class Address:
    """Where a plugin listens: on a socket, or at a URL."""

    name: str
    socket: Path | None = None
    url: str = "http://plugin.moby.localhost"
    tls: Tls | None = None


def find(name: str, directories: Directories) -> Address:
    """Return where the plugin `name` listens; blocks.

    Raises:
        NotFound: there is no such plugin, or it could not have that name.
        Failed: what says where it listens cannot be understood.

    """
    if NAME.fullmatch(name):
        for path in _paths(directories.sockets, name, ".sock"):
            if _is_socket(path):
                return Address(name, path)
        for path in _specs(name, directories):
            if path.is_file():
                return _read(name, path)
    raise NotFound(f'plugin "{name}" not found')


def _specs(name: str, directories: Directories) -> Iterator[Path]:
    for directory in directories.specs:
        yield from _paths(directory, name, ".spec")
        yield from _paths(directory, name, ".json")


def _paths(directory: Path, name: str, suffix: str) -> tuple[Path, Path]:
    return directory / f"{name}{suffix}", directory / name / f"{name}{suffix}"


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _read(name: str, path: Path) -> Address:
    try:
        with path.open("rb") as file:
            content = file.read(SPEC_LIMIT_BYTES)
        if path.suffix == ".json":
            return _from_json(name, orjson.loads(content))
        return _address(name, content.decode().strip(), None)
    except (OSError, ValueError, TypeError) as error:
        raise Failed(f"plugin {name}: {path} does not say where it listens: {error}") from error


def _from_json(name: str, document: Any) -> Address:
    """Read a document of Docker's form; without a CA nobody can be verified, so nobody is."""
    if not isinstance(document, dict) or not isinstance(document.get("Addr"), str):
        raise TypeError("it has no Addr")
    stated = document.get("TLSConfig")
    return _address(name, document["Addr"], _tls(stated) if isinstance(stated, dict) else None)


def _tls(stated: Mapping[str, Any]) -> Tls:
    ca_file, cert_file, key_file = (stated.get(key) or "" for key in ("CAFile", "CertFile", "KeyFile"))
    if not all(isinstance(file, str) for file in (ca_file, cert_file, key_file)):
        raise TypeError("TLSConfig has files that are no text")
    return Tls(ca_file, cert_file, key_file, not ca_file or stated.get("InsecureSkipVerify") is True)


def _address(name: str, text: str, tls: Tls | None) -> Address:
    url = urlsplit(text)
    if url.scheme not in SCHEMES:
        raise ValueError(f"unknown protocol in {text!r}: use one of {', '.join(SCHEMES)}")
    if url.scheme == "unix":
        if not url.path.startswith("/") or url.netloc:
            raise ValueError(f"a unix socket needs an absolute path, got {text!r}")
        return Address(name, Path(url.path))
    if not url.hostname or url.port == 0:
        raise ValueError(f"{text!r} names no host")
    scheme = "https" if tls is not None or url.scheme == "https" else "http"
    return Address(name, None, f"{scheme}://{url.netloc}{url.path}".rstrip("/"), tls)
