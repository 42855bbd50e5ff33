"""Small tars, image archives and image values made by hand."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import orjson

from daemon.images import digests, documents
from daemon.images.documents import OCI_CONFIG, OCI_MANIFEST, Descriptor
from daemon.images.loading import Brought
from daemon.images.records import ImageRecord, LayerRecord
from daemon.images.references import parse


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: Any) -> tarfile.TarInfo:
    """Return a header; `fields` are attributes of `TarInfo`."""
    made = tarfile.TarInfo(name)
    made.type = kind
    made.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def tar(*members: tuple[tarfile.TarInfo, bytes] | tarfile.TarInfo) -> bytes:
    """Return a tar of headers, each alone or with its content."""
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for item in members:
            header, content = item if isinstance(item, tuple) else (item, b"")
            header.size = len(content) or header.size
            archive.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def files(contents: Mapping[str, bytes]) -> bytes:
    """Return a tar of plain files."""
    return tar(*((member(name), content) for name, content in contents.items()))


def config_of(layers: Iterable[bytes], **fields: Any) -> bytes:
    """Return the config of an image with these uncompressed layers."""
    diff_ids = [digests.of(layer) for layer in layers]
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-02T03:04:05.678Z",
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], "Labels": {"who": "test"}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": "2024-01-02T03:04:05Z", "created_by": "ADD"} for _ in diff_ids],
    }
    return orjson.dumps(document | fields)


def docker_archive(
    layers: Sequence[bytes], tags: Sequence[str] = ("box:1",), *, config: bytes | None = None, **manifest: Any
) -> bytes:
    """Return what `docker save` made before it knew OCI layouts."""
    config = config_of(layers) if config is None else config
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    entry = {"Config": "config.json", "RepoTags": list(tags), "Layers": names} | manifest
    contents = {"manifest.json": orjson.dumps([entry]), "config.json": config}
    return files(contents | dict(zip(names, layers, strict=True)))


def layout(layers: Sequence[bytes], blobs: Sequence[bytes] | None = None, **annotations: str) -> bytes:
    """Return an OCI image layout; `blobs` are the layers as they lie in it, compressed perhaps."""
    blobs = layers if blobs is None else blobs
    config = config_of(layers)
    manifest = documents.manifest_of(
        Descriptor(OCI_CONFIG, digests.of(config), len(config)),
        tuple(Descriptor(documents.layer_media_type(b), digests.of(b), len(b)) for b in blobs),
    )
    entry = documents.as_json(Descriptor(OCI_MANIFEST, digests.of(manifest), len(manifest)))
    names = {name.replace("_", "."): value for name, value in annotations.items()}
    index = {"schemaVersion": 2, "manifests": [entry | {"annotations": names}]}
    contents = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": orjson.dumps(index)}
    stored = {f"blobs/sha256/{hashlib.sha256(b).hexdigest()}": b for b in (config, manifest, *blobs)}
    return files(contents | stored)


def brought(name: str = "a", *tags: str, layers: int = 1, **fields: Any) -> Brought:
    """Return an image as a job brings it; equal names are equal images."""
    contents = _layers(name, layers)
    document = documents.read_image(config_of(contents, author=name, **fields))
    chain = digests.chain_ids(document.diff_ids)
    made = tuple(
        LayerRecord(diff, chain_id, diff, documents.OCI_LAYER, 10, 100)
        for diff, chain_id in zip(document.diff_ids, chain, strict=True)
    )
    record = ImageRecord(document.id, digests.of(document.raw + b"m"), 7, made)
    return Brought(record, document, tuple(parse(tag).tagged for tag in tags))


def blobs_of(image: Brought) -> list[bytes]:
    """Return all blobs of what `brought` has made."""
    document = image.document
    return [document.raw, document.raw + b"m", *_layers(document.author, len(document.diff_ids))]


def _layers(name: str, count: int) -> list[bytes]:
    return [f"{name}{number}".encode() for number in range(count)]


def retagged(image: Brought, *tags: str) -> Brought:
    """Return the same image under other names."""
    return attrs.evolve(image, tags=tuple(parse(tag).tagged for tag in tags))
