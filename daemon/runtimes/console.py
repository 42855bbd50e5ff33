"""What a monitor can be told while its container runs: the terminal's size, and to open its log anew.

conmon reads lines of three numbers from the FIFO `ctl`: 1 with height and width, or 2 to reopen the
log.  (Its FIFO `winsz` takes height and width only.)  Seen on conmon 2.1.6.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from daemon.errors import Conflict, Failed

RESIZE: Final = 1
REOPEN_LOG: Final = 2


def resize(bundle: Path, height: int, width: int) -> None:
    """Tell a terminal its size, in character cells.

    Raises:
        Conflict: there is no process any more.
        Failed: the monitor does not listen.

    """
    _control(bundle, RESIZE, height, width)


def reopen_log(bundle: Path) -> None:
    """Have the log's path opened again, after somebody has moved the file away.

    Raises:
        Conflict: there is no process any more.
        Failed: the monitor does not listen.

    """
    _control(bundle, REOPEN_LOG, 0, 0)


def _control(bundle: Path, command: int, first: int, second: int) -> None:
    try:
        fifo = os.open(bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:  # ENOENT: no monitor yet or no bundle any more; ENXIO: the monitor has ended
        raise Conflict("cannot reach the container's monitor: the process has ended") from error
    try:
        os.write(fifo, f"{command} {first} {second}\n".encode())  # shorter than PIPE_BUF: all or nothing
    except OSError as error:
        raise Failed(f"cannot reach the container's monitor: {error.strerror}") from error
    finally:
        os.close(fifo)
