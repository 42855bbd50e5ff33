"""A registry on the engines' host: a few images that share a layer, and room for what is pushed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from benchmarks.madeimages import MadeLayer
from benchmarks.netspace import NAMED, NetSpace
from benchmarks.registry import ADDRESS, filling, gzipped, serving
from tests.clients.restarts.crash.archives import layer

IMAGES: Final = 3
SHARED_BYTES: Final = 3 << 20  # several pieces of a download


@attrs.frozen
class Shop:
    """What there is to be had: repositories, and the digests of their layers' blobs in hexadecimal."""

    images: tuple[str, ...]
    layers: frozenset[str]


@contextmanager
def opened(directory: Path, namespace: str) -> Generator[Shop, None, None]:
    """Run a registry in a network namespace."""
    directory.mkdir()
    shared = _made(directory / "shared.tar", "shared", random.Random(0).randbytes(SHARED_BYTES))
    made = {
        f"crash/sold-{number}": [shared, _made(directory / f"{number}.tar", "own", bytes([number]) * 5000)]
        for number in range(IMAGES)
    }
    with filling(directory) as filler:
        for repository, layers in made.items():
            filler.push(repository, layers)
    blobs = {
        one.tar: hashlib.sha256(b"".join(gzipped(one.tar))) for layers in made.values() for one in layers
    }
    with serving(directory, NetSpace(NAMED / namespace)):
        yield Shop(
            tuple(f"{ADDRESS}/{repository}" for repository in made),
            frozenset(digest.hexdigest() for digest in blobs.values()),
        )


def _made(file: Path, name: str, content: bytes) -> MadeLayer:
    file.write_bytes(tar := layer(name, content))
    return MadeLayer(file, f"sha256:{hashlib.sha256(tar).hexdigest()}")
