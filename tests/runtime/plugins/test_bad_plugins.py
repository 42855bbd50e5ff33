"""Plugins that hang, lie or die: each is an error that says so, and soon."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from daemon.errors import Failed, NotFound
from daemon.graphdrivers.layers import Layers
from daemon.graphdrivers.plugin import SERVICE, PluginDriver
from daemon.plugins.client import NotImplementedByPlugin, Patience, Plugin, reach
from daemon.plugins.discovery import Address, Directories

pytestmark = pytest.mark.runtime
Behaviour = Callable[[trio.SocketStream, bytes], Awaitable[None]]
Receiver = Callable[[trio.SocketStream], Awaitable[bytes]]
SHORT = Patience(connecting=0, answer=0.3, silence=0.3)
LONG = Patience(connecting=0, answer=10, silence=10)  # on a busy machine an answer may take its time


def says(body: bytes, status: str = "200 OK", length: int | None = None) -> Behaviour:
    """Return the behaviour of a plugin that gives one answer."""
    size = len(body) if length is None else length

    async def behave(stream: trio.SocketStream, _: bytes) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
        await stream.send_all(head.encode() + body)

    return behave


async def hangs(stream: trio.SocketStream, _: bytes) -> None:
    await trio.sleep_forever()


async def dies(stream: trio.SocketStream, _: bytes) -> None:
    await stream.aclose()


async def received(stream: trio.SocketStream) -> bytes:
    """Return a request, whole if it says how long it is."""
    request = bytearray()
    while chunk := await stream.receive_some(1 << 20):
        request += chunk
        head, ended, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if ended and len(body) >= (int(length[1]) if length else 0):
            break
    return bytes(request)


async def first_byte(stream: trio.SocketStream) -> bytes:
    """Leave the rest unread: who still writes or reads is told of a reset, once, and then of an end."""
    return await stream.receive_some(1)


async def goes_on_for_ever(stream: trio.SocketStream, _: bytes) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await stream.send_all(b"100000\r\n" + b" " * 0x100000 + b"\r\n")


async def breaks_off_a_tar(stream: trio.SocketStream, _: bytes) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")


async def falls_silent(stream: trio.SocketStream, _: bytes) -> None:
    await breaks_off_a_tar(stream, b"")
    await trio.sleep_forever()


ENDLESS = (hangs, goes_on_for_ever, falls_silent)  # only time ends a conversation with these


@contextlib.asynccontextmanager
async def plugin(
    tmp_path: Path, behave: Behaviour, receive: Receiver = received
) -> AsyncGenerator[Plugin, None]:
    """Lend a plugin that behaves like this, whatever it is asked."""
    listener = trio.socket.socket(trio.socket.AF_UNIX)
    await listener.bind(str(tmp_path / "bad.sock"))
    listener.listen(5)

    async def serve(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with stream:
                if request := await receive(stream):
                    await behave(stream, request)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [trio.SocketListener(listener)])
        made = Plugin(Address("bad", tmp_path / "bad.sock"), SHORT if behave in ENDLESS else LONG)
        try:
            yield made
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await made.close()


BAD: dict[str, tuple[Behaviour, str]] = {
    "it hangs": (hangs, "has stopped answering|no answer within 0.3 seconds"),
    "it dies": (dies, "plugin bad: GraphDriver.Get: .*disconnected"),
    "no JSON": (says(b"<html>"), "plugin bad: GraphDriver.Get: the answer is not JSON"),
    "no object": (says(b"[1]"), "plugin bad: GraphDriver.Get: the answer is no JSON object"),
    "no HTTP": (lambda stream, _: stream.send_all(b"hello\r\n\r\n"), "plugin bad: GraphDriver.Get: "),
    "half an answer": (says(b'{"Dir": "/', length=100), "plugin bad: GraphDriver.Get: "),
    "without end": (goes_on_for_ever, "has more than 67108864 bytes|no answer within"),
    "an error": (says(b'{"Err": "no space"}'), "plugin bad: GraphDriver.Get: no space$"),
    "a status": (says(b'{"Err": "no"}', "500 No"), "plugin bad: GraphDriver.Get: no$"),
    "a text": (says(b"go away\n", "403 Forbidden"), "plugin bad: GraphDriver.Get: go away$"),
    "nothing": (says(b"", "502 Bad"), "plugin bad: GraphDriver.Get: status 502$"),
    "no Dir": (says(b"{}"), "GraphDriver.Get: expected str, got None"),
    "a relative Dir": (says(b'{"Dir": "tmp"}'), "Dir 'tmp' is no absolute path"),
    "a climbing Dir": (says(b'{"Dir": "/tmp/../etc"}'), "Dir '/tmp/../etc' is no absolute path"),
    "no such Dir": (says(b'{"Dir": "/nowhere"}'), "Dir '/nowhere' is no directory"),
    "a file": (says(b'{"Dir": "/etc/passwd"}'), "Dir '/etc/passwd' is no directory"),
    "the host": (says(b'{"Dir": "/"}'), "Dir '/' has the engine's own files in it"),
}


@pytest.mark.parametrize(("behave", "text"), BAD.values(), ids=BAD)
async def test_a_call_fails_with_a_text(tmp_path: Path, behave: Behaviour, text: str) -> None:
    with trio.fail_after(60):
        async with plugin(tmp_path, behave) as bad:
            driver = PluginDriver(bad, tmp_path / "home")
            with pytest.raises(Failed, match=text):
                await driver.get("layer")


async def test_a_plugin_that_dies_before_it_has_read_a_request(tmp_path: Path) -> None:
    async with plugin(tmp_path, dies, first_byte) as bad:
        with trio.fail_after(60), pytest.raises(Failed, match=r"Get: .*(reset by peer|disconnected)"):
            await PluginDriver(bad, tmp_path / "home").get("layer")


@pytest.mark.parametrize(
    ("answer", "call"),
    [
        (b'{"Status": [["a"]]}', "status"),
        (b'{"Status": ["ab"]}', "status"),
        (b'{"Status": [3]}', "status"),
        (b'{"Status": {}}', "status"),
        (b'{"Metadata": []}', "metadata"),
        (b'{"Exists": 1}', "exists"),
        (b'{"Changes": [{"Path": "/x", "Kind": 9}]}', "changes"),
        (b'{"Changes": [{"Path": 1, "Kind": 0}]}', "changes"),
        (b'{"Changes": ["x"]}', "changes"),
        (b'{"Size": "3"}', "diff_size"),
        (b'{"Size": true}', "diff_size"),
        (b'{"Size": -1}', "diff_size"),
        (b'{"Size": 18446744073709551615}', "diff_size"),
    ],
)
async def test_an_answer_of_another_form_is_an_error(tmp_path: Path, answer: bytes, call: str) -> None:
    async with plugin(tmp_path, says(answer)) as bad:
        driver = PluginDriver(bad, tmp_path / "home")
        arguments = {"status": (), "changes": ("layer", ""), "diff_size": ("layer", "")}.get(call, ("layer",))
        with pytest.raises(Failed, match="plugin bad: GraphDriver"):
            await getattr(driver, call)(*arguments)


@pytest.mark.parametrize("behave", [breaks_off_a_tar, falls_silent, hangs, says(b"no", "500 No")])
async def test_a_tar_that_breaks_off_is_an_error(tmp_path: Path, behave: Behaviour) -> None:
    async with plugin(tmp_path, behave) as bad:
        driver = PluginDriver(bad, tmp_path / "home")
        with pytest.raises(Failed, match=r"plugin bad: GraphDriver.Diff: "):
            await read(driver)


async def read(driver: PluginDriver) -> None:
    async with driver.diff("layer", "") as chunks:
        async for _ in chunks:
            pass


async def test_a_tar_need_not_be_read_to_its_end(tmp_path: Path) -> None:
    async with (
        plugin(tmp_path, goes_on_for_ever) as bad,
        PluginDriver(bad, tmp_path / "home").diff("layer", "") as chunks,
    ):
        assert await anext(aiter(chunks))


class Endless:
    """A tar without end; no generator, for nobody reads it to its end."""

    def __aiter__(self) -> Endless:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        return bytes(1 << 20)


async def test_a_plugin_that_does_not_take_a_tar(tmp_path: Path) -> None:
    async with plugin(tmp_path, hangs) as bad:
        driver = PluginDriver(bad, tmp_path / "home")
        with trio.fail_after(60), pytest.raises(Failed, match="ApplyDiff: it has stopped answering"):
            await driver.apply_diff("layer", "", Endless())


async def test_a_refusal_in_the_middle_of_a_tar_is_what_is_told(tmp_path: Path) -> None:
    async with plugin(tmp_path, says(b'{"Err": "no such layer"}', "500 No")) as bad:
        driver = PluginDriver(bad, tmp_path / "home")
        with trio.fail_after(60), pytest.raises(Failed, match="ApplyDiff: "):
            await driver.apply_diff("layer", "", Endless())


async def test_nothing_is_half_applied(tmp_path: Path) -> None:
    """A plugin that dies while it fills a layer leaves none, and the next start asks for its removal."""
    asked: list[str] = []

    async def behave(stream: trio.SocketStream, request: bytes) -> None:
        method = request.split(b" ")[1].decode().partition("?")[0].rpartition(".")[2]
        asked.append(method)
        if method == "ApplyDiff":
            return
        await says(b'{"Exists": %s}' % (b"true" if "Create" in asked else b"false"))(stream, request)

    blob = tmp_path / "blob"
    blob.write_bytes(bytes(10240))
    async with plugin(tmp_path, behave) as bad:
        driver = PluginDriver(bad, tmp_path / "home")
        driver.notes.prepare()
        layers = Layers(driver)
        await layers.open()
        with pytest.raises(Failed, match="ApplyDiff"):
            await layers.add("sha256:" + "1" * 64, None, blob, lambda _: None)
        assert "sha256:" + "1" * 64 not in layers
        asked.append("then")
        later = Layers(driver)
        await later.open()
        await later.sweep()
        assert "Remove" in asked[asked.index("then") :]
        assert list((tmp_path / "home" / "index").iterdir()) == []


async def test_a_plugin_of_another_kind_is_refused(tmp_path: Path) -> None:
    text = 'requested driver: plugin="bad", requested implementation="GraphDriver"'
    for answer in (b'{"Implements": ["VolumeDriver"]}', b"{}", b'{"Implements": "GraphDriver"}'):
        (tmp_path / "bad.sock").unlink(missing_ok=True)
        async with plugin(tmp_path, says(answer)):
            with pytest.raises(Failed, match=text):
                await reach("bad", SERVICE, Directories(tmp_path, ()), SHORT)


async def test_a_method_that_is_missing_can_be_told_from_one_that_fails(tmp_path: Path) -> None:
    async with plugin(tmp_path, says(b"404 page not found", "404 Not Found")) as bad:
        with pytest.raises(NotImplementedByPlugin, match=r"does not have GraphDriver.Capabilities"):
            await bad.call("GraphDriver.Capabilities")


async def test_a_plugin_may_come_late(tmp_path: Path, nursery: trio.Nursery) -> None:
    done = trio.Event()

    async def look() -> None:
        await (await reach("bad", SERVICE, Directories(tmp_path, ()), Patience(connecting=10))).close()
        done.set()

    nursery.start_soon(look)
    await trio.testing.wait_all_tasks_blocked()
    async with plugin(tmp_path, says(b'{"Implements": ["GraphDriver"]}')):
        with trio.fail_after(60):
            await done.wait()


async def test_a_plugin_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match='plugin "bad" not found'):
        await reach("bad", SERVICE, Directories(tmp_path, ()), SHORT)
    dead = trio.socket.socket(trio.socket.AF_UNIX)
    await dead.bind(str(tmp_path / "bad.sock"))
    dead.close()
    with pytest.raises(NotFound, match=r'plugin "bad" not found: .*refused'):
        await reach("bad", SERVICE, Directories(tmp_path, ()), SHORT)


def test_how_long_it_is_tried() -> None:
    assert list(Patience().pauses()) == [1, 2, 4, 8]
