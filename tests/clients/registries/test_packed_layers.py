"""Images whose layers came plain, pushed to Debian's registry, and what others make of what is there."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.cli import Docker
from tests.clients.fetching import ENGINES
from tests.clients.registries.background import in_background
from tests.clients.registries.shelves import noise, tar_of
from tests.registries.real import RealRegistry, docker_registry, installed

PROJECT: Final = Path(__file__).parents[3]
SECONDS: Final = 100
TAR: Final = tar_of(text=b"hello" * 1_000_000, noise=noise(6 << 20))
GZIP_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RealRegistry]:
    """A registry for everybody, without TLS."""
    with in_background(lambda: docker_registry(tmp_path)) as registry:
        yield registry


@pytest.fixture
def name(images: Docker, registry: RealRegistry) -> str:
    """The name of an image that was imported, and so has one plain layer."""
    name = f"{registry.address}/app:1"
    images("import", "--change", 'CMD ["true"]', "-", name, stdin=TAR)
    return name


def digest_of(said: str) -> str:
    """Return the digest that a push has told."""
    return said.partition("digest: ")[2].split()[0]


def stored(registry: RealRegistry, digest: str) -> bytes:
    """Return a blob that the registry has."""
    hexadecimal = digest.removeprefix("sha256:")
    return (
        registry.storage / f"docker/registry/v2/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data"
    ).read_bytes()


def layers_of(registry: RealRegistry, digest: str) -> list[dict[str, Any]]:
    """Return what a manifest says of its layers."""
    return list(json.loads(stored(registry, digest))["layers"])


def requests(registry: RealRegistry, method: str, what: str = "") -> int:
    """Return how many such requests the registry has had."""
    log = (registry.storage.parent / "registry.log").read_text()
    return sum(f'"{method} /v2/' in line and what in line for line in log.splitlines())


def test_the_registry_has_a_plain_layer_as_gzip(images: Docker, registry: RealRegistry, name: str) -> None:
    digest = digest_of(images("push", name).out)
    (layer,) = layers_of(registry, digest)
    blob = stored(registry, layer["digest"])
    assert layer["mediaType"] == GZIP_LAYER
    assert layer["size"] == len(blob) < len(TAR)
    assert gzip.decompress(blob) == TAR
    assert images.inspect(name)["RepoDigests"] == [f"{registry.address}/app@{digest}"]


def test_neither_another_tag_nor_another_repository_gets_it_sent_again(
    images: Docker, registry: RealRegistry, name: str
) -> None:
    digest = digest_of(images("push", name).out)
    sent = requests(registry, "PATCH")
    for other, said in (("app:2", "Layer already exists"), ("other:1", "Mounted from app")):
        images("tag", name, f"{registry.address}/{other}")
        pushed = images("push", f"{registry.address}/{other}").out
        assert said in pushed
        assert digest_of(pushed) == digest
    assert requests(registry, "PATCH") == sent == 1


def test_it_comes_back_by_tag_and_by_digest_as_the_image_it_was(
    images: Docker, registry: RealRegistry, name: str
) -> None:
    digest = digest_of(images("push", name).out)
    before = images.inspect(name)
    images("rmi", name)
    for reference in (name, f"{registry.address}/app@{digest}"):
        assert f"Digest: {digest}" in images("pull", reference).out
        after = images.inspect(reference)
        assert (after["Id"], after["RootFS"]) == (before["Id"], before["RootFS"])


def test_a_container_of_it_that_was_committed_shares_its_layer(
    images: Docker, registry: RealRegistry, name: str
) -> None:
    """What a commit adds is kept packed; what it stands on is not, and is packed only once."""
    (below,) = layers_of(registry, digest_of(images("push", name).out))
    images("create", "--name", "one", name)
    images("commit", "one", f"{registry.address}/app:more")
    pushed = images("push", f"{registry.address}/app:more").out
    layers = layers_of(registry, digest_of(pushed))
    assert layers[0] == below
    assert {layer["mediaType"] for layer in layers} == {GZIP_LAYER}


def test_skopeo_verifies_and_copies_it(
    images: Docker, registry: RealRegistry, name: str, tmp_path: Path
) -> None:
    images("push", name)
    copy = [installed("skopeo"), "--insecure-policy", "copy", "--src-tls-verify=false"]
    archive = tmp_path / "copied.tar"
    subprocess.run(
        [*copy, f"docker://{name}", f"docker-archive:{archive}:copied:1"], check=True, timeout=SECONDS
    )
    before = images.inspect(name)["Id"]
    images("load", "--input", str(archive))
    assert images.inspect("copied:1")["Id"] == before


@pytest.mark.parametrize("other", ENGINES)
def test_another_engine_pulls_it(
    images: Docker, registry: RealRegistry, name: str, tmp_path: Path, other: str
) -> None:
    images("push", name)
    found = fetched(other, tmp_path, name)
    ours = images.inspect(name)
    assert f"sha256:{found['Id'].removeprefix('sha256:')}" == ours["Id"]
    assert found["RootFS"]["Layers"] == ours["RootFS"]["Layers"]


def fetched(engine: str, root: Path, image: str) -> Mapping[str, Any]:
    """Have another engine pull an image; return what it says of it."""
    command = ["unshare", "--mount", sys.executable, "-m", "tests.clients.fetching", engine, str(root), image]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, check=False, timeout=SECONDS)
    logs = [log.read_text() for log in root.glob("*.log")]
    assert done.returncode == 0, "\n".join([done.stderr.decode(), *logs])
    (found,) = json.loads(done.stdout)
    return dict(found)
