"""How the children fail, and how their failures reach the engine.

A child that gives up writes one line to stderr.  Its exit status says whose fault it was.
"""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, NoReturn

ARCHIVE_AT_FAULT: Final = 1
HOST_AT_FAULT: Final = 74  # EX_IOERR of sysexits.h
_OF_THE_HOST: Final = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE),
        errno.ENOSYS,  # what `daemon.archives.filters` has left out
    }
)


class BadArchive(Exception):
    """The archive is broken or asks for something no image may ask for."""


class Unconfined(Exception):
    """The host does not let this process be confined."""


def _said(error: OSError) -> str:
    """Return what the kernel said and of which file, as people write it: names are bytes here, or numbers."""
    names = (name for name in (error.filename, error.filename2) if isinstance(name, str | bytes))
    return ": ".join((error.strerror or str(error), *map(os.fsdecode, names)))


def run(main: Callable[[], None]) -> NoReturn:
    """Run a child's `main`; whatever a hostile archive sets off ends as one line, never as a traceback."""
    line, status = "", 0
    try:
        main()
        sys.stdout.flush()
    except BadArchive as error:
        line, status = f"{error}", ARCHIVE_AT_FAULT
    except Unconfined as error:
        line, status = f"{error}", HOST_AT_FAULT
    except OSError as error:
        line, status = _said(error), HOST_AT_FAULT if error.errno in _OF_THE_HOST else ARCHIVE_AT_FAULT
    except Exception as error:
        line, status = f"{type(error).__name__}: {error}", ARCHIVE_AT_FAULT
    sys.stderr.write(line)
    sys.stderr.flush()
    os._exit(status)  # at once, whatever threads still do
