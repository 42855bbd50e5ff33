"""Root filesystems from overlayfs: read-only layers below, one writable directory per container above.

A container's directory <root>/containers/<id> holds diff (what it has written), work (the kernel's),
merged (where it is mounted) and layers (its chain IDs, lowest first).  What is mounted is asked
of the kernel each time, never remembered: the engine may have died in between.

mount(2) takes one page of options.  Many or awkward paths are therefore named through descriptors,
/proc/self/fd/N, which are short and hold no character that overlayfs gives a meaning to.

Source: kernel Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Collection, Generator, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs
import orjson
import structlog
import trio

from daemon import syscalls
from daemon.errors import Failed
from daemon.graphdrivers import trees
from daemon.graphdrivers.layers import DRIVER_NAME, OverlayLayers
from daemon.graphdrivers.trees import delete_tree

OPTIONS_LIMIT_BYTES: Final = 4000  # of the page that mount(2) copies
_SPECIAL: Final = frozenset(',:\\"\n')
_log = structlog.get_logger(__name__)


@attrs.frozen
class OverlayDriver:
    """The graph driver `overlay2`; `layers` is where the read-only layers are."""

    root: Path
    layers: OverlayLayers
    _threads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(8), init=False)

    @property
    def name(self) -> str:
        """What `docker info` calls it."""
        return DRIVER_NAME

    async def prepare(self, container_id: str, chain_ids: Sequence[str]) -> None:
        """Make an empty writable layer over the layers `chain_ids`, lowest first.

        Raises:
            Failed: a layer is missing, or the disk refused.

        """
        with _translated("create the root filesystem", container_id):
            await trio.to_thread.run_sync(self._prepare, container_id, chain_ids, limiter=self._threads)

    async def mount(self, container_id: str, chain_ids: Sequence[str] | None = None) -> Path:
        """Return the root filesystem, mounted; with `chain_ids`, `prepare` it first.

        Raises:
            Failed: the kernel refused, or it was never prepared.

        """
        with _translated("mount the root filesystem", container_id):
            return await trio.to_thread.run_sync(self._mount, container_id, chain_ids, limiter=self._threads)

    async def unmount(self, container_id: str) -> None:
        """Unmount the root filesystem; the writable layer stays.

        Raises:
            Failed: the kernel refused.

        """
        with _translated("unmount the root filesystem", container_id):
            await trio.to_thread.run_sync(self._unmount, container_id, limiter=self._threads)

    async def remove(self, container_id: str) -> None:
        """Unmount and delete the writable layer.

        Raises:
            Failed: something in it cannot be deleted, an immutable file for one.

        """
        with _translated("remove the root filesystem", container_id):
            await trio.to_thread.run_sync(self._remove, container_id, limiter=self._threads)

    async def prune(self, container_ids: Collection[str]) -> None:
        """Unmount and delete the writable layers of all other containers; for start-up."""
        parent = self.root / "containers"
        found = await trio.to_thread.run_sync(lambda: os.listdir(parent) if parent.is_dir() else [])
        for container_id in set(found).difference(container_ids):
            try:
                await self.remove(container_id)
            except Failed as error:  # it can wait for the next start; the engine cannot
                _log.warning("left-over root filesystem stays", container_id=container_id, error=str(error))

    async def written_bytes(self, container_id: str) -> int:
        """Return the size of what the container has written; 0 for one that was never prepared."""
        diff = self.directory(container_id) / "diff"
        return await trio.to_thread.run_sync(trees.size_bytes, diff, abandon_on_cancel=True)

    def describe(self, container_id: str) -> Mapping[str, str]:
        """Return what inspect shows as GraphDriver.Data; nothing for what was never prepared."""
        directory = self.directory(container_id)
        try:
            lowers = self._lowers(directory)
        except OSError:
            return {}
        return {
            "LowerDir": ":".join(map(str, lowers)),
            "MergedDir": str(directory / "merged"),
            "UpperDir": str(directory / "diff"),
            "WorkDir": str(directory / "work"),
        }

    def directory(self, container_id: str) -> Path:
        """Return where everything of one container is."""
        return self.root / "containers" / container_id

    def _lowers(self, directory: Path) -> list[Path]:
        """Return the read-only layers, uppermost first as the kernel wants them."""
        chain_ids: list[str] = orjson.loads((directory / "layers").read_bytes())
        return [self.layers.path(chain_id) for chain_id in reversed(chain_ids)] or [directory / "empty"]

    def _prepare(self, container_id: str, chain_ids: Sequence[str]) -> None:
        directory = self.directory(container_id)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("diff", "work", "merged") if chain_ids else ("diff", "work", "merged", "empty"):
            (directory / name).mkdir(exist_ok=True)
        if (directory / "layers").exists():
            return  # prepared before: what the container has made of its root stays
        top = os.stat(self.layers.path(chain_ids[-1])) if chain_ids else None
        # The upper directory shows as `/` of the container, so it takes the image's owner and mode.
        os.chown(directory / "diff", top.st_uid if top else 0, top.st_gid if top else 0)
        os.chmod(directory / "diff", stat.S_IMODE(top.st_mode) if top else 0o755)
        _write(directory / "layers", orjson.dumps(list(chain_ids)))

    def _mount(self, container_id: str, chain_ids: Sequence[str] | None) -> Path:
        if chain_ids is not None:
            self._prepare(container_id, chain_ids)
        directory = self.directory(container_id)
        merged = directory / "merged"
        if not os.path.ismount(merged):
            with _options(self._lowers(directory), directory) as options:
                syscalls.mount("overlay", merged, "overlay", 0, options)
        return merged

    def _unmount(self, container_id: str) -> None:
        merged = self.directory(container_id) / "merged"
        while os.path.ismount(merged):
            try:
                syscalls.unmount(merged)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                _log.warning("root filesystem is busy, detaching it", container_id=container_id)
                syscalls.unmount(merged, syscalls.MNT_DETACH)

    def _remove(self, container_id: str) -> None:
        self._unmount(container_id)
        delete_tree(self.directory(container_id))


@contextlib.contextmanager
def _options(lowers: Sequence[Path], directory: Path) -> Generator[str, None, None]:
    """Yield the mount options, with paths where they fit and descriptors where not."""
    paths = [directory / "diff", directory / "work", *lowers]
    plain = _join([str(path) for path in paths])
    if len(os.fsencode(plain)) <= OPTIONS_LIMIT_BYTES and not any(
        _SPECIAL.intersection(str(p)) for p in paths
    ):
        yield plain
        return
    with contextlib.ExitStack() as opened:
        names = []
        for path in paths:
            descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, descriptor)
            names.append(f"/proc/self/fd/{descriptor}")
        yield _join(names)


def _join(names: Sequence[str]) -> str:
    # index=off: a layer is under many containers at once, which the index would take for a mistake.
    upper, work, *lowers = names
    return f"index=off,lowerdir={':'.join(lowers)},upperdir={upper},workdir={work}"


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_bytes(content)
    os.replace(temporary, path)


@contextlib.contextmanager
def _translated(what: str, container_id: str) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        raise Failed(f"failed to {what} of container {container_id[:12]}: {error}") from error
