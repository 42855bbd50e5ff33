"""What the children that copy have in common: an order, a container's tree to enter, ways to fail.

A child is started as `python -m daemon.copying.<job> N`, where N is the number of an open file with its
order.  It enters the container's tree before it looks at the path it was given, and before it reads the first
byte of an archive; whatever it may ever need must have been imported by then.
"""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from daemon.archives.confinement import confine
from daemon.archives.errors import run
from daemon.copying import paths
from daemon.copying.entering import enter
from daemon.copying.orders import CopyOrder


class Failure(enum.IntEnum):
    """What was wrong with the request; as exit statuses they go on where `daemon.archives.errors` ends."""

    MISSING = 3  # there is nothing at that path
    REFUSED = 4  # what is there cannot be used so; the last words are for the client


class Refused(Exception):
    """The request cannot be carried out; the text is for the client."""


Rest = Callable[[], object]
"""What a child does when the path it was given has turned out to be right."""


def serve(work: Callable[[CopyOrder, str], Rest]) -> None:
    """Carry out the one order of this process; `work` is given the path in its `absolute` form."""
    run(lambda: _serve(work))


def read_order() -> CopyOrder:
    """Return the order of this process."""
    with open(int(sys.argv[1]), encoding="utf-8") as file:
        return CopyOrder.read(file.read())


def _serve(work: Callable[[CopyOrder, str], Rest]) -> None:
    order = read_order()
    enter(order.view)
    confine("/")
    try:
        rest = work(order, paths.absolute(order.path))
    except (FileNotFoundError, paths.TooManyLinks):
        _fail(Failure.MISSING, "")
    except NotADirectoryError:
        _fail(Failure.REFUSED, f"{order.path}: not a directory")
    except Refused as error:
        _fail(Failure.REFUSED, f"{error}")
    else:
        rest()


def _fail(failure: Failure, text: str) -> NoReturn:
    sys.stderr.write(text)
    sys.exit(failure)


def read_link(path: str) -> str | None:
    """Return what the symbolic link at `path` says; None for what is no link, or is not there."""
    try:
        return os.readlink(path)
    except OSError:
        return None
