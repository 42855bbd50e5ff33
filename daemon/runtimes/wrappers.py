"""Wrapper scripts: a runtime with arguments of its own, as one program that conmon can be given.

A script's name ends in the SHA-256 of its text, so the same content is the same file and a name never changes
its meaning: containers hold on to the path they were started with, however often the configuration is
replaced.  So a script is never rewritten and, while the engine runs, never removed; only a start, which
knows every container there is, sweeps away what nothing refers to.

After a crash of the engine there is either no script of a name or all of it.  After a power cut there may be
an empty one, because nothing waits for the disk here: whatever a start of the engine keeps, it has
compared with what its name promises, and no container has lived through the cut to use it before that.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

import attrs
import structlog

from daemon.failpoints import reached

MODE: Final = 0o700  # of a script and of the directory: arguments may be nobody else's business
MISSING: Final = "missing"
NOT_A_FILE: Final = (errno.ELOOP, errno.ENXIO)  # open(2) of a link, of a socket
LOG: Final = structlog.get_logger(__name__)


@attrs.frozen
class Wrapper:
    """A runtime of the configuration that has arguments.

    Attributes:
        name: its name in the configuration, without a slash.
        binary: the absolute path of the runtime.
        arguments: what stands before the arguments of every call; text without NUL.

    """

    name: str
    binary: str
    arguments: tuple[str, ...]

    @property
    def text(self) -> bytes:
        """The script: it becomes the runtime, so that signals and the exit code are the runtime's own."""
        command = shlex.join([self.binary, *self.arguments])
        return os.fsencode(f'#!/bin/sh\nexec {command} "$@"\n')

    @property
    def file_name(self) -> str:
        """Its name in the directory of scripts."""
        return f"{self.name}.{hashlib.sha256(self.text).hexdigest()}"


def write(directory: Path, wrappers: Collection[Wrapper]) -> None:
    """Write the scripts that are not there; blocks.

    A file that is not what its name promises is the disk's fault, or somebody's: it is logged and replaced.

    Raises:
        OSError: a script can be neither read nor written; others may have been.

    """
    for wrapper in wrappers:
        path = directory / wrapper.file_name
        if _is_wanting(path, wrapper.text):
            _make(directory)
            _place(path, wrapper.text)


def sweep(directory: Path, keep: Collection[Wrapper]) -> None:
    """Leave exactly the scripts of `keep` in the directory, each as it must be; blocks.

    For the start of the engine alone: later, a container may be using any script, and another thread
    may be about to give a temporary file its name.

    Raises:
        OSError: something can be neither read, written nor removed.

    """
    _make(directory)
    kept = {wrapper.file_name: wrapper for wrapper in keep}
    with os.scandir(directory) as entries:
        strays = [entry for entry in entries if entry.name not in kept or entry.is_dir(follow_symlinks=False)]
    for entry in strays:
        LOG.debug("removing from the wrapper scripts what nothing refers to", path=entry.path)
        remove = shutil.rmtree if entry.is_dir(follow_symlinks=False) else os.unlink
        remove(entry.path)
    write(directory, kept.values())


def _is_wanting(path: Path, text: bytes) -> bool:
    """Tell whether a script has to be written, and log why."""
    fault = _fault(path, text)
    if fault is None:
        return False
    log = LOG.debug if fault == MISSING else LOG.error
    log("writing a runtime's wrapper script", path=str(path), fault=fault)
    return True


def _fault(path: Path, text: bytes) -> str | None:
    """Return what is wrong with a script, or None if it may be run."""
    try:
        # Not to follow a link, nor to wait for a FIFO's writer: neither is a script of ours.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        if error.errno in NOT_A_FILE:
            return "no regular file"
        raise
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return "no regular file"
        if stat.S_IMODE(status.st_mode) != MODE:
            return f"mode {stat.S_IMODE(status.st_mode):04o}"
        return None if os.read(fd, len(text) + 1) == text else "other content"
    finally:
        os.close(fd)


def _place(path: Path, text: bytes) -> None:
    """Give `path` its text in one step."""
    fd, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, MODE)
            file.write(text[: len(text) // 2])
            file.flush()
            reached("wrapper-half-written")
            file.write(text[len(text) // 2 :])
        os.rename(temporary, path)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    reached("wrapper-written")


def _make(directory: Path) -> None:
    """See to it that the directory exists and is ours alone."""
    directory.mkdir(MODE, parents=True, exist_ok=True)
    directory.chmod(MODE)
