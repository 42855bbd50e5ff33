"""Trees packed and compared by the real children; needs root for chroot and devices."""

from __future__ import annotations

import io
import itertools
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import trio

from daemon.archives import sandbox
from daemon.archives.changes import Change, Kind
from daemon.archives.orders import Whiteouts
from daemon.errors import Failed
from tests.runtime.archives.trees import CAPABILITY, facts

pytestmark = pytest.mark.runtime


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    made.mkdir()
    return made


async def packed(root: Path, **options: Any) -> bytes:
    gathered = bytearray()
    async with sandbox.pack(root, **options) as chunks:
        async for chunk in chunks:
            gathered += chunk
    return bytes(gathered)


async def names(root: Path, **options: Any) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(await packed(root, **options))) as archive:
        return [member.name + "/" * member.isdir() for member in archive]


async def test_everything_a_tree_can_hold_is_packed_and_comes_back(tree: Path, tmp_path: Path) -> None:
    (tree / "dir").mkdir(mode=0o1777)
    (tree / "dir/file").write_bytes(b"x" * 200_000)
    os.chown(tree / "dir/file", 3_000_000, 4)
    os.chmod(tree / "dir/file", 0o4711)
    os.setxattr(tree / "dir/file", "security.capability", CAPABILITY)
    os.setxattr(tree / "dir", "user.note", b"\0\n=")
    (tree / "empty").touch()
    os.utime(tree / "empty", ns=(0, -1_500_000_000))
    os.utime(tree / "dir/file", ns=(0, 1_700_000_000_123_456_789))
    os.link(tree / "dir/file", tree / "hard")
    (tree / "soft").symlink_to("/etc/shadow")
    (tree / ("long" * 40)).symlink_to("é" * 120)
    os.mknod(tree / "null", 0o20666, os.makedev(1, 3))
    os.mkfifo(tree / "pipe")
    (tree / os.fsdecode(b"caf\xe9")).touch()
    deep = tree.joinpath(*["d" * 60] * 4)
    deep.mkdir(parents=True)
    (deep / "leaf").write_bytes(b"leaf")
    root = tmp_path / "root"
    root.mkdir()
    content = await packed(tree)
    archive = tmp_path / "tar"
    archive.write_bytes(content)
    await sandbox.extract(archive, root)
    assert facts(root) == facts(tree)
    assert await packed(root) == content


@pytest.mark.parametrize(
    ("path", "top", "expected"),
    [
        ("etc", "etc", ["etc/", "etc/passwd"]),
        ("etc", ".", ["./", "./passwd"]),
        ("", "/", ["/", "/etc/", "/etc/passwd"]),
        ("etc", None, ["passwd"]),
        ("etc/passwd", "passwd", ["passwd"]),
        ("etc/passwd", "renamed", ["renamed"]),
    ],
)
async def test_what_is_packed_has_the_name_it_is_to_have(
    tree: Path, path: str, top: str | None, expected: list[str]
) -> None:
    (tree / "etc").mkdir()
    (tree / "etc/passwd").touch()
    for whole_seconds in (tree / "etc/passwd", tree / "etc", tree):  # so that nothing needs a PAX header
        os.utime(whole_seconds, (1, 1))
    raw = await packed(tree, path=path, top=top)
    headers = [raw[start : start + 512] for start in range(0, len(raw) - 1024, 512)]
    assert [header[:100].rstrip(b"\0").decode() for header in headers] == expected


async def test_links_are_packed_and_never_followed(tree: Path) -> None:
    (tree / "real").mkdir()
    (tree / "real/file").touch()
    (tree / "link").symlink_to("/real")
    assert await names(tree) == ["link", "real/", "real/file"]
    assert await names(tree, path="link", top="link") == ["link"]


async def test_a_closed_directory_is_packed_without_its_content(tree: Path) -> None:
    (tree / "a/volume/inner").mkdir(parents=True)
    (tree / "a/other").touch()
    assert await names(tree, closed=("a/volume",)) == ["a/", "a/other", "a/volume/"]


async def test_sockets_are_left_out(tree: Path) -> None:
    os.mknod(tree / "socket", 0o140644)
    (tree / "file").touch()
    assert await names(tree) == ["file"]


async def test_signs_of_overlayfs_become_those_of_layers(tree: Path) -> None:
    (tree / "opaque").mkdir()
    os.setxattr(tree / "opaque", "trusted.overlay.opaque", b"y")
    (tree / "opaque/new").touch()
    os.mknod(tree / "gone", 0o20000, 0)
    os.mknod(tree / "opaque/too", 0o20000, 0)
    assert await names(tree, whiteouts=Whiteouts.OVERLAYFS) == [
        ".wh.gone",
        "opaque/",
        "opaque/.wh..wh..opq",
        "opaque/new",
        "opaque/.wh.too",
    ]


async def test_a_layer_cannot_hold_a_name_that_would_delete(tree: Path) -> None:
    (tree / ".wh.x").touch()
    assert await names(tree) == [".wh.x"]
    with pytest.raises(Failed, match=r"a layer cannot hold '\.wh\.x':"):
        await names(tree, whiteouts=Whiteouts.OVERLAYFS)


