from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from daemon.archives.decoding import CHUNK_BYTES, decoder
from daemon.archives.errors import BadArchive

CONTENT = os.urandom(3000) + bytes(2 * CHUNK_BYTES) + os.urandom(3000)
SKIPPABLE = struct.pack("<II", 0x184D2A50, 5) + b"index"


class Trickle(io.RawIOBase):
    """Gives a few bytes at a time, as a download does."""

    def __init__(self, content: bytes, step: int) -> None:
        self._file, self._step = io.BytesIO(content), step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        found = self._file.read(min(len(buffer), self._step))
        buffer[: len(found)] = found
        return len(found)


def decode(raw: bytes, step: int = 1 << 20) -> bytes:
    read, _ = decoder(Trickle(raw, step))
    gathered = bytearray()
    while chunk := read():
        assert len(chunk) <= CHUNK_BYTES
        gathered += chunk
    return bytes(gathered)


zstd = zstandard.ZstdCompressor(write_checksum=True).compress
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstd,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS.keys())
@pytest.mark.parametrize("step", [7, 4096, 1 << 20])
def test_everything_comes_out_in_bounded_chunks(encode: Callable[[bytes], bytes], step: int) -> None:
    content = CONTENT if step > 7 else CONTENT[:5000]
    assert decode(encode(content), step) == content


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_it_is_told_whether_there_is_anything_to_decode(encode: Callable[[bytes], bytes]) -> None:
    assert decoder(Trickle(encode(b"content"), 100))[1] is (encode is not bytes)


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=5), st.integers(1, 3000), st.integers(0, 2000))
def test_gzip_members_follow_each_other_and_zeros_fill_up(parts: list[bytes], step: int, zeros: int) -> None:
    raw = b"".join(gzip.compress(part) for part in parts) + bytes(zeros)
    assert decode(raw, step) == b"".join(parts)


def test_zeros_may_lie_between_gzip_members() -> None:
    assert decode(gzip.compress(b"a") + bytes(300) + gzip.compress(b"b")) == b"ab"


def test_a_gzip_header_may_say_much() -> None:
    name, comment, extra = b"n" * 3000 + b"\0", b"c" * 3000 + b"\0", os.urandom(40000)
    plain = gzip.compress(CONTENT)
    header = plain[:3] + b"\x1c" + plain[4:10] + struct.pack("<H", len(extra)) + extra + name + comment
    assert decode(header + plain[10:], 1000) == CONTENT


@pytest.mark.parametrize("junk", [b"x", b"\x1f", b"\x1f\x8c garbage", b"\0\0x"])
def test_something_else_behind_gzip_is_refused(junk: bytes) -> None:
    with pytest.raises(BadArchive):
        decode(gzip.compress(b"content") + junk)


@pytest.mark.parametrize("cut", [5, 12, 2000, -8, -1])
def test_gzip_that_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(BadArchive, match="too early"):
        decode(gzip.compress(CONTENT)[:cut])


@pytest.mark.parametrize("position", [-8, -4], ids=["checksum", "length"])
def test_gzip_whose_trailer_is_wrong_is_refused(position: int) -> None:
    raw = bytearray(gzip.compress(CONTENT))
    raw[position] ^= 1
    with pytest.raises(BadArchive, match="broken"):
        decode(bytes(raw))


@given(st.data())
def test_damaged_gzip_is_refused(data: st.DataObject) -> None:
    raw = bytearray(gzip.compress(CONTENT[:4000], mtime=0))
    raw[data.draw(st.integers(10, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadArchive):
        decode(bytes(raw))


def test_zstd_frames_follow_each_other_and_those_without_content_are_skipped() -> None:
    raw = SKIPPABLE + zstd(CONTENT) + SKIPPABLE + zstd(b"more") + SKIPPABLE
    assert decode(zstd(CONTENT) + SKIPPABLE + zstd(b"more") + SKIPPABLE) == CONTENT + b"more"
    assert decode(raw, 100) == CONTENT + b"more"


def test_a_window_larger_than_memory_allows_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    raw = compressor.compress(bytes(1 << 20)) + compressor.flush()
    with pytest.raises(zstandard.ZstdError):
        decode(raw)
