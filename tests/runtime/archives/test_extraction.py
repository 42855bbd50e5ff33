"""Layers unpacked by the real child, honest ones and hostile ones; needs root for chroot and devices."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import stat
import tarfile
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.archives import sandbox
from daemon.archives.sandbox import Extracted
from daemon.errors import InvalidParameter
from daemon.images import digests
from tests.unit.images.tars import member, tar

pytestmark = pytest.mark.runtime
SECRET = b"the host's own"


@attrs.frozen
class Host:
    """A directory that stands for the host: nothing in it may change but `root`."""

    directory: Path
    root: Path

    def fingerprint(self) -> dict[str, tuple[Any, ...]]:
        """Return all that a layer must not change."""
        return {
            str(path): _facts(path)
            for path in sorted(self.directory.rglob("*"))
            if not path.is_relative_to(self.root) and path.name != "layer.tar"
        }


def _facts(path: Path) -> tuple[Any, ...]:
    found = path.lstat()
    content = path.read_bytes() if stat.S_ISREG(found.st_mode) else b""
    return (
        found.st_mode,
        found.st_uid,
        found.st_nlink,
        found.st_mtime_ns,
        content,
        tuple(os.listxattr(path)),
    )


@contextlib.contextmanager
def make_host() -> Generator[Host, None, None]:
    with tempfile.TemporaryDirectory(prefix="longshore-test-") as name:
        directory = Path(name)
        (directory / "secret").write_bytes(SECRET)
        (directory / "etc").mkdir()
        (directory / "etc" / "shadow").write_bytes(SECRET)
        root = directory / "layers" / "one"
        root.mkdir(parents=True, mode=0o755)
        yield Host(directory, root)


@pytest.fixture
def host() -> Iterator[Host]:
    with make_host() as made:
        yield made


async def unpack(host: Host, layer: bytes) -> Extracted:
    blob = host.directory / "layer.tar"
    blob.write_bytes(layer)
    return await sandbox.extract(blob, host.root)


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, zstandard.ZstdCompressor().compress, bz2.compress, lzma.compress],
    ids=["plain", "gzip", "zstd", "bzip2", "xz"],
)
async def test_a_layer_is_unpacked_whatever_it_is_compressed_with(
    host: Host, compress: Callable[[bytes], bytes]
) -> None:
    layer = tar((member("a/b/file", mode=0o4755, uid=7, gid=8, mtime=1), b"content"))
    extracted = await unpack(host, compress(layer))
    assert extracted == Extracted(digests.of(layer), 7)
    made = host.root / "a/b/file"
    found = made.lstat()
    assert made.read_bytes() == b"content"
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime) == (0o4755, 7, 8, 1.0)
    assert stat.S_IMODE((host.root / "a").stat().st_mode) == 0o755


async def test_everything_a_layer_can_hold_arrives(host: Host) -> None:
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    headers = {
        "SCHILY.xattr.security.capability": capability.decode("utf-8", "surrogateescape"),
        "SCHILY.xattr.user.note": "x",
        "SCHILY.xattr.trusted.overlay.redirect": "/elsewhere",
        "mtime": "1700000000.123456789",
    }
    extracted = await unpack(
        host,
        tar(
            member("./", tarfile.DIRTYPE, mode=0o711),
            member("dir", tarfile.DIRTYPE, mode=0o1777, mtime=5),
            (member("dir/file", pax_headers=headers), b"x"),
            member("hard", tarfile.LNKTYPE, linkname="dir/file"),
            member("soft", tarfile.SYMTYPE, linkname="/etc/shadow", uid=3),
            member("null", tarfile.CHRTYPE, devmajor=1, devminor=3),
            member("loop", tarfile.BLKTYPE, devmajor=7, devminor=0),
            member("pipe", tarfile.FIFOTYPE),
            (member(os.fsdecode(b"caf\xe9")), b""),
            (member("n" * 150 + "/" + "m" * 150), b""),
        ),
    )
    root = host.root
    file = root / "dir/file"
    assert stat.S_IMODE(root.stat().st_mode) == 0o711
    assert (root / "dir").stat().st_mtime == 5
    assert stat.S_IMODE((root / "dir").stat().st_mode) == 0o1777
    assert file.stat().st_mtime_ns == 1700000000123456789
    assert os.getxattr(file, "security.capability") == capability
    assert sorted(os.listxattr(file)) == ["security.capability", "user.note"]
    assert (root / "hard").stat().st_ino == file.stat().st_ino
    assert str((root / "soft").readlink()) == "/etc/shadow"
    assert (root / "soft").lstat().st_uid == 3
    assert (root / "null").lstat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISBLK((root / "loop").lstat().st_mode)
    assert stat.S_ISFIFO((root / "pipe").lstat().st_mode)
    assert b"caf\xe9" in os.listdir(os.fsencode(root))
    assert (root / ("n" * 150) / ("m" * 150)).exists()
    assert extracted.size_bytes == 1


async def test_holes_stay_holes(host: Host) -> None:
    sparse = host.directory / "sparse"
    with sparse.open("wb") as file:
        file.truncate(50 << 20)
        file.seek(10 << 20)
        file.write(b"middle")
    archive = host.directory / "sparse.tar"
    command = ["tar", "--sparse", "--format=gnu", "-C", str(host.directory), "-cf", str(archive), "sparse"]
    await trio.run_process(command)
    await unpack(host, archive.read_bytes())
    made = host.root / "sparse"
    assert made.read_bytes() == sparse.read_bytes()
    assert made.stat().st_blocks * 512 < 1 << 20


def is_whiteout(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


async def test_deletions_become_what_overlayfs_understands(host: Host) -> None:
    await unpack(
        host,
        tar(
            member("opaque", tarfile.DIRTYPE),
            member("opaque/.wh..wh..opq"),
            member("deep/.wh.gone"),
            member(".wh..wh.plnk", tarfile.DIRTYPE),
            member(".wh.again"),
            member("again", tarfile.DIRTYPE),
            (member("mine"), b"x"),
            member(".wh.mine"),
            member("own", tarfile.DIRTYPE),
            member(".wh.own"),
        ),
    )
    root = host.root
    assert is_whiteout(root / "deep/gone")
    for opaque in ("opaque", "again", "own"):
        assert os.getxattr(root / opaque, "trusted.overlay.opaque") == b"y"
    assert (root / "mine").read_bytes() == b"x"
    assert sorted(path.name for path in root.iterdir()) == ["again", "deep", "mine", "opaque", "own"]


HOSTILE: dict[str, bytes] = {
    "climbs": tar((member("../../secret"), b"pwned")),
    "climbs from within": tar((member("a/../../../secret"), b"pwned")),
    "whiteout of what is above": tar(member(".wh...")),
    "whiteout of itself": tar(member(".wh..")),
    "whiteout of nothing": tar(member(".wh.")),
    "hard link that climbs": tar(
        member("x", tarfile.LNKTYPE, linkname="../../secret"), (member("x"), b"pwned")
    ),
    "hard link to nothing": tar(member("x", tarfile.LNKTYPE, linkname="/etc/shadow")),
    "hard link to itself": tar(member("x"), member("x", tarfile.LNKTYPE, linkname="x")),
    "write through a climbing link": tar(
        member("x", tarfile.SYMTYPE, linkname="../../etc"), (member("x/shadow"), b"pwned")
    ),
    "loop of links": tar(member("x", tarfile.SYMTYPE, linkname="x"), (member("x/y"), b"pwned")),
    "root that is a file": tar((member("/"), b"pwned")),
    "unknown type": tar(member("x", b"Z")),
    "below a file": tar((member("x"), b""), (member("x/y"), b"")),
    "cut off in a header": tar((member("x"), b"y"))[:700],
    "cut off in a file": tar((member("x"), b"y" * 5000))[:1024],
    "garbage": os.urandom(4096),
    "garbage behind a member": tar((member("x"), b"y"))[:1024] + b"\x01" * 512,
    "empty": b"",
    "cut off gzip": gzip.compress(tar((member("x"), os.urandom(5000))))[:2000],
    "broken zstd": b"\x28\xb5\x2f\xfd" + b"\xff" * 100,
    "huge extended header": member("x", tarfile.XHDTYPE, size=1 << 40).tobuf(tarfile.GNU_FORMAT),
    "negative size": member("x", size=-512).tobuf(tarfile.GNU_FORMAT) + bytes(1024),
    "chain of extended headers": member("x", tarfile.XHDTYPE, size=0).tobuf(tarfile.GNU_FORMAT) * 3000,
    "impossible owner": tar(member("x", pax_headers={"uid": "99999999999"})),
    "impossible time": tar(member("x", pax_headers={"mtime": "1e400"})),
    "no number": tar(member("x", pax_headers={"mtime": "nan"})),
    "name with a null": tar(member("x", pax_headers={"path": "a\0b"})),
}


@pytest.mark.parametrize("layer", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_layer_is_refused_and_the_host_untouched(host: Host, layer: bytes) -> None:
    before = host.fingerprint()
    with pytest.raises(InvalidParameter, match=r"invalid archive: ."):
        await unpack(host, layer)
    assert host.fingerprint() == before


async def test_a_layer_of_holes_cannot_claim_more_than_sizes_can_say(host: Host) -> None:
    claim = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 60)}
    with pytest.raises(InvalidParameter, match="'x' is larger than any disk"):
        await unpack(host, tar(member("x", pax_headers=claim)))


async def test_absolute_links_lead_into_the_layer(host: Host) -> None:
    before = host.fingerprint()
    target = str(host.directory / "etc")
    await unpack(
        host,
        tar(
            member("real", tarfile.DIRTYPE),
            member("x", tarfile.SYMTYPE, linkname="/real"),
            (member("x/file"), b"inside"),
            member("y", tarfile.SYMTYPE, linkname=f"{target}/shadow"),
            (member("y"), b"replaces the link"),
            member("z", tarfile.SYMTYPE, linkname="../../../../../../real"),
            (member("z/other"), b"inside too"),
            (member("/absolute"), b"inside as well"),
        ),
    )
    assert host.fingerprint() == before
    assert (host.root / "real/file").read_bytes() == b"inside"
    assert (host.root / "real/other").read_bytes() == b"inside too"
    assert (host.root / "y").read_bytes() == b"replaces the link"
    assert (host.root / "absolute").exists()


async def test_a_write_to_a_device_of_the_layer_replaces_it(host: Host) -> None:
    await unpack(
        host,
        tar(
            member("full", tarfile.CHRTYPE, devmajor=1, devminor=7),  # each write to it fails
            member("alias", tarfile.LNKTYPE, linkname="full"),
            (member("full"), b"x"),
            (member("alias"), b"y"),
            member("pipe", tarfile.FIFOTYPE),  # opening it would block for ever
            (member("pipe"), b"z"),
        ),
    )
    assert [(host.root / name).read_bytes() for name in ("full", "alias", "pipe")] == [b"x", b"y", b"z"]


async def test_a_cancelled_child_is_dead(host: Host) -> None:
    fifo = host.directory / "layer.tar"
    os.mkfifo(fifo)
    writer = os.open(fifo, os.O_RDWR)
    try:
        with trio.move_on_after(0.2) as scope:
            await sandbox.extract(fifo, host.root)
    finally:
        os.close(writer)
    assert scope.cancelled_caught
    assert not [name for name in command_lines_of_children() if os.fsencode(host.root) in name]


def command_lines_of_children() -> list[bytes]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children.split()]


PARTS = st.sampled_from(["a", "b", "..", ".", "", ".wh.a", ".wh..wh..opq", "é"])
NAMES = st.lists(PARTS, min_size=1, max_size=4)
TARGETS = st.sampled_from(["a", "b", "/", "/a", "..", "../..", "../../secret", "../../etc", "a/b", "/etc"])
KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)


@settings(max_examples=25)
@given(st.lists(st.tuples(NAMES, KINDS, TARGETS), max_size=8))
def test_no_layer_touches_the_host(entries: list[tuple[list[str], bytes, str]]) -> None:
    headers = [
        member("/".join(name), kind, linkname=target, devmajor=1, devminor=7)
        for name, kind, target in entries
    ]
    layer = tar(*((header, b"pwned") if header.isreg() else header for header in headers))
    with make_host() as host:
        before = host.fingerprint()
        with contextlib.suppress(InvalidParameter):
            trio.run(unpack, host, layer)
        assert host.fingerprint() == before


@settings(max_examples=25)
@given(st.data())
def test_no_damage_to_a_layer_does_more_than_refuse_it(data: st.DataObject) -> None:
    headers = {"SCHILY.xattr.user.x": "y", "mtime": "1.5"}
    layer = bytearray(tar((member("a", pax_headers=headers), b"content")))
    for _ in range(data.draw(st.integers(1, 4))):
        layer[data.draw(st.integers(0, 2600))] = data.draw(st.integers(0, 255))
    with make_host() as host:
        before = host.fingerprint()
        with contextlib.suppress(InvalidParameter):
            trio.run(unpack, host, bytes(layer))
        assert host.fingerprint() == before