async def test_only_changes_are_packed(tree: Path) -> None:
    for name in ("a/b/c", "a/b/d", "e/f"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    changes = [Change("/a/b/c", Kind.MODIFIED), Change("/e/gone", Kind.DELETED)]
    assert await names(tree, whiteouts=Whiteouts.APPLIED, changes=changes) == [
        "a/",
        "a/b/",
        "a/b/c",
        "e/",
        "e/.wh.gone",
    ]


async def test_what_is_not_there_is_an_error(tree: Path) -> None:
    with pytest.raises(Failed, match="cannot pack"):
        await packed(tree, path="nothing", top="nothing")


async def test_a_file_that_shrinks_meanwhile_does_not_break_the_tar(tree: Path) -> None:
    size = 64 << 20
    with (tree / "a").open("wb") as file:
        file.truncate(size)
    (tree / "b").write_bytes(b"behind it")
    gathered = bytearray()
    async with sandbox.pack(tree) as chunks:
        async for chunk in chunks:
            os.truncate(tree / "a", 0)
            gathered += chunk
    with tarfile.open(fileobj=io.BytesIO(gathered)) as archive:
        assert [member.size for member in archive] == [size, 9]
        behind = archive.extractfile("b")
        assert behind
        assert behind.read() == b"behind it"


async def test_a_reader_that_leaves_takes_the_child_along(tree: Path) -> None:
    with (tree / "a").open("wb") as file:
        file.truncate(64 << 20)
    with trio.fail_after(60):
        async with sandbox.pack(tree) as chunks:
            assert await anext(chunks)


async def compared(lower: Path | None, upper: Path) -> list[tuple[str, str]]:
    return [(change.path, change.kind.name) for change in await sandbox.compare(lower, upper)]


async def test_trees_are_compared(tree: Path, tmp_path: Path) -> None:
    for name in ("same/deep/file", "changed/deep/file", "gone/file", "kind", "mode"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    upper = tmp_path / "upper"
    await trio.run_process(["cp", "-a", str(tree), str(upper)])
    assert await compared(tree, upper) == []
    (upper / "changed/deep/file").write_bytes(b"x")
    await trio.run_process(["rm", "-r", str(upper / "gone"), str(upper / "kind")])
    (upper / "kind").mkdir()
    (upper / "kind/inner").touch()
    (upper / "mode").chmod(0o600)
    (upper / "new/deep").mkdir(parents=True)
    assert await compared(tree, upper) == [
        ("/changed", "MODIFIED"),
        ("/changed/deep", "MODIFIED"),
        ("/changed/deep/file", "MODIFIED"),
        ("/gone", "DELETED"),
        ("/kind", "MODIFIED"),
        ("/kind/inner", "ADDED"),
        ("/mode", "MODIFIED"),
        ("/new", "ADDED"),
        ("/new/deep", "ADDED"),
    ]
    assert ("/gone/file", "ADDED") in await compared(None, tree)


async def test_a_capability_is_a_difference(tree: Path, tmp_path: Path) -> None:
    (tree / "ping").touch(mode=0o755)
    upper = tmp_path / "upper"
    await trio.run_process(["cp", "-a", str(tree), str(upper)])
    os.setxattr(upper / "ping", "security.capability", CAPABILITY)
    assert await compared(tree, upper) == [("/ping", "MODIFIED")]


async def test_a_difference_applied_to_the_lower_tree_gives_the_upper_one(tree: Path, tmp_path: Path) -> None:
    (tree / "kept").mkdir()
    (tree / "gone/deep").mkdir(parents=True)
    (tree / "file").touch()
    upper, again = tmp_path / "upper", tmp_path / "again"
    for copy in (upper, again):
        await trio.run_process(["cp", "-a", str(tree), str(copy)])
    await trio.run_process(["rm", "-r", str(upper / "gone"), str(upper / "file")])
    (upper / "file/now/a/directory").mkdir(parents=True)
    (upper / "kept/new").write_bytes(b"x")
    changes = await sandbox.compare(tree, upper)
    archive = tmp_path / "tar"
    archive.write_bytes(await packed(upper, whiteouts=Whiteouts.APPLIED, changes=changes))
    await sandbox.extract(archive, again, whiteouts=Whiteouts.APPLIED)
    assert await compared(upper, again) == []


async def test_a_list_that_would_not_fit_into_the_engine_is_refused(tree: Path) -> None:
    directory = os.open(tree, os.O_RDONLY)
    for _ in range(1500):  # whose paths have more than 256 MiB
        os.mkdir("d" * 255, dir_fd=directory)
        inner = os.open("d" * 255, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = inner
    os.close(directory)
    try:
        with pytest.raises(Failed, match="than could be listed"):
            await sandbox.compare(None, tree)
        with pytest.raises(Failed, match="than could be listed"):
            await sandbox.compare_stacked([], tree)
    finally:  # pytest could not
        await trio.run_process(["rm", "-r", str(tree)])


async def test_a_tree_that_does_not_keep_still_is_packed_and_compared(tree: Path, tmp_path: Path) -> None:
    names = [f"{number:02}" for number in range(50)]
    lower = tmp_path / "lower"
    lower.mkdir()

    def change(name: str, kind: int) -> None:
        path, new = tree / name, tmp_path / "new"
        _MAKERS[kind](new)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        if kind == len(_MAKERS) - 1:
            path.unlink(missing_ok=True)
        new.rename(path)

    def run(stop: Event) -> None:
        for round_ in itertools.count():
            for position, name in enumerate(names):
                if stop.is_set():
                    return
                change(name, (round_ + position) % len(_MAKERS))

    stop = Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, run, stop)
        try:
            for _ in range(8):
                await packed(tree)
                await sandbox.compare(lower, tree)
                await sandbox.compare_stacked([lower], tree)
        finally:
            stop.set()


_MAKERS: tuple[Callable[[Path], object], ...] = (
    lambda path: path.write_bytes(b"x" * 100),
    lambda path: path.symlink_to("/etc/shadow"),
    os.mkfifo,
    lambda path: os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5)),
    Path.mkdir,
)
