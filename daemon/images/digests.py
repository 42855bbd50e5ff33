"""Digests, and the chain IDs that name a layer together with everything below it.

Only sha256 is accepted: it is the one algorithm every producer of images uses, and one algorithm
leaves no room for an attacker to choose a weaker one.

Source of the terms and the chain ID rule: OCI image specification, config.md, "Layer ChainID".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from io import BufferedReader
from typing import Final

import attrs

PREFIX: Final = "sha256:"
SHORT_LENGTH: Final = 12
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@attrs.frozen
class Measured:
    """What some bytes are known by: their digest, and how many they are."""

    digest: str
    size_bytes: int


def of(content: bytes) -> str:
    """Return the digest of `content`."""
    return PREFIX + hashlib.sha256(content).hexdigest()


def of_file(file: BufferedReader) -> str:
    """Return the digest of all that is left to read of `file`; blocks."""
    return PREFIX + hashlib.file_digest(file, "sha256").hexdigest()


def is_digest(text: object) -> bool:
    """Tell whether `text` is a digest, written in full."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def hex_of(digest: str) -> str:
    """Return the part of a digest that can be a file's name."""
    return digest.removeprefix(PREFIX)


def short(digest: str) -> str:
    """Return the twelve characters people read."""
    return hex_of(digest)[:SHORT_LENGTH]


def chain_ids(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the chain ID of each layer, lowest first."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)
