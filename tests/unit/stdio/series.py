"""A log of one or of several files, written and replaced by the test as conmon does it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import attrs
import trio
import trio.testing

from daemon.api.loglines import LineRenderer
from daemon.runtimes.logformat import STDOUT
from daemon.runtimes.logrotation import RotatedLog
from daemon.runtimes.logs import Selection
from tests.unit.stdio.logtext import START_NS, Reading, line, read


@attrs.frozen
class Log:
    """A log, written as conmon does it."""

    path: Path

    @classmethod
    def of(cls, directory: Path, *texts: bytes) -> Log:
        log = cls(directory / "log")
        log.path.touch()
        log.write(*texts)
        return log

    def write(self, *texts: bytes) -> None:
        """Append a line for each of `texts`."""
        self.append(b"".join(line(START_NS, text) for text in texts))

    def append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def replace(self, *texts: bytes) -> None:
        """Go on in a new file, and with these lines."""
        fresh = self.path.with_name("log.tmp")
        fresh.touch()
        os.replace(fresh, self.path)
        self.write(*texts)


def a_log(directory: Path, *texts: bytes, files: int = 3) -> tuple[Log, RotatedLog]:
    """Return a log that is ready for a run, and has these lines."""
    log, rotated = Log(directory / "log"), RotatedLog(directory / "log", most_files=files)
    rotated.begin_run()
    log.write(*texts)
    return log, rotated


def rotate(log: Log, rotated: RotatedLog, texts: Iterable[bytes]) -> None:
    """Go on in a new file for each of `texts`, with an engine that looks each time."""
    for text in texts:
        log.replace(text)
        rotated.settle()


def held(directory: Path) -> dict[str, list[bytes]]:
    """Return the lines of each file that can be seen."""
    names = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    return {path.name: shown(path.read_bytes()) for path in names}


async def lines(rotated: RotatedLog) -> list[bytes]:
    return shown(await read(rotated, Selection()))


def shown(blocks: bytes) -> list[bytes]:
    """Return the texts as a client sees them."""
    return LineRenderer(frozenset({STDOUT}), framed=False).render(blocks).splitlines()


async def all_of(reading: Reading, *last: bytes) -> None:
    """Return once it has read the lines `last`, and it has nothing more to do."""
    while shown(reading.read)[-len(last) :] != list(last):
        await trio.lowlevel.checkpoint()
    await trio.testing.wait_all_tasks_blocked()
