"""A container's log as a series of files: the current one, and the older ones that `max-file` lets it keep.

The names are dockerd's: PATH is written to, PATH.1 is the newest of the old files, PATH.2 the one before.
conmon knows only of PATH.  When that has its size, conmon renames a new file over it, and the old one
would be gone; so the current file always has a second name, the spare.  Whenever spare and PATH are
different files, the spare is the newest old one: the old names move up by one, the spare becomes PATH.1,
and the new PATH gets a spare.  That is `settle`.

The rules:

- The spare is newer than every numbered file, so each state of the directory tells the order of all.
- Every step is one rename or link.  Names move up only as far as the first that is free: what a crash has
  left half done, the next `settle` completes, and nothing is overwritten but the oldest of a full series.
- Whoever settles or lists holds a lock on the directory (flock(2)).  conmon does not, but it changes
  nothing except PATH, and PATH is looked at first.

`keep_settled` belongs to a run: the actor begins it with the process, or with a new engine's watch of it,
and ends it when the run is cleared up.  A log of one file costs nothing.  What is lost is what conmon
replaces in between: of several files replaced while no engine runs, or before it has looked (a few
milliseconds), only the first is kept.  The order is right all the same.  With files of 100 kB a container
that does nothing but write was seen to lose none, with files of 10 kB it loses most.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from daemon.runtimes.inotify import Inotify
from daemon.runtimes.logfile import LogFile

LOG = structlog.get_logger(__name__)
LOG_MODE: Final = 0o640  # conmon's


@attrs.frozen
class RotatedLog:
    """A log: `path` is its current file, `most_files` how many there may be together with that."""

    path: Path
    size_max_bytes: int | None = None
    """When the current file is to be replaced; None is never."""

    most_files: int = 1

    @property
    def due(self) -> bool:
        """Whether there is something to settle."""
        return self.most_files > 1 and _inode(self.path) != _inode(self._spare)

    def begin_run(self) -> None:
        """Make the log ready for a run: one that is full is replaced as if conmon had done it.

        conmon counts only what it writes itself: without this a log would grow by up to its whole size at
        each start, forever.

        Raises:
            OSError: the disk refuses.

        """
        self.settle()
        if self.size_max_bytes is not None and _size_bytes(self.path) >= self.size_max_bytes:
            self.path.unlink()
        if self.most_files > 1:  # conmon's first replacement may come before anybody could make a spare
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, LOG_MODE))
            self.settle()

    def settle(self) -> None:
        """Give a file that has been replaced its number, and the current one its spare.

        Raises:
            OSError: the disk refuses; it may be called again.

        """
        if not self.due:
            return
        with _locked(self.path.parent, fcntl.LOCK_EX):
            if not self.due:
                return
            if self._spare.exists():
                for newer, older in reversed(list(pairwise(self._until_free()))):
                    newer.replace(older)
                self._spare.unlink(missing_ok=True)  # rename(2) leaves it if somebody had named it so already
            with suppress(FileNotFoundError):  # there is no current file yet
                self._spare.hardlink_to(self.path)

    async def opened(self) -> list[LogFile]:
        """Open all files, the oldest first; there is always one, which may be empty because it is not there.

        Raises:
            OSError: there are too many open files.

        """
        if self.most_files == 1:
            return [LogFile(self.path)]
        return await trio.to_thread.run_sync(self._open)

    async def after(self, place: Sequence[LogFile]) -> list[LogFile]:
        """Open the file that came after those of `place`, and the one before it.

        A place is where a reader is: the last file is the one being read, the file before it tells where the
        reader was should that one be lost.  If the series has neither any more, it begins with the oldest.

        Raises:
            OSError: there are too many open files.

        """
        with ExitStack() as held:
            files = [held.enter_context(file) for file in await self.opened()]
            known = [n for read in place for n, file in enumerate(files) if file.is_same(read)]
            before = known[-1] if known else -1
            return [file.again() for file in files[max(0, before) : before + 2]]

    def _open(self) -> list[LogFile]:
        files: list[LogFile] = []
        with ExitStack() as held, suppress(FileNotFoundError), _locked(self.path.parent, fcntl.LOCK_SH):
            for name in self._newest_first():
                file = LogFile.found(self.path, name)
                if file is not None and not (files and file.is_same(files[-1])):
                    files.append(held.enter_context(file))
                elif file is not None:
                    file.close()
            held.pop_all()
        return files[::-1] or [LogFile(self.path)]

    @property
    def _spare(self) -> Path:
        return self.path.with_name(f".{self.path.name}.spare")  # not matched by whoever looks for PATH*

    def _numbered(self) -> Iterator[Path]:
        return (self.path.with_name(f"{self.path.name}.{number}") for number in range(1, self.most_files))

    def _newest_first(self) -> Iterator[Path]:
        yield self.path
        yield self._spare
        yield from self._numbered()

    def _until_free(self) -> Iterator[Path]:
        """Yield the spare and the numbered names up to the first that is free, or to the last."""
        yield self._spare
        for name in self._numbered():
            yield name
            if not name.exists():
                return


async def settled(log: RotatedLog) -> None:
    """Settle a log, if there is something to settle; if the disk refuses, the next time does it."""
    try:
        if not log.due:
            return
        await trio.to_thread.run_sync(log.settle)
    except OSError as error:
        LOG.error("log not rotated", log=str(log.path), reason=str(error))
    else:
        LOG.debug("log rotated", log=str(log.path))


async def keep_settled(log: RotatedLog, inotify: Inotify) -> None:
    """Settle a log each time that conmon has replaced its file, until cancelled."""
    if log.most_files == 1:
        return
    try:
        with inotify.watch_directory(log.path.parent) as watch:
            while True:
                await settled(log)
                await watch.changed()
    except OSError as error:  # the kernel watches enough already
        LOG.error("log is not rotated during this run", log=str(log.path), reason=str(error))


@contextmanager
def _locked(directory: Path, operation: int) -> Generator[None, None, None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
