"""What our reader makes of tars; the standard library's is the other opinion."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.archives.entry import HARD_LINK, Entry
from daemon.archives.errors import BadArchive
from daemon.archives.headers import END, header, padding
from daemon.archives.reading import EXTENDED_HEADER_LIMIT_BYTES, TarReader
from tests.unit.images.tars import member, tar


def read(archive: bytes, chunk_bytes: int = 1 << 18) -> list[tuple[Entry, bytes]]:
    chunks = iter([archive[at : at + chunk_bytes] for at in range(0, len(archive), chunk_bytes)])
    reader = TarReader(lambda: next(chunks, b""))
    return [(entry, b"".join(reader.pieces())) for entry in reader]


def facts(entry: Entry) -> tuple[Any, ...]:
    return tuple(getattr(entry, slot) for slot in Entry.__slots__)


NAME = st.binary(min_size=1, max_size=300).filter(
    lambda raw: not {b"", b".", b".."} & set(raw.split(b"/")) and b"\0" not in raw
)
TIME_NS = st.integers(-(1 << 62), 1 << 62)
OWNER = st.integers(0, (1 << 32) - 2)
XATTRS = st.dictionaries(
    st.text(st.characters(codec="ascii", exclude_characters="=\0"), min_size=1, max_size=20).map(
        "user.{}".format
    ),
    st.binary(max_size=50),
    max_size=3,
).map(lambda found: tuple(found.items()))
KIND = st.sampled_from(
    [stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, HARD_LINK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO]
)


@st.composite
def entries(draw: st.DrawFn) -> tuple[Entry, bytes]:
    kind = draw(KIND)
    content = draw(st.binary(max_size=2000)) if kind == stat.S_IFREG else b""
    is_link = kind in {stat.S_IFLNK, HARD_LINK}
    is_device = kind in {stat.S_IFCHR, stat.S_IFBLK}
    return Entry(
        draw(NAME),
        kind,
        draw(st.integers(0, 0o7777)),
        draw(OWNER),
        draw(OWNER),
        draw(TIME_NS),
        len(content),
        draw(NAME) if is_link else b"",
        os.makedev(draw(st.integers(0, 4095)), draw(st.integers(0, 1 << 20 - 1))) if is_device else 0,
        draw(XATTRS),
    ), content


def packed(members: list[tuple[Entry, bytes]]) -> bytes:
    pieces = [header(entry) + content + padding(len(content)) for entry, content in members]
    return b"".join(pieces) + END


@given(st.lists(entries(), max_size=4), st.sampled_from([100, 512, 513, 1 << 18]))
def test_what_is_written_is_read_back(members: list[tuple[Entry, bytes]], chunk_bytes: int) -> None:
    archive = packed(members)
    found = read(archive, chunk_bytes)
    assert [(facts(entry), content) for entry, content in found] == [
        (facts(entry), content) for entry, content in members
    ]


@given(st.lists(entries(), max_size=4))
def test_the_standard_library_reads_what_is_written(members: list[tuple[Entry, bytes]]) -> None:
    archive = io.BytesIO(packed(members))
    with tarfile.open(fileobj=archive, mode="r:", encoding="utf-8", errors="surrogateescape") as found:
        others = found.getmembers()
    assert [os.fsencode(one.name) for one in others] == [
        entry.name.rstrip(b"/") if entry.kind == stat.S_IFDIR else entry.name for entry, _ in members
    ]
    for one, (entry, _) in zip(others, members, strict=True):
        assert (one.mode, one.uid, one.gid, one.size) == (entry.mode, entry.uid, entry.gid, entry.size)
        assert os.fsencode(one.linkname) == entry.target


FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


@pytest.mark.parametrize("form", FORMATS)
@given(st.data())
def test_what_the_standard_library_writes_is_read(form: int, data: st.DataObject) -> None:
    parts = st.text(st.characters(codec="utf-8", exclude_characters="/\0."), min_size=1, max_size=40)
    limit = 20 if form == tarfile.USTAR_FORMAT else (1 << 32) - 2
    buffer = io.BytesIO()
    written = []
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name in data.draw(st.lists(parts, max_size=4)):
            content = data.draw(st.binary(max_size=600))
            one = member(name, size=len(content), uid=data.draw(st.integers(0, limit)), mtime=7)
            archive.addfile(one, io.BytesIO(content))
            written.append((name.encode(), content, one.uid, 7_000_000_000))
    found = read(buffer.getvalue())
    assert [(entry.name, content, entry.uid, entry.mtime_ns) for entry, content in found] == written


@given(st.data())
def test_damage_is_refused_or_harmless(data: st.DataObject) -> None:
    archive = bytearray(packed([data.draw(entries()) for _ in range(2)]))
    for _ in range(data.draw(st.integers(1, 5))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(bytes(archive[: data.draw(st.integers(0, len(archive)))]))
    except BadArchive:
        return
    for entry, content in found:
        assert b".." not in entry.name.split(b"/")
        assert entry.size >= 0
        assert entry.extents is not None or entry.kind != stat.S_IFREG or len(content) == entry.size


@given(st.binary(max_size=2000))
def test_noise_is_refused_or_empty(noise: bytes) -> None:
    try:
        assert read(noise) == []
    except BadArchive:
        return


def raw(name: str, kind: bytes = b"0", size: int = 0, **fields: Any) -> bytes:
    return member(name, kind, size=size, **fields).tobuf(tarfile.GNU_FORMAT)


def pax(**records: bytes) -> bytes:
    return extension(b"x", *((key.encode(), value) for key, value in records.items()))


def extension(kind: bytes, *records: tuple[bytes, bytes]) -> bytes:
    content = b"".join(_record(key, value) for key, value in records)
    return raw("x", kind, len(content)) + content + padding(len(content))


def _record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + 1
    while len(b"%d" % length) + len(body) != length:
        length += 1
    return b"%d" % length + body


def test_an_unused_content_is_skipped() -> None:
    archive = tar((member("a"), b"x" * 1000), (member("b"), b"y"))
    chunks = iter([archive])
    reader = TarReader(lambda: next(chunks, b""))
    assert [entry.name for entry in reader] == [b"a", b"b"]


def test_a_first_header_of_zeros_is_an_empty_archive() -> None:
    assert read(bytes(10240)) == []


def test_an_archive_may_end_without_an_end() -> None:
    assert [entry.name for entry, _ in read(raw("a"))] == [b"a"]


def test_what_lies_behind_the_end_does_not_count() -> None:
    assert [entry.name for entry, _ in read(raw("a") + END + raw("b"))] == [b"a"]


def test_a_global_header_holds_for_all_that_say_nothing_else() -> None:
    archive = extension(b"g", (b"uid", b"5"), (b"mtime", b"1.5")) + raw("a") + pax(uid=b"6") + raw("b") + END
    assert [(entry.uid, entry.mtime_ns) for entry, _ in read(archive)] == [
        (5, 1_500_000_000),
        (6, 1_500_000_000),
    ]


def test_an_extended_header_holds_for_one_member() -> None:
    archive = pax(path=b"long") + raw("a") + raw("b") + END
    assert [entry.name for entry, _ in read(archive)] == [b"long", b"b"]


def test_gnu_and_pax_names_may_be_mixed() -> None:
    long = raw("././@LongLink", b"L", 5) + b"gnu\0\0" + bytes(507)
    assert [entry.name for entry, _ in read(long + pax(mtime=b"3") + raw("a") + END)] == [b"gnu"]


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        (b"1", 1_000_000_000),
        (b"-1.5", -1_500_000_000),
        (b"0.1234567899", 123_456_789),
        (b".5", 500_000_000),
        (b"1.", 1_000_000_000),
    ],
)
def test_times_have_all_their_digits(text: bytes, nanoseconds: int) -> None:
    ((entry, _),) = read(pax(mtime=text) + raw("a") + END)
    assert entry.mtime_ns == nanoseconds


def test_before_posix_a_slash_made_a_directory() -> None:
    ((entry, _),) = read(raw("a/", b"\0") + END)
    assert (entry.kind, entry.name) == (stat.S_IFDIR, b"a")


def test_a_prefix_is_half_a_name_in_posix_and_star_and_times_in_gnu() -> None:
    def archive(magic: bytes, prefix: bytes, trailer: bytes = b"") -> bytes:
        block = bytearray(raw("a"))
        block[257:265] = magic
        block[345 : 345 + len(prefix)] = prefix
        block[508 : 508 + len(trailer)] = trailer
        block[148:156] = b" " * 8
        block[148:155] = b"%06o\0" % sum(block)
        return bytes(block)

    times = b"dir".ljust(131, b"\0") + b"00000000007\0" * 2
    assert read(archive(b"ustar\00000", b"dir"))[0][0].name == b"dir/a"
    assert read(archive(b"ustar  \0", b"00000000007"))[0][0].name == b"a"
    assert read(archive(b"ustar\00000", times, b"tar\0"))[0][0].name == b"dir/a"


def test_a_checksum_of_signed_bytes_is_one_too() -> None:
    block = bytearray(raw("a"))
    block[0:2] = b"\xff\xfe"
    block[148:156] = b" " * 8
    signed = sum(byte - 256 if byte > 127 else byte for byte in block)
    block[148:155] = b"%06o\0" % signed
    assert read(bytes(block))[0][0].name == b"\xff\xfe"


def test_only_harmless_attributes_are_taken_over() -> None:
    names = (
        b"user.a",
        b"security.capability",
        b"trusted.overlay.opaque",
        b"system.other",
        b"system.posix_acl_access",
    )
    archive = extension(b"x", *((b"SCHILY.xattr." + name, b"\0=\n") for name in names)) + raw("a") + END
    ((entry, _),) = read(archive)
    assert [name for name, _ in entry.xattrs] == ["user.a", "security.capability", "system.posix_acl_access"]
    assert {value for _, value in entry.xattrs} == {b"\0=\n"}


def _sparse(map_: bytes, stored: bytes, **more: bytes) -> bytes:
    records = {b"GNU.sparse.map": map_, b"GNU.sparse.size": b"3000", b"GNU.sparse.name": b"real"}
    return (
        extension(b"x", *records.items()) + raw("a", size=len(stored)) + stored + padding(len(stored)) + END
    )


def test_a_sparse_file_has_its_own_name_size_and_parts() -> None:
    ((entry, content),) = read(_sparse(b"0,2,1000,1", b"abc"))
    assert (entry.name, entry.size, entry.extents, content) == (b"real", 3000, ((0, 2), (1000, 1)), b"abc")


BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "half a header": raw("a")[:300],
    "half a content": raw("a", size=1000) + b"x" * 512,
    "no padding": raw("a", size=10) + b"x" * 10,
    "a wrong checksum": b"b" + raw("a")[1:],
    "an unknown type": raw("a", b"Z"),
    "a negative size": raw("a", size=-512),
    "an endless extended header": raw("a", b"x", 1 << 40),
    "an extended header above the limit": raw("a", b"x", EXTENDED_HEADER_LIMIT_BYTES + 1),
    "an extended header with a negative size": raw("a", b"x", -1),
    "many extended headers": raw("a", b"x") * 3000,
    "an extended header of nothing": pax(path=b"b") + END,
    "an extended header at the end": pax(path=b"b"),
    "a record without an end": raw("a", b"x", 512) + b"9 path=b".ljust(512, b"\0") + raw("a"),
    "a record without a length": raw("a", b"x", 512) + b"path=b\n".ljust(512, b"\0") + raw("a"),
    "a record longer than all": raw("a", b"x", 512) + b"9999999 path=b\n".ljust(512, b"\0") + raw("a"),
    "a record that is no pair": raw("a", b"x", 10) + b"10 pathab\n".ljust(512, b"\0") + raw("a"),
    "a size that is no number": pax(size=b"1e3") + raw("a"),
    "a size below zero": pax(size=b"-1") + raw("a"),
    "an owner below zero": pax(uid=b"-1") + raw("a"),
    "a time that is no number": pax(mtime=b"nan") + raw("a"),
    "a time with too many digits": pax(mtime=b"9" * 30) + raw("a"),
    "a name that climbs": pax(path=b"a/../../b") + raw("a"),
    "a name with a null": pax(path=b"a\0b") + raw("a"),
    "sparse parts that overlap": _sparse(b"0,2,1,1", b"abc"),
    "sparse parts backwards": _sparse(b"1000,2,0,1", b"abc"),
    "sparse parts that are more than is stored": _sparse(b"0,2,1000,2", b"abc"),
    "sparse parts that are less than is stored": _sparse(b"0,2", b"abc"),
    "sparse parts behind the end": _sparse(b"0,2,3000,1", b"abc"),
    "half a sparse part": _sparse(b"0,2,3", b"abc"),
    "a sparse map without numbers": _sparse(b"0,x", b"abc"),
}


@pytest.mark.parametrize("archive", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_refused(archive: bytes) -> None:
    with pytest.raises(BadArchive):
        read(archive)


@pytest.mark.parametrize("other", [b"PK\3\4" + bytes(600), b"text " * 200, bytes(range(256)) * 4])
def test_what_is_no_tar_is_called_that(other: bytes) -> None:
    with pytest.raises(BadArchive, match="it is no tar, or broken"):
        read(other)


def test_an_error_of_the_source_is_not_taken_for_the_end() -> None:
    def chunks() -> Iterator[bytes]:
        yield raw("a")
        raise OSError("the disk is broken")

    source = chunks()
    with pytest.raises(OSError, match="the disk is broken"):
        list(TarReader(lambda: next(source)))
