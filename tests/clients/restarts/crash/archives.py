"""Images as tars: small, with a layer that all of them share."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Final

BASE: Final = b"every image has this layer\n" * 100


def layer(name: str, content: bytes) -> bytes:
    """Return a layer of one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        _add(tar, name, content)
    return packed.getvalue()


def archive(reference: str, serial: int) -> bytes:
    """Return an archive as `docker save` makes it: a layer of its own on one that all have."""
    layers = [layer("base", BASE), layer("own", f"{reference} {serial}\n".encode() * 50)]
    diff_ids = [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    document = json.dumps(config).encode()
    name = f"{hashlib.sha256(document).hexdigest()}.json"
    members = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": members}]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        _add(tar, name, document)
        for member, content in zip(members, layers, strict=True):
            _add(tar, member, content)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    return packed.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
