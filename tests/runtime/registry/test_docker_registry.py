"""The client against Debian's docker-registry, and what skopeo makes of what it has pushed."""

from __future__ import annotations

import gzip
import os
import subprocess
from pathlib import Path

import httpx
import orjson
import pytest
import trio

from daemon.images import digests, references
from daemon.images.digests import Measured
from daemon.images.registry.credentials import ANONYMOUS, Credentials
from daemon.images.registry.errors import LoginRefused, NothingThere, RegistryFailed
from daemon.images.registry.registries import RemoteRegistries
from daemon.images.registry.remote import RemoteRepository
from daemon.images.registry.repository import Action
from tests.registries.outgoing import Made, Opened
from tests.registries.real import PASSWORD, USER, RealRegistry, installed
from tests.registries.shelf import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST

pytestmark = pytest.mark.runtime
ME = Credentials(USER, PASSWORD)
LARGE_BYTES = 9 << 20  # more than goes into one request
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


async def push(repository: RemoteRepository, tag: str, layers: list[bytes]) -> str:
    """Push an image of layers, and return its manifest's digest."""
    raw = orjson.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {
                "type": "layers",
                "diff_ids": [digests.of(gzip.decompress(layer)) for layer in layers],
            },
            "history": [{"created_by": "test"} for _ in layers],
        }
    )
    for content in (raw, *layers):
        await repository.upload(Opened(content))
    described = [(content, digests.of(content), len(content)) for content in layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": digests.of(raw), "size": len(raw)},
        "layers": [{"mediaType": OCI_LAYER, "digest": name, "size": size} for _, name, size in described],
    }
    return await repository.put_manifest(tag, OCI_MANIFEST, orjson.dumps(manifest))


async def read(repository: RemoteRepository, digest: str, offset: int = 0) -> bytes:
    async with repository.blob(digest, offset) as blob:
        return b"".join([chunk async for chunk in blob])


def layer(size_bytes: int) -> bytes:
    """Return a layer that is no smaller for being packed: an empty tar with something behind it."""
    return gzip.compress(bytes(10240) + os.urandom(size_bytes), 1)


async def test_what_is_pushed_is_pulled_again(plain: RealRegistry, registries: RemoteRegistries) -> None:
    name = references.parse(f"{plain.address}/team/app")
    small, large = layer(10), layer(LARGE_BYTES)
    async with registries.repository(name, ANONYMOUS, Action.PUSH) as repository:
        assert await repository.blob_size(digests.of(large)) is None
        digest = await push(repository, "1", [small, large])
        assert await repository.blob_size(digests.of(large)) == len(large)
    async with registries.repository(name, ANONYMOUS) as repository:
        by_tag, by_digest = await repository.manifest("1"), await repository.manifest(digest)
        assert by_tag == by_digest
        assert await read(repository, digests.of(large)) == large
        assert await read(repository, digests.of(large), 12345) == large[12345:]
        assert await read(repository, digests.of(large), len(large)) == b""
        assert await repository.tags() == ("1",)


async def test_blobs_are_mounted_across_repositories(
    plain: RealRegistry, registries: RemoteRegistries
) -> None:
    content = layer(100)
    one, other = (references.parse(f"{plain.address}/{name}") for name in ("one", "two/three"))
    async with registries.repository(one, ANONYMOUS, Action.PUSH) as repository:
        await push(repository, "1", [content])
    async with registries.repository(other, ANONYMOUS, Action.PUSH) as repository:
        assert await repository.mount(digests.of(content), "one")
        assert not await repository.mount(digests.of(b"absent"), "one")
        await repository.upload(Opened(b"absent"))
        assert await read(repository, digests.of(content)) == content
        assert await read(repository, digests.of(b"absent")) == b"absent"


@pytest.mark.parametrize("size_bytes", [0, 10, LARGE_BYTES])
async def test_a_blob_that_is_made_on_the_way_is_stored(
    plain: RealRegistry, registries: RemoteRegistries, size_bytes: int
) -> None:
    content = os.urandom(size_bytes)
    name = references.parse(f"{plain.address}/app")
    async with registries.repository(name, ANONYMOUS, Action.PUSH) as repository:
        assert await repository.upload(Made(content)) == Measured(digests.of(content), size_bytes)
        assert await read(repository, digests.of(content)) == content


