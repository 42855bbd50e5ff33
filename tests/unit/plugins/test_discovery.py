from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import Failed, NotFound
from daemon.plugins.discovery import Address, Directories, Tls, find


@pytest.fixture
def places(tmp_path: Path) -> Directories:
    made = Directories(tmp_path / "run", (tmp_path / "etc", tmp_path / "usr"))
    for directory in (made.sockets, *made.specs):
        directory.mkdir()
    return made


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listen(stack: ExitStack, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    stack.enter_context(socket.socket(socket.AF_UNIX)).bind(str(path))
    return path


def write(path: Path, content: str | dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.mark.parametrize("name", ["x.sock", "x/x.sock"])
def test_a_socket_is_found_and_wins(places: Directories, stack: ExitStack, name: str) -> None:
    write(places.specs[0] / "x.spec", "unix:///other.sock")
    path = listen(stack, places.sockets / name)
    assert find("x", places) == Address("x", path)


def test_a_file_that_is_no_socket_does_not_count(places: Directories) -> None:
    write(places.sockets / "x.sock", "")
    write(places.specs[1] / "x.spec", "unix:///there.sock\n")
    assert find("x", places) == Address("x", Path("/there.sock"))


def test_spec_before_json_and_etc_before_usr(places: Directories) -> None:
    write(places.specs[1] / "x.spec", "unix:///usr-spec")
    assert find("x", places).socket == Path("/usr-spec")
    write(places.specs[0] / "x" / "x.json", {"Addr": "unix:///etc-json"})
    assert find("x", places).socket == Path("/etc-json")
    write(places.specs[0] / "x" / "x.spec", "unix:///etc-spec")
    assert find("x", places).socket == Path("/etc-spec")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("tcp://127.0.0.1:80", "http://127.0.0.1:80"),
        ("http://there:81/base/", "http://there:81/base"),
        ("https://there", "https://there"),
    ],
)
def test_urls(places: Directories, text: str, url: str) -> None:
    write(places.specs[0] / "x.spec", text)
    assert find("x", places) == Address("x", None, url)


@pytest.mark.parametrize(
    ("stated", "tls"),
    [
        ({}, Tls(skips_verification=True)),  # as nobody can be verified without a CA
        (
            {"CAFile": "/ca", "CertFile": "/cert", "KeyFile": "/key"},
            Tls("/ca", "/cert", "/key", skips_verification=False),
        ),
        ({"CAFile": "/ca", "InsecureSkipVerify": True}, Tls("/ca", skips_verification=True)),
    ],
)
def test_tls(places: Directories, stated: dict[str, Any], tls: Tls) -> None:
    write(places.specs[0] / "x.json", {"Name": "y", "Addr": "tcp://there:1", "TLSConfig": stated})
    assert find("x", places) == Address("x", None, "https://there:1", tls)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.spec", ""),
        ("x.spec", "there:1"),
        ("x.spec", "ftp://there"),
        ("x.spec", "unix://relative.sock"),
        ("x.spec", "tcp://"),
        ("x.spec", "tcp://there:port"),
        ("x.spec", "tcp://[::1"),
        ("x.json", ""),
        ("x.json", "[]"),
        ("x.json", '{"Addr": 3}'),
        ("x.json", '{"Addr": "tcp://there:1", "TLSConfig": {"CAFile": 3}}'),
    ],
)
def test_what_cannot_be_understood_is_named(places: Directories, name: str, content: str) -> None:
    write(places.specs[0] / name, content)
    with pytest.raises(Failed, match=f"plugin x: .*/{name} does not say where it listens"):
        find("x", places)


@pytest.mark.parametrize("name", ["missing", "", ".", "..", "../etc/x", "/etc/x", "a b", "x\n"])
def test_what_is_not_there_or_could_not_be(places: Directories, name: str) -> None:
    write(places.specs[0] / "x.spec", "unix:///there")
    with pytest.raises(NotFound, match="not found"):
        find(name, places)


def test_where_to_look() -> None:
    assert Directories.of({}).specs == (Path("/etc/docker/plugins"), Path("/usr/lib/docker/plugins"))
    rootless = {"ROOTLESSKIT_STATE_DIR": "/state", "HOME": "/home/me"}
    assert Directories.of(rootless).specs == (
        Path("/home/me/.config/docker/plugins"),
        Path("/home/me/.local/lib/docker/plugins"),
    )
    found = Directories.of({**rootless, "XDG_CONFIG_HOME": "/conf"})
    assert found.specs[0] == Path("/conf/docker/plugins")
