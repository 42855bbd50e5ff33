"""Whoever speaks to a driver that is served: ids are no paths, and nonsense does not end the plugin."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio

from daemon.graphdrivers.serving import serve
from daemon.graphdrivers.vfs import VfsDriver
from daemon.plugins.discovery import Directories

pytestmark = pytest.mark.runtime


@pytest.fixture
async def socket(tmp_path: Path) -> AsyncIterator[Path]:
    directories = Directories(tmp_path / "plugins", (tmp_path / "specs",))
    async with serve(lambda home, _: VfsDriver(home), "served", directories) as socket:
        assert (await call(socket, "Init", Home=str(tmp_path / "home"))).startswith(b"HTTP/1.1 200 ")
        yield socket


async def say(socket: Path, request: bytes) -> bytes:
    """Send what no client would, and return all that comes back."""
    answer = b""
    with trio.fail_after(60):
        async with await trio.open_unix_socket(str(socket)) as stream:
            await stream.send_all(request)
            await stream.send_eof()
            async for chunk in stream:
                answer += chunk
    return answer


async def call(socket: Path, method: str, query: str = "", **arguments: Any) -> bytes:
    body = orjson.dumps(arguments)
    head = f"POST /GraphDriver.{method}{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return await say(socket, head.encode() + body)


@pytest.mark.parametrize("name", ["../../secret", "..", ".", "/etc", "a/b", "a\0b"])
async def test_neither_an_id_nor_a_parent_is_a_path(socket: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").touch()
    for method in ("Create", "CreateReadWrite", "Diff", "Changes", "DiffSize"):
        for arguments in ({"ID": "layer", "Parent": name}, {"ID": name, "Parent": ""}):
            answer = await call(socket, method, **arguments)
            assert answer.startswith(b"HTTP/1.1 400 "), answer
            assert b"invalid ID" in answer
    assert b"invalid ID" in await call(socket, "ApplyDiff", f"?id=layer&parent={name}".replace("\0", "%00"))
    assert [path.name for path in (tmp_path / "home/dir").iterdir()] == []
    assert (tmp_path / "secret/file").exists()


@pytest.mark.parametrize("request_", [b"POST //[ HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 100, b"POST"])
async def test_nonsense_does_not_end_the_plugin(socket: Path, request_: bytes) -> None:
    await say(socket, request_)
    assert (await call(socket, "Exists", ID="layer")).endswith(b'{"Exists":false}\n')
