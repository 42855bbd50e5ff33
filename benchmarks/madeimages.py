"""Images made without any engine: layers as files, and from them an archive for `docker load`."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.filetrees import Shape, layer

CONFIG_NAME: Final = "config.json"
CREATED: Final = "2026-01-01T00:00:00Z"


@attrs.frozen
class MadeLayer:
    """A layer as an uncompressed tar; the diff ID is that file's digest."""

    tar: Path
    diff_id: str


def make_layer(directory: Path, shape: Shape) -> MadeLayer:
    """Write the layer of a shape into a file."""
    tar, digest = directory / f"layer-{shape.seed}.tar", hashlib.sha256()
    with tar.open("wb") as file:
        for piece in layer(shape):
            digest.update(piece)
            file.write(piece)
    return MadeLayer(tar, f"sha256:{digest.hexdigest()}")


def config(diff_ids: Sequence[str]) -> bytes:
    """Return the config of an image with these layers, lowest first."""
    document: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "created": CREATED,
        "config": {"Cmd": ["true"]},
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": [{"created": CREATED, "created_by": f"layer {place}"} for place in range(len(diff_ids))],
    }
    return json.dumps(document).encode()


def write_archive(target: Path, name: str, layers: Sequence[MadeLayer]) -> None:
    """Write what `docker save` makes of the image `name:latest`: its layers, not compressed."""
    with tarfile.open(target, "w") as tar:
        for layer_ in layers:
            tar.add(layer_.tar, _place(layer_))
        places = [_place(layer_) for layer_ in layers]
        manifest = [{"Config": CONFIG_NAME, "RepoTags": [f"{name}:latest"], "Layers": places}]
        _add(tar, CONFIG_NAME, config([layer_.diff_id for layer_ in layers]))
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def small_layers(directory: Path, base: bytes, count: int) -> list[MadeLayer]:
    """Write `base`, a tar, and above it as many layers of one file each as are missing to `count`."""
    tars = [base, *(_one_file(f"layers/{number}") for number in range(1, count))]
    return [_written(directory / f"small-{number}.tar", tar) for number, tar in enumerate(tars)]


def total_bytes(layers: Iterable[MadeLayer]) -> int:
    """Return the size of the layers' tars."""
    return sum(layer_.tar.stat().st_size for layer_ in layers)


def _one_file(name: str) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        _add(tar, name, name.encode())
    return archive.getvalue()


def _written(file: Path, tar: bytes) -> MadeLayer:
    file.write_bytes(tar)
    return MadeLayer(file, f"sha256:{hashlib.sha256(tar).hexdigest()}")


def _place(layer_: MadeLayer) -> str:
    return f"{layer_.diff_id.removeprefix('sha256:')}/layer.tar"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
