"""Debian's docker-registry: filled by us alone, then serving on loopback of an engine's namespace.

What it stores is one directory, which every engine's registry serves; who pulls does not change it.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets
import socket
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from isal import isal_zlib

from benchmarks.client import EngineAnswered
from benchmarks.engines import required
from benchmarks.madeimages import MadeLayer, config
from benchmarks.netspace import NetSpace
from benchmarks.service import Service

ADDRESS: Final = "127.0.0.1:5000"
READY_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.02
CHUNK_BYTES: Final = 1 << 20
LEVEL: Final = 3
"""Of isal, which is about what gzip's 6 makes."""
WINDOW_OF_GZIP: Final = 31
MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG: Final = "application/vnd.docker.container.image.v1+json"
LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@contextmanager
def filling(directory: Path) -> Generator[Filler, None, None]:
    """Lend what puts images into a registry that keeps everything in `directory`."""
    path = directory / "filling.sock"
    with _serving(directory, [], "unix", str(path)), closing(_UnixConnection(path)) as connection:
        yield Filler(connection)


@contextmanager
def serving(directory: Path, space: NetSpace) -> Generator[None, None, None]:
    """Have a registry serve `directory` at `ADDRESS` in a network namespace."""
    with _serving(directory, space.command([]), "tcp", ADDRESS):
        yield


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("registry")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


@attrs.frozen
class Filler:
    """Puts images into a registry through its API, with no engine in between."""

    _connection: http.client.HTTPConnection

    def push(self, repository: str, layers: Sequence[MadeLayer]) -> None:
        """Store an image as `repository:latest`, its layers compressed by gzip."""
        content = config([layer.diff_id for layer in layers])
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(repository, iter((content,)), CONFIG),
            "layers": [self._blob(repository, gzipped(layer.tar), LAYER) for layer in layers],
        }
        body, target = json.dumps(manifest).encode(), f"/v2/{repository}/manifests/latest"
        self._request("PUT", target, body, {"Content-Type": MANIFEST})

    def _blob(self, repository: str, pieces: Iterator[bytes], media_type: str) -> dict[str, Any]:
        """Store a blob; return its descriptor."""
        digest, sizes = hashlib.sha256(), list[int]()

        def passing() -> Iterator[bytes]:
            for piece in pieces:
                digest.update(piece)
                sizes.append(len(piece))
                yield piece

        place = self._request("POST", f"/v2/{repository}/blobs/uploads/", b"")
        place = self._request("PATCH", place, passing(), {"Content-Type": "application/octet-stream"})
        named = f"sha256:{digest.hexdigest()}"
        self._request("PUT", f"{place}&digest={named}", b"")
        return {"mediaType": media_type, "digest": named, "size": sum(sizes)}

    def _request(
        self,
        method: str,
        target: str,
        body: bytes | Iterator[bytes],
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Make a request; return where the answer says to go on."""
        chunked = not isinstance(body, bytes)
        self._connection.request(method, target, body, headers or {}, encode_chunked=chunked)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= http.client.BAD_REQUEST:
            raise EngineAnswered(f"registry: {method} {target}: {answer.status} {text!r}")
        split = urlsplit(answer.headers.get("Location", ""))
        return f"{split.path}?{split.query}"


def gzipped(file: Path) -> Iterator[bytes]:
    """Yield a file's content compressed."""
    compressor = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, WINDOW_OF_GZIP)
    with file.open("rb") as opened:
        while piece := opened.read(CHUNK_BYTES):
            yield compressor.compress(piece)
    yield compressor.flush()


@contextmanager
def _serving(directory: Path, prefix: Sequence[str], net: str, address: str) -> Generator[None, None, None]:
    """Run a registry until it listens, and for as long as the block."""
    place = directory / f"registry-{secrets.token_hex(4)}"
    place.with_suffix(".yml").write_text(json.dumps(_settings(directory / "data", net, address)))
    command = [*prefix, required("docker-registry", "docker-registry"), "serve", f"{place}.yml"]
    service = Service(command, log := place.with_suffix(".log"))
    try:
        deadline = time.monotonic() + READY_SECONDS
        while b"listening on" not in (said := log.read_bytes()):
            if service.ended or time.monotonic() > deadline:
                raise RuntimeError(f"the registry did not start: {said.decode(errors='replace')[-500:]}")
            time.sleep(PAUSE_SECONDS)
        yield
    finally:
        service.stop()


def _settings(data: Path, net: str, address: str) -> dict[str, Any]:
    """Return a configuration; its YAML is JSON as well."""
    return {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(data)}, "cache": {"blobdescriptor": "inmemory"}},
        "http": {"net": net, "addr": address},
    }
