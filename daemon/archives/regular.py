"""Opening regular files and nothing else, in a tree that a container may be changing.

To open a device does something: it starts a watchdog, rewinds a tape, hangs up a modem.  A container may make
nodes, it can put one in the place of a file that has just been looked at, and its device rules do not hold
whoever copies its files.  So a name is opened as a place first, which does nothing, and if a regular file is
there that is opened through procfs, which never leads to another one.

Source: open(2), "O_PATH"; proc(5), "/proc/pid/fd".
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from daemon.syscalls import INERT, MOUNT_ATTR_RDONLY, detached

_OWN: Final = Path("/proc/self/fd")
_PLACE: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class RegularFiles:
    """To be made while the host's procfs can be seen; it works for this process, wherever that goes.

    Of procfs it keeps one directory, and that as a mount of its own: there is no way up from it.
    """

    def __init__(self) -> None:
        self._places = detached(_OWN, INERT | MOUNT_ATTR_RDONLY)

    def open(self, name: str | bytes, parent: int) -> int:
        """Open the regular file `name` in the directory `parent` to read it; the caller closes it.

        Raises:
            OSError: as open(2); ELOOP for a link, and ENXIO for anything else that is no regular file.

        """
        place = os.open(name, _PLACE, dir_fd=parent)
        try:
            kind = stat.S_IFMT(os.fstat(place).st_mode)
            if kind != stat.S_IFREG:
                code = errno.ELOOP if kind == stat.S_IFLNK else errno.ENXIO
                raise OSError(code, os.strerror(code), name)
            return os.open(str(place), _READ, dir_fd=self._places)
        finally:
            os.close(place)
