"""Mounting overlayfs.  What is mounted is asked of the kernel each time, never remembered.

mount(2) takes one page of options.  Many or awkward paths are therefore named through descriptors,
/proc/self/fd/N, which are short and hold no character that overlayfs gives a meaning to.

Source: kernel Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

import attrs
import structlog

from daemon import syscalls

OPTIONS_LIMIT_BYTES: Final = 4000  # of the page that mount(2) copies
_SPECIAL: Final = frozenset(',:\\"\n')
# A layer is under many containers at once, which the index would take for a mistake.
# With neither of the others, a directory of changes says everything that a layer has to say.
_ALWAYS: Final = "index=off,redirect_dir=follow,metacopy=off"
_log = structlog.get_logger(__name__)


@attrs.frozen
class Stack:
    """Directories to be shown as one; `lowers` are read-only, uppermost first."""

    lowers: Sequence[Path]
    upper: Path | None = None
    work: Path | None = None

    @property
    def paths(self) -> list[tuple[str, Path]]:
        """Each directory, with what precedes it among the options."""
        found = [(",lowerdir=" if number == 0 else ":", path) for number, path in enumerate(self.lowers)]
        if self.upper is not None and self.work is not None:
            found += [(",upperdir=", self.upper), (",workdir=", self.work)]
        return found


def mount(stack: Stack, target: Path) -> None:
    """Mount on `target`, unless something is.

    Raises:
        OSError: the kernel refused.

    """
    if not os.path.ismount(target):
        with _options(stack) as options:
            syscalls.mount("overlay", target, "overlay", 0, options)


def unmount(target: Path) -> None:
    """Unmount whatever is mounted on `target`; what somebody is using is gone when they are.

    Raises:
        OSError: the kernel refused.

    """
    while os.path.ismount(target):
        try:
            syscalls.unmount(target)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            _log.warning("root filesystem is busy, detaching it", path=str(target))
            syscalls.unmount(target, syscalls.MNT_DETACH)


@contextlib.contextmanager
def _options(stack: Stack) -> Generator[str, None, None]:
    """Yield the mount options, with paths where they fit and descriptors where not."""
    paths = [str(path) for _, path in stack.paths]
    plain = _ALWAYS + "".join(f"{before}{path}" for before, path in stack.paths)
    if len(os.fsencode(plain)) <= OPTIONS_LIMIT_BYTES and not any(_SPECIAL.intersection(p) for p in paths):
        yield plain
        return
    with contextlib.ExitStack() as opened:
        named = [_ALWAYS]
        for before, path in stack.paths:
            descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, descriptor)
            named.append(f"{before}/proc/self/fd/{descriptor}")
        yield "".join(named)
