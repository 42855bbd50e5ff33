"""The client through a proxy: a tunnel for TLS, whole URLs without."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme

from daemon.images import references
from daemon.images.registry.credentials import Credentials
from daemon.images.registry.errors import RegistryFailed
from daemon.images.registry.proxies import Proxies
from daemon.images.registry.registries import RemoteRegistries
from daemon.settings import Settings
from tests.registries.scripted import Scripted, serving
from tests.registries.shelf import Reply, Request, Shelf

pytestmark = pytest.mark.runtime
INDEX = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
NAME = references.parse("registry.test/app")
SETTINGS = Settings(insecure_registries=("registry.test",))


@contextlib.asynccontextmanager
async def tunnelling(target: Scripted, heads: list[bytes]) -> AsyncGenerator[int, None]:
    """Run a proxy that leads every tunnel to `target`; `heads` gets what each began with."""

    async def pipe(source: trio.abc.ReceiveStream, sink: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                await sink.send_all(data)
            await sink.send_eof()

    async def tunnel(client: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await client.receive_some(65536)
        heads.append(head)
        async with (
            await trio.open_tcp_stream("127.0.0.1", target.port) as server,
            trio.open_nursery() as both,
        ):
            await client.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            both.start_soon(pipe, client, server)
            both.start_soon(pipe, server, client)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, tunnel, 0, host="127.0.0.1"))
        try:
            yield listeners[0].socket.getsockname()[1]
        finally:
            nursery.cancel_scope.cancel("the test is over")


async def test_tls_goes_through_a_tunnel_that_is_told_no_password(certificates: Path) -> None:
    shelf, heads = Shelf(users={"me": "secret"}), list[bytes]()
    shelf.add_manifest("app", "1", INDEX)
    content = bytes(range(256)) * 20_000
    digest = shelf.add_blob("app", content)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("registry.test").configure_cert(context)
    async with serving(shelf, context) as scripted, tunnelling(scripted, heads) as port:
        proxies = Proxies(https=f"http://user:word@127.0.0.1:{port}")
        registries = RemoteRegistries(lambda: SETTINGS, certificates, proxies)
        async with registries.repository(NAME, Credentials("me", "secret")) as repository:
            await repository.manifest("1")
            async with repository.blob(digest) as blob:
                assert b"".join([chunk async for chunk in blob]) == content
    (head,) = heads
    assert head.startswith(b"CONNECT registry.test:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjp3b3Jk" in head
    assert b"\nauthorization" not in head.lower()


async def test_plain_http_is_asked_of_the_proxy_by_whole_urls(certificates: Path) -> None:
    shelf, asked = Shelf(), list[str]()
    shelf.add_manifest("app", "1", INDEX)

    def proxy(request: Request) -> Reply:
        asked.append(request.target)
        assert request.target.startswith("http://registry.test/")
        path = request.target.removeprefix("http://registry.test")
        return shelf(Request(request.method, path, request.headers, request.body))

    async with serving(proxy) as scripted:
        refusing = "http://127.0.0.1:1"  # nobody: so it has no TLS
        registries = RemoteRegistries(lambda: SETTINGS, certificates, Proxies(scripted.url, refusing))
        async with registries.repository(NAME, Credentials()) as repository:
            await repository.manifest("1")
    assert asked == ["http://registry.test/v2/", "http://registry.test/v2/app/manifests/1"]


async def test_a_proxy_that_is_not_there_is_to_blame_for_it(certificates: Path) -> None:
    proxies = Proxies(https="http://127.0.0.1:1")
    registries = RemoteRegistries(lambda: Settings(), certificates, proxies)
    refused = r"proxyconnect tcp: dial tcp 127\.0\.0\.1:1: connect: connection refused$"
    async with registries.repository(NAME, Credentials()) as repository:
        with pytest.raises(RegistryFailed, match=refused):
            await repository.manifest("1")
