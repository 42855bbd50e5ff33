"""Layers of made-up files: the same bytes in each run, about as compressible as a distribution's.

Text of random words and noise, cut up and mixed: gzip makes 45 % of it, as of what images really hold.
"""

from __future__ import annotations

import functools
import random
import tarfile
from collections.abc import Iterator
from typing import Final

import attrs

DIRECTORY_FILES: Final = 50
WORDS: Final = 6000
TEXT_WORDS: Final = 600_000
NOISE_BYTES: Final = 1 << 22
NOISE_SHARE: Final = 0.1
CUT_BYTES: Final = (200, 9000)
MIX_BYTES: Final = 1 << 25
END: Final = bytes(2 * tarfile.BLOCKSIZE)


@attrs.frozen
class Shape:
    """What a layer is like; `seed` tells it from others of the same shape."""

    files: int
    content_bytes: int
    seed: int


def layer(shape: Shape) -> Iterator[bytes]:
    """Yield the tar of a layer, file by file."""
    chance = random.Random(shape.seed)
    for number, size_bytes in enumerate(_sizes(shape, chance)):
        if number % DIRECTORY_FILES == 0:
            yield header(_place(shape, number), 0, tarfile.DIRTYPE)
        yield header(f"{_place(shape, number)}/file-{number}", size_bytes)
        yield from _content(size_bytes, chance)
        yield padding(size_bytes)
    yield END


def content(size_bytes: int, seed: int) -> bytes:
    """Return some of what files hold."""
    return b"".join(_content(size_bytes, random.Random(seed)))


def header(name: str, size_bytes: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return the block before a file or directory in a tar."""
    member = tarfile.TarInfo(name)
    member.size, member.type = size_bytes, kind
    member.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return member.tobuf(tarfile.GNU_FORMAT)


def padding(size_bytes: int) -> bytes:
    """Return what follows a file of that size in a tar."""
    return bytes(-size_bytes % tarfile.BLOCKSIZE)


def _place(shape: Shape, number: int) -> str:
    return f"usr/share/bench-{shape.seed}/part-{number // DIRECTORY_FILES}"


def _sizes(shape: Shape, chance: random.Random) -> list[int]:
    """Return the sizes of all files: many small ones, a few a hundred times as large."""
    weights = [chance.lognormvariate(0, 1.5) for _ in range(shape.files)]
    unit = shape.content_bytes / sum(weights)
    return [int(weight * unit) for weight in weights]


def _content(size_bytes: int, chance: random.Random) -> Iterator[bytes]:
    mix = _mix()
    while size_bytes:
        piece_bytes = min(size_bytes, chance.randint(4096, 1 << 20))
        offset = chance.randrange(len(mix) - piece_bytes)
        yield mix[offset : offset + piece_bytes]
        size_bytes -= piece_bytes


@functools.cache
def _mix() -> bytes:
    """Return what all files are cut from."""
    chance = random.Random(6)
    letters = b"abcdefghijklmnopqrstuvwxyz"
    words = [bytes(chance.choices(letters, k=chance.randint(2, 11))) for _ in range(WORDS)]
    weights = [1 / (rank + 5) for rank in range(WORDS)]  # Zipf's law
    text = b" ".join(chance.choices(words, weights, k=TEXT_WORDS))
    noise = chance.randbytes(NOISE_BYTES)
    mixed = bytearray()
    while len(mixed) < MIX_BYTES:
        source = noise if chance.random() < NOISE_SHARE else text
        cut_bytes = chance.randint(*CUT_BYTES)
        offset = chance.randrange(len(source) - cut_bytes)
        mixed += source[offset : offset + cut_bytes]
    return bytes(mixed)