async def test_one_that_breaks_off_in_the_middle_is_sent_all_the_same(
    plain: RealRegistry, registries: RemoteRegistries
) -> None:
    """This registry gives a session up that was broken off, once it has noticed, and gets a new one."""
    made = Made(os.urandom(LARGE_BYTES))
    made.cuts = [(4, httpx.WriteError("cut"))]
    name = references.parse(f"{plain.address}/app")
    async with registries.repository(name, ANONYMOUS, Action.PUSH) as repository:
        await repository.upload(made)
        assert await read(repository, digests.of(made.content)) == made.content
    assert len(made.offsets) == 2


async def test_what_is_not_there_is_not_found(plain: RealRegistry, registries: RemoteRegistries) -> None:
    async with registries.repository(references.parse(f"{plain.address}/app"), ANONYMOUS) as repository:
        with pytest.raises(NothingThere, match=r"^manifest unknown: manifest unknown$") as caught:
            await repository.manifest("absent")
        assert caught.value.code == "MANIFEST_UNKNOWN"
        with pytest.raises(NothingThere) as caught:
            await read(repository, digests.of(b"absent"))
        assert caught.value.code == "BLOB_UNKNOWN"
        with pytest.raises(NothingThere):
            await repository.tags()


async def test_a_password_opens_a_guarded_registry(
    guarded: RealRegistry, registries: RemoteRegistries
) -> None:
    name = references.parse(f"{guarded.address}/app")
    async with registries.repository(name, ME, Action.PUSH) as repository:
        digest = await push(repository, "1", [layer(LARGE_BYTES)])
    async with registries.repository(name, ME) as repository:
        assert (await repository.manifest("1")).digest == digest
    for who, text in ((ANONYMOUS, "no basic auth credentials"), (Credentials(USER, "x"), "unauthorized")):
        async with registries.repository(name, who) as repository:
            with pytest.raises(LoginRefused, match=text):
                await repository.manifest("1")


async def test_log_in(guarded: RealRegistry, plain: RealRegistry, registries: RemoteRegistries) -> None:
    assert await registries.log_in(guarded.address, ME) == ""
    assert await registries.log_in(f"https://{guarded.address}/v2/", ME) == ""
    assert await registries.log_in(plain.address, ME) == ""
    with pytest.raises(LoginRefused, match="unauthorized: incorrect username or password"):
        await registries.log_in(guarded.address, Credentials(USER, "wrong"))


async def test_a_registry_without_search_says_so(plain: RealRegistry, registries: RemoteRegistries) -> None:
    with pytest.raises(RegistryFailed, match=r"^Unexpected status code 404$"):
        await registries.search(f"{plain.address}/app", 25, ANONYMOUS)


async def test_skopeo_reads_what_was_pushed_and_writes_what_is_pulled(
    plain: RealRegistry, registries: RemoteRegistries, tmp_path: Path
) -> None:
    name = references.parse(f"{plain.address}/app")
    async with registries.repository(name, ANONYMOUS, Action.PUSH) as repository:
        digest = await push(repository, "1", [layer(1000)])
    copy = [installed("skopeo"), "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]
    source, target = f"docker://{plain.address}/app:1", f"docker://{plain.address}/copy:2"
    await trio.run_process([*copy, "--preserve-digests", source, target], capture_stdout=True)
    await trio.run_process([*copy, "--format=v2s2", source, f"{target}s2"], capture_stdout=True)
    async with registries.repository(references.parse(f"{plain.address}/copy"), ANONYMOUS) as repository:
        assert (await repository.manifest("2")).digest == digest
        assert "docker.distribution.manifest.v2" in (await repository.manifest("2s2")).media_type
        assert await repository.tags() == ("2", "2s2")


async def test_a_blob_that_was_damaged_on_the_registrys_disk_comes_as_it_is(
    plain: RealRegistry, registries: RemoteRegistries
) -> None:
    """Whoever takes a blob has to verify it; the registry does not."""
    content = layer(1000)
    name = references.parse(f"{plain.address}/app")
    async with registries.repository(name, ANONYMOUS, Action.PUSH) as repository:
        await push(repository, "1", [content])
        digest = digests.of(content)
        hexadecimal = digests.hex_of(digest)
        (data,) = plain.storage.rglob(f"{hexadecimal}/data")
        data.write_bytes(content[:-1] + b"!")
        assert digests.of(await read(repository, digest)) != digest


def test_the_programs_are_the_real_ones() -> None:
    shown = subprocess.run([installed("docker-registry"), "--version"], capture_output=True, check=True)
    assert b"github.com/docker/distribution" in shown.stdout
